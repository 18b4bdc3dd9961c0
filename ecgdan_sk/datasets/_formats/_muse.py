"""GE MUSE XML: resting ECGs as the MUSE system exports them."""

import re

import numpy as np

from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    fullest,
    measured,
    moment,
    mv_per,
    number,
    sex_code,
    waveform,
)
from ._xml import base64_counts, text_of

_MEASURED = {
    "heart_rate_bpm": "VentricularRate",
    "pr_interval_ms": "PRInterval",
    "qrs_duration_ms": "QRSDuration",
    "qt_interval_ms": "QTInterval",
    "qtc_interval_ms": "QTCorrected",
    "p_axis_deg": "PAxis",
    "qrs_axis_deg": "RAxis",
    "t_axis_deg": "TAxis",
}
_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV"}
# What lies between the starts of leads that were not recorded together.
_OFFSETS = ("LeadTimeOffset", "LeadOffsetFirstSample")


def muse(root):
    """Recording of a parsed RestingECG document."""
    rhythms, medians = _of_type(root, "Rhythm"), _of_type(root, "Median")
    if not rhythms:
        types = [text_of(w, "WaveformType", "") for w in root.findall("Waveform")]
        raise ECGFileError(
            f"it holds the waveforms {', '.join(types) or 'none'}; expected one of "
            "WaveformType Rhythm. Export it with its waveforms."
        )
    patient, test = root.find("PatientDemographics"), root.find("TestDemographics")
    recorded_at = _moment(
        text_of(test, "AcquisitionDate"), text_of(test, "AcquisitionTime")
    )
    measures = root.find("RestingECGMeasurements")
    return Recording(
        rhythm=fullest(rhythms),
        median=fullest(medians) if medians else None,
        patient_id=text_of(patient, "PatientID"),
        sex=sex_code(text_of(patient, "Gender")),
        recorded_at=recorded_at,
        device=text_of(test, "AcquisitionDevice"),
        statements=_statements(root.find("Diagnosis")),
        measurements=measured(
            {name: text_of(measures, tag) for name, tag in _MEASURED.items()}
        ),
        **_age(patient, recorded_at),
    )


def _of_type(root, kind):
    """Waveforms of this type that hold leads; a strip may stand beside the twelve."""
    found = [w for w in root.findall("Waveform") if text_of(w, "WaveformType") == kind]
    return [_waveform(w) for w in found if w.find("LeadData") is not None]


def _waveform(element):
    """Leads of one Waveform element, in mV."""
    exponent = min(number(text_of(element, "SampleExponent", 0)), 6)
    rate = number(text_of(element, "SampleBase")) * 10.0**exponent
    found = element.findall("LeadData")
    for tag in _OFFSETS:
        offsets = {number(text_of(lead, tag, 0)) for lead in found}
        if len(offsets) > 1:
            raise ECGFileError(
                f"its leads begin at {tag} {sorted(offsets)[:12]}; expected all leads "
                "recorded together. Export it in the format of twelve leads at once."
            )
    signals = [_signal(lead) for lead in found]
    leads = [text_of(lead, "LeadID", "") for lead in found]
    return waveform(signals, rate, leads, map(_unit, found))


def _signal(lead):
    """Samples of one lead in mV: 16-bit little-endian counts in base64."""
    name = text_of(lead, "LeadID")
    size = text_of(lead, "LeadSampleSize", "2")
    if size != "2":
        raise ECGFileError(
            f"lead {name} has samples of {size} bytes; expected 2 (16-bit counts)."
        )
    step = number(text_of(lead, "LeadAmplitudeUnitsPerBit"))
    if not step > 0:
        raise ECGFileError(
            f"lead {name} gives no LeadAmplitudeUnitsPerBit; expected a number above 0."
        )
    counts = base64_counts(name, text_of(lead, "WaveFormData"))
    claimed = number(text_of(lead, "LeadSampleCountTotal"))
    if not np.isnan(claimed) and claimed != len(counts):
        raise ECGFileError(
            f"lead {name} holds {len(counts)} samples, but claims {claimed:g}; the "
            "file is cut short or damaged."
        )
    if text_of(lead, "LeadOff", "FALSE").upper() not in ("FALSE", "0", "NO"):
        return np.full(len(counts), np.nan)  # the electrode was off
    return counts * step * mv_per(_unit(lead))


def _unit(lead):
    """Unit of the amplitude of one count of a lead."""
    unit = text_of(lead, "LeadAmplitudeUnits", "MICROVOLTS")
    return _UNITS.get(unit.upper(), unit)


def _statements(diagnosis):
    """Lines of the diagnosis, which the file cuts into pieces."""
    if diagnosis is None:
        return ()
    lines, line = [], []
    for piece in diagnosis.findall("DiagnosisStatement"):
        line.append(text_of(piece, "StmtText", ""))
        flags = [flag.text for flag in piece.findall("StmtFlag")]
        if "ENDSLINE" in flags:
            lines.append(" ".join(line).strip())
            line = []
    lines.append(" ".join(line).strip())
    return tuple(text for text in lines if text)


def _moment(date, time=None):
    """Date written MM-DD-YYYY and time."""
    found = re.fullmatch(r"(\d\d)-(\d\d)-(\d{4})", date or "")
    return moment(f"{found[3]}{found[1]}{found[2]}{time or ''}") if found else None


def _age(patient, recorded_at):
    """The age, which has its unit beside it, else by the date of birth."""
    age, unit = text_of(patient, "PatientAge"), text_of(patient, "AgeUnits", "YEARS")
    if age and unit.upper() == "HOURS":
        age = number(age) / 8766
    elif age and unit.upper() != "YEARS":
        age = f"{age} {unit}"
    birth = text_of(patient, "DateofBirth")
    return age_told(age, _moment(birth) or birth, recorded_at)

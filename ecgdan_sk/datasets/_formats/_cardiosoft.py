"""GE CardioSoft XML: resting ECGs, among them those of UK Biobank's field 20205."""

import re
from datetime import datetime
from pathlib import Path

from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    fullest,
    measured,
    mv_per,
    number,
    reading,
    sex_code,
    waveform,
)
from ._xml import attribute_of, listed_counts, parse_xml, text_of

_MEASURED = {
    "heart_rate_bpm": "VentricularRate",
    "rr_interval_ms": "RRInterval",
    "p_duration_ms": "PDuration",
    "pr_interval_ms": "PQInterval",
    "qrs_duration_ms": "QRSDuration",
    "qt_interval_ms": "QTInterval",
    "qtc_interval_ms": "QTCInterval",
    "p_axis_deg": "PAxis",
    "qrs_axis_deg": "RAxis",
    "t_axis_deg": "TAxis",
}
_STATEMENTS = (
    "Interpretation/Diagnosis/DiagnosisText",
    "Interpretation/Conclusion/ConclusionText",
)


def read_cardiosoft(source):
    """Recording of a CardioSoft file, given as its path or as its bytes."""
    if isinstance(source, bytes):
        return cardiosoft(parse_xml(source))
    with reading(source, "CardioSoft XML"):
        return cardiosoft(parse_xml(Path(source).read_bytes()))


def cardiosoft(root):
    """Recording of a parsed CardioSoft document."""
    if root.tag != "CardiologyXML":
        raise ECGFileError(
            f"its XML is a <{root.tag}>; expected the <CardiologyXML> of CardioSoft."
        )
    strips = [
        s for s in root.findall("StripData") if s.find("WaveformData") is not None
    ]
    if not strips:
        raise ECGFileError(
            "it holds no StripData/WaveformData, the rhythm strips of a resting ECG. "
            "Is it an exercise test?"
        )
    measures = root.find("RestingECGMeasurements")
    recorded_at = _moment(root.find("ObservationDateTime"))
    patient = root.find("PatientInfo")
    return Recording(
        rhythm=fullest([_waveform(strip, strip) for strip in strips]),
        median=_median(measures, strips[0]),
        patient_id=text_of(patient, "PID"),
        sex=sex_code(text_of(patient, "Gender")),
        recorded_at=recorded_at,
        device=_device(root),
        statements=_statements(root),
        measurements=measured(
            {name: text_of(measures, tag) for name, tag in _MEASURED.items()}
        ),
        **_age(patient, recorded_at),
    )


def _age(patient, recorded_at):
    """The age with its unit, else by the date of birth."""
    if patient is None:
        return {}
    age, unit = text_of(patient, "Age"), attribute_of(patient, "Age", "units", "")
    if age and unit.lower() not in ("", "years"):
        age = f"{age} {unit}"
    return age_told(age, _moment(patient.find("BirthDateTime")), recorded_at)


def _median(measures, strip):
    """Median beats, where the file holds them."""
    samples = None if measures is None else measures.find("MedianSamples")
    if samples is None or samples.find("WaveformData") is None:
        return None
    return _waveform(samples, strip)


def _waveform(element, fallback):
    """Leads of a strip or of the median beats, from counts to mV."""
    rate, resolution = (
        number(text_of(element, tag) or text_of(fallback, tag))
        for tag in ("SampleRate", "Resolution")
    )
    if not resolution > 0:
        raise ECGFileError(
            "it gives no Resolution for its counts; expected a number of uV per count."
        )
    found = element.findall("WaveformData")
    counts = [listed_counts(data.text) for data in found]
    leads = [data.get("lead", "") for data in found]
    # Divided last, so that whole microvolts come back as written.
    unit = _unit(element, fallback)
    per_mv = 1 / mv_per(unit)
    return waveform([c * resolution / per_mv for c in counts], rate, leads, (unit,))


def _unit(*elements):
    """Unit of a count, written as in uVperLsb; uV if it is not stated."""
    told = (attribute_of(element, "Resolution", "units") for element in elements)
    unit = next((text.strip() for text in told if text and text.strip()), "uV")
    return re.sub(r"(?i)\s*(per|/)\s*(lsb|bit|count)$", "", unit)


def _moment(element):
    """Date and time spread over the elements Year, Month, Day, Hour, Minute, Second."""
    if element is None:
        return None
    parts = [number(text_of(element, tag)) for tag in ("Year", "Month", "Day")]
    parts += [number(text_of(element, tag, 0)) for tag in ("Hour", "Minute", "Second")]
    try:
        return datetime(*map(int, parts))
    except (ValueError, OverflowError):
        return None


def _device(root):
    """Program or cart, with its version."""
    named = [
        text_of(root, f"ClinicalInfo/DeviceInfo/{tag}")
        for tag in ("Desc", "SoftwareVer")
    ]
    return " ".join(part for part in named if part) or None


def _statements(root):
    """Findings of the device, each once."""
    texts = [e.text or "" for path in _STATEMENTS for e in root.findall(path)]
    return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))

"""HL7 annotated ECG (aECG), the XML that the FDA takes."""

import numpy as np

from ._lead_codes import lead_of_code
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
from ._xml import attribute_of, text_of

_MEASURED = {
    "MDC_ECG_HEART_RATE": "heart_rate_bpm",
    "MDC_ECG_TIME_PD_RR": "rr_interval_ms",
    "MDC_ECG_TIME_PD_P": "p_duration_ms",
    "MDC_ECG_TIME_PD_PR": "pr_interval_ms",
    "MDC_ECG_TIME_PD_QRS": "qrs_duration_ms",
    "MDC_ECG_TIME_PD_QT": "qt_interval_ms",
    "MDC_ECG_TIME_PD_QTc": "qtc_interval_ms",
    "MDC_ECG_ANGLE_P_FRONT": "p_axis_deg",
    "MDC_ECG_ANGLE_QRS_FRONT": "qrs_axis_deg",
    "MDC_ECG_ANGLE_T_FRONT": "t_axis_deg",
}
_FINDINGS = ("MDC_ECG_INTERPRETATION", "MDC_ECG_RHY")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_AGE = "21612-7"  # LOINC
_AGE_UNITS = {"a": "years", "mo": "months", "wk": "weeks", "d": "days"}


def aecg(root):
    """Recording of a parsed AnnotatedECG document."""
    series = [s for s in root.iter("series") if attribute_of(s, "code", "code")]
    rhythms = [s for s in series if s.find("code").get("code") == "RHYTHM"]
    if not rhythms:
        raise ECGFileError(
            "it holds no series of code RHYTHM; expected an annotated ECG with its "
            "waveforms."
        )
    beats = [s for s in root.iter("derivedSeries") if s.find(".//digits") is not None]
    recorded_at = moment(_when(rhythms[0])) or moment(_when(root))
    person = next(root.iter("subjectDemographicPerson"), None)
    return Recording(
        rhythm=fullest([_waveform(rhythm) for rhythm in rhythms]),
        median=fullest([_waveform(beat) for beat in beats]) if beats else None,
        patient_id=attribute_of(root, ".//trialSubject/id", "extension"),
        sex=sex_code(attribute_of(person, "administrativeGenderCode", "code")),
        recorded_at=recorded_at,
        device=_device(rhythms[0]),
        statements=_statements(root),
        # Those of the representative beat are the global ones.
        measurements=_measurements(root) | (_measurements(beats[0]) if beats else {}),
        **_age(root, person, recorded_at),
    )


def _waveform(series):
    """Leads of a series in mV, which must have been recorded at the same time."""
    signals, leads, units, clocks = [], [], [], []
    for sequences in series.findall("component/sequenceSet"):
        for sequence in sequences.findall("component/sequence"):
            name = attribute_of(sequence, "code", "code", "")
            value = sequence.find("value")
            if value is None:
                continue
            if name.startswith("TIME_"):
                clocks.append(_clock(value))
            elif value.find("digits") is not None:
                signals.append(_signal(name, value))
                leads.append(lead_of_code(name))
                units.append(attribute_of(value, "scale", "unit", ""))
    if not signals or not clocks:
        raise ECGFileError(
            f"a series holds {len(signals)} leads and {len(clocks)} time axes; "
            "expected leads and one time axis."
        )
    if len(set(clocks)) > 1:
        raise ECGFileError(
            "its leads were recorded one after the other or at different rates; "
            "expected all leads of a series on one time axis."
        )
    return waveform(signals, 1 / clocks[0][1], leads, units)


def _clock(value):
    """Start and seconds between samples of a time axis."""
    unit = attribute_of(value, "increment", "unit")
    seconds = number(attribute_of(value, "increment", "value"))
    seconds *= _SECONDS.get(unit, np.nan)
    if not seconds > 0:
        raise ECGFileError(
            f"its time axis has an increment in {unit!r} that is no number above 0; "
            "expected s, ms or us."
        )
    return attribute_of(value, "head", "value"), seconds


def _signal(name, value):
    """Samples of one lead: origin + scale x digits."""
    unit = attribute_of(value, "scale", "unit", "")
    scale = number(attribute_of(value, "scale", "value")) * mv_per(unit)
    origin = number(attribute_of(value, "origin", "value") or 0)
    origin *= mv_per(attribute_of(value, "origin", "unit") or unit)
    if np.isnan([scale, origin]).any():
        raise ECGFileError(f"{name} has no scale or origin; expected numbers of uV.")
    try:
        digits = np.array(text_of(value, "digits", "").split(), dtype=np.float64)
    except ValueError as error:
        raise ECGFileError(
            f"{name} holds what is no number ({error}); expected integers."
        ) from error
    return origin + scale * digits


def _when(element):
    """When a series was recorded, as written."""
    for part in ("low", "center"):
        found = attribute_of(element, f"effectiveTime/{part}", "value")
        if found:
            return found
    return None


def _age(root, person, recorded_at):
    """Age as stated, else from the date of birth."""
    age = None
    for told in root.iter("relatedObservation"):
        if attribute_of(told, "code", "code") == _AGE and age is None:
            unit = attribute_of(told, "value", "unit", "a")
            age = attribute_of(told, "value", "value")
            if age and unit != "a":
                age = f"{age} {_AGE_UNITS.get(unit, unit)}"
    birth = attribute_of(person, "birthTime", "value")
    return age_told(age, moment(birth) or birth, recorded_at)


def _device(series):
    """Maker and model."""
    parts = (
        "manufacturerOrganization/name",
        "manufacturedSeriesDevice/manufacturerModelName",
    )
    named = [text_of(series, f"author/seriesAuthor/{part}") for part in parts]
    return " ".join(part for part in named if part) or None


def _measurements(element):
    """The first of each measurement found inside."""
    found = {}
    for annotation in element.iter("annotation"):
        name = _MEASURED.get(attribute_of(annotation, "code", "code"))
        if name and name not in found:
            unit = attribute_of(annotation, "value", "unit", "")
            thousand = 1000 if name.endswith("_ms") and unit == "s" else 1
            value = number(attribute_of(annotation, "value", "value"))
            found[name] = value * thousand
    return measured(found)


def _statements(root):
    """Findings in words."""
    texts = []
    for annotation in root.iter("annotation"):
        if (attribute_of(annotation, "code", "code") or "").startswith(_FINDINGS):
            shown = attribute_of(annotation, "value", "displayName")
            texts.append(shown or text_of(annotation, "value"))
    return tuple(dict.fromkeys(text for text in texts if text))

"""Mortara (Welch Allyn, Baxter) ELI XML: resting ECGs of ELI carts and ELI Link.

No specification is public; the layout is that of exports as open readers take it.
"""

import numpy as np

from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    measured,
    moment,
    number,
    sex_code,
    waveform,
)
from ._xml import attribute_of, base64_counts

_MEASURED = {
    "p_axis_deg": "P_AXIS",
    "qrs_axis_deg": "QRS_AXIS",
    "t_axis_deg": "T_AXIS",
    "pr_interval_ms": "PR_DURATION",
    "qrs_duration_ms": "QRS_DURATION",
    "qt_interval_ms": "QT",
    "qtc_interval_ms": "QTC",
}
_AGE_UNITS = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}


def mortara(root):
    """Recording of a parsed ECG document."""
    subject, cycle = root.find("SUBJECT"), root.find("TYPICAL_CYCLE")
    subject = {} if subject is None else subject.attrib
    recorded_at = moment(root.get("ACQUISITION_TIME"))
    found = {} if cycle is None else cycle.attrib
    return Recording(
        rhythm=_waveform(root.findall("CHANNEL"), {}),
        median=_median(cycle),
        patient_id=(subject.get("ID") or "").strip() or None,
        sex=sex_code(subject.get("GENDER")),
        recorded_at=recorded_at,
        device=_device(root),
        statements=_statements(root),
        measurements=measured(
            {name: found.get(key) for name, key in _MEASURED.items()}
            | {
                "heart_rate_bpm": root.get("VENT_RATE"),
                "rr_interval_ms": root.get("AVERAGE_RR"),
            }
        ),
        **_age(root, subject, recorded_at),
    )


def _waveform(channels, shared):
    """Leads of CHANNEL elements in mV; `shared` has attributes that they lack."""
    if not channels:
        raise ECGFileError(
            "it holds no CHANNEL, the leads of its rhythm. Export it with waveforms."
        )
    told = [shared | channel.attrib for channel in channels]
    rates = {number(one.get("SAMPLE_FREQ")) for one in told}
    if len(rates) != 1:
        raise ECGFileError(
            f"its leads are sampled at {sorted(rates)} Hz; expected one sampling rate."
        )
    leads = [one.get("NAME", "") for one in told]
    return waveform([_signal(one) for one in told], rates.pop(), leads)


def _signal(told):
    """Samples of one lead in mV."""
    name, per_mv = told.get("NAME"), number(told.get("UNITS_PER_MV"))
    layout = tuple(told.get(key, "").upper() for key in ("BITS", "FORMAT", "ENCODING"))
    if layout != ("16", "SIGNED", "BASE64") or not per_mv > 0:
        raise ECGFileError(
            f"lead {name} has samples of BITS, FORMAT, ENCODING {layout} and "
            f"{told.get('UNITS_PER_MV')!r} UNITS_PER_MV; expected 16, SIGNED, BASE64 "
            "and a number above 0."
        )
    if number(told.get("OFFSET") or 0) != 0:
        raise ECGFileError(
            f"lead {name} has an OFFSET of {told['OFFSET']}, whose meaning is not "
            "published; expected 0."
        )
    counts = base64_counts(name, told.get("DATA"))
    claimed = number(told.get("DURATION"))
    in_ms = len(counts) * 1000 / max(number(told.get("SAMPLE_FREQ")), 1e-9)
    # The number of samples, in some exports milliseconds.
    if not np.isnan(claimed) and claimed not in (len(counts), round(in_ms)):
        raise ECGFileError(
            f"lead {name} holds {len(counts)} samples, but claims {claimed:g}; the "
            "file is cut short or damaged."
        )
    return counts / per_mv


def _median(cycle):
    """Median beats, if the file states their rate and scale."""
    channels = [] if cycle is None else cycle.findall("TYPICAL_CYCLE_CHANNEL")
    if not channels or not {"SAMPLE_FREQ", "UNITS_PER_MV"} <= cycle.attrib.keys():
        return None
    layout = {"BITS": "16", "FORMAT": "SIGNED", "ENCODING": "BASE64"}
    layout |= {
        key: cycle.get(key)
        for key in (*layout, "SAMPLE_FREQ", "UNITS_PER_MV")
        if cycle.get(key)
    }
    return _waveform(channels, layout)


def _device(root):
    """Maker and model."""
    named = [attribute_of(root, "SOURCE", key) for key in ("MANUFACTURER", "MODEL")]
    return " ".join(part.strip() for part in named if part and part.strip()) or None


def _statements(root):
    """Findings of the device, without their reasons."""
    found = root.findall("AUTOMATIC_INTERPRETATION/STATEMENT")
    texts = [(one.get("TEXT") or "").strip() for one in found]
    return tuple(text for text in texts if text)


def _age(root, subject, recorded_at):
    """The age in its unit, else by the date of birth."""
    age = (root.get("AGE") or "").strip()
    unit = (root.get("AGE_UNITS") or "YEARS").strip().upper()
    if age and unit[:1] != "Y":
        age = f"{age} {_AGE_UNITS.get(unit[:1], unit)}"
    birth = (subject.get("DOB") or "").strip()
    if not birth.strip("0-/"):
        birth = None
    return age_told(age or None, moment(birth) or birth, recorded_at)

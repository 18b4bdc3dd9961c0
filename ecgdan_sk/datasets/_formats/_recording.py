"""What every reader of a file returns, and the one error that they raise."""

import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from ...records import LEADS, ECGRecords
from ...records._leads_and_ids import lead_name
from .._limb_leads import complete_leads

# What devices write beside the ECG, named as ECGMeasurements names its own.
MEASUREMENTS = (
    *("heart_rate_bpm", "rr_interval_ms", "p_duration_ms", "pr_interval_ms"),
    *("qrs_duration_ms", "qt_interval_ms", "qtc_interval_ms"),
    *("p_axis_deg", "qrs_axis_deg", "t_axis_deg"),
)

_MV = {"mv": 1.0, "millivolt": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}
_MV |= {"microvolt": 1e-3, "nv": 1e-6, "volt": 1e3}
_INDEPENDENT = {"I", "II", *LEADS[6:]}
_FASTEST = 1e5  # Hz, above every recorder
_LARGEST_AXIS, _LONGEST = 360, 10_000  # degrees; ms or beats per minute


class ECGFileError(ValueError):
    """An ECG file that is damaged, hostile or of no known format.

    The message names the file, what was found in it and what was expected.

    Examples
    --------
    >>> from ecgdan_sk.datasets import ECGFileError, read_ecg
    >>> try:
    ...     read_ecg("ecg.xml")  # doctest: +SKIP
    ... except ECGFileError as error:
    ...     print(error)
    """


@dataclass(frozen=True)
class Waveform:
    """Leads sampled together: signals of shape (n_leads, n_times) in mV."""

    signals: np.ndarray
    sampling_rate: float
    leads: tuple


@dataclass(frozen=True)
class Recording:
    """One ECG with what its file says of patient, device, findings and measures."""

    rhythm: Waveform
    median: Waveform | None = None
    patient_id: str | None = None
    age: float = np.nan  # years
    sex: float = np.nan  # 0 male, 1 female
    recorded_at: datetime | None = None
    device: str | None = None
    statements: tuple = ()
    measurements: dict = field(default_factory=dict)  # name in MEASUREMENTS -> number


@contextmanager
def reading(path, kind):
    """Whatever goes wrong inside becomes an ECGFileError that names the file."""
    try:
        # Readers of others warn of what is decided here, or raised as an error.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except ImportError:
        raise
    except ECGFileError as error:
        raise ECGFileError(f"{path}: {error}") from error.__cause__
    except Exception as error:
        raise ECGFileError(
            f"{path} cannot be read as {kind}: {type(error).__name__}: "
            f"{str(error)[:300]}. The file is damaged or incomplete; expected it as "
            "the device or its program exported it."
        ) from error


def waveform(signals, sampling_rate, leads):
    """A Waveform, leads in the standard order; the twelve alone where all are there."""
    leads = [lead_name(lead) or "unnamed" for lead in leads]
    lengths = {len(signal) for signal in signals}
    rate = number(sampling_rate)
    if len(lengths) != 1 or 0 in lengths or len(leads) != len(signals):
        raise ECGFileError(
            f"it holds {len(leads)} named leads and {len(signals)} signals of "
            f"{sorted(lengths)[:5]} samples; expected one signal for each lead, all "
            "of one length."
        )
    if not 0 < rate <= _FASTEST:
        raise ECGFileError(
            f"its sampling rate is {sampling_rate!r}; expected a number of Hz above 0 "
            f"and up to {_FASTEST:g}."
        )
    twice = sorted({lead for lead in leads if leads.count(lead) > 1})
    if twice:
        raise ECGFileError(
            f"it holds the lead {', '.join(twice)} more than once; expected each once."
        )
    return _ordered(dict(zip(leads, signals)), rate)


def _ordered(by_lead, rate):
    """Standard leads first; others only where the twelve are not complete."""
    order = [lead for lead in LEADS if lead in by_lead]
    if len(order) < len(LEADS):
        order += [lead for lead in by_lead if lead not in LEADS]
    signals = np.stack([by_lead[lead] for lead in order]).astype(np.float32)
    if np.isinf(signals).any():
        raise ECGFileError("its amplitudes are infinite; expected mV or counts.")
    if len(order) < len(LEADS) and by_lead.keys() >= _INDEPENDENT:
        # Many devices leave out the four limb leads that follow from I and II.
        records = complete_leads(ECGRecords(signals[None], leads=order))
        signals, order = np.asarray(records.signals)[0], records.leads
    return Waveform(signals, rate, tuple(order))


def mv_per(unit):
    """How many mV one of this unit is."""
    factor = _MV.get(str(unit).strip().lower())
    if factor is None:
        raise ECGFileError(f"its amplitudes are in {unit!r}; expected mV, uV, nV or V.")
    return factor


def number(value):
    """A finite number, or NaN for what is none."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan
    return value if np.isfinite(value) else np.nan


def measured(found):
    """Those of the measurements that are numbers; 0 ms and codes of failure are not."""
    kept = {}
    for name in MEASUREMENTS:
        value = number(found.get(name))
        if name.endswith("_deg"):
            valid = abs(value) <= _LARGEST_AXIS
        else:
            valid = 0 < value < _LONGEST
        if valid:
            kept[name] = value
    return kept


def sex_code(text):
    """0 male, 1 female, NaN otherwise, from a letter or a word."""
    return {"m": 0.0, "male": 0.0, "f": 1.0, "female": 1.0}.get(
        str(text or "").strip().lower(), np.nan
    )


def moment(text):
    """The date and time written as digits from the year on, or None."""
    digits = re.sub(r"\D", "", re.split(r"[.+]", str(text or ""))[0])[:14]
    if len(digits) < 8:
        return None
    try:
        return datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None


def age_in_years(birth, recorded_at):
    """Whole years from a birth to a recording, NaN where one is unknown."""
    if birth is None or recorded_at is None:
        return np.nan
    before = (recorded_at.month, recorded_at.day) < (birth.month, birth.day)
    years = recorded_at.year - birth.year - before
    return float(years) if 0 <= years <= 130 else np.nan

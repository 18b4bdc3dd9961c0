"""Common result of all readers of files, and their common error."""

import re
import unicodedata
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np

from ...records import LEADS, ECGRecords
from ...records._leads_and_ids import lead_name
from .._ages import age_in_years
from .._limb_leads import LIMB, complete_leads

# What devices write beside the ECG, named as ECGMeasurements names its own.
MEASUREMENTS = (
    *("heart_rate_bpm", "rr_interval_ms", "p_duration_ms", "pr_interval_ms"),
    *("qrs_duration_ms", "qt_interval_ms", "qtc_interval_ms"),
    *("p_axis_deg", "qrs_axis_deg", "t_axis_deg"),
)

_MV = {"": 1e3, "m": 1.0, "milli": 1.0, "u": 1e-3, "\N{GREEK SMALL LETTER MU}": 1e-3}
_MV |= {"mc": 1e-3, "micro": 1e-3, "n": 1e-6, "nano": 1e-6}
_NAMES = {1e3: "V", 1.0: "mV", 1e-3: "uV", 1e-6: "nV"}
_VOLTS = re.compile(rf"(?:mdc_dim_)?({'|'.join(_MV)})[ _]?v(?:olts?)?")
# Texts for unknown values.
_UNTOLD = re.compile(r"(?i)[-?.x\s]*|unknown|unspecified|none|null|nan|nat|n/?a")
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
    unit: str = "mV"  # in which the file holds them


@dataclass(frozen=True)
class Recording:
    """One ECG with patient, device, findings and measurements in its file."""

    rhythm: Waveform
    median: Waveform | None = None
    patient_id: str | None = None
    age: float = np.nan  # years
    unread_age: str | None = None  # what stands there for it and tells none
    sex: float = np.nan  # 0 male, 1 female
    recorded_at: datetime | None = None
    device: str | None = None
    statements: tuple = ()
    measurements: dict = field(default_factory=dict)  # name in MEASUREMENTS -> number
    rate_told: bool = True  # by the file, not by who reads it
    format: str = ""


@contextmanager
def reading(path, kind):
    """Whatever goes wrong inside becomes an ECGFileError that names the file."""
    try:
        # Other packages warn of cases that are decided, or raised as errors, here.
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


def waveform(signals, sampling_rate, leads, units=("mV",)):
    """Make a Waveform with leads in the standard order.

    If all twelve leads are present, others are left out. `signals` are in mV, and
    `units` are the units in the file.
    """
    leads = [lead_name(lead or "") or "unnamed" for lead in leads]
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
    order = _order(leads)
    twice = [lead for lead in order if leads.count(lead) > 1]
    if twice == ["unnamed"]:
        raise ECGFileError(
            f"{leads.count('unnamed')} of its {len(leads)} leads have no name; "
            "expected the name of each, such as 'aVR'. Write them into the file."
        )
    if twice:
        raise ECGFileError(
            f"it holds the lead {', '.join(twice)} more than once; expected each once."
        )
    ecg = _ordered(dict(zip(leads, signals)), order, rate)
    return replace(ecg, unit=", ".join(sorted(set(map(unit_name, units)))))


def is_whole(leads):
    """Whether these are the twelve leads, or the limb leads that lack follow."""
    return set(LEADS[6:]) <= set(leads) and len(set(LIMB) & set(leads)) >= 2


def _order(leads):
    """Standard leads first; others only where the twelve are not complete."""
    standard = [lead for lead in LEADS if lead in leads]
    others = [lead for lead in dict.fromkeys(leads) if lead not in LEADS]
    return standard if is_whole(leads) else standard + others


def _ordered(by_lead, order, rate):
    """A Waveform of these leads; limb leads that a device leaves out are derived."""
    signals = np.stack([by_lead[lead] for lead in order]).astype(np.float32)
    if np.isinf(signals).any():
        raise ECGFileError("its amplitudes are infinite; expected mV or counts.")
    if is_whole(order) and len(order) < len(LEADS):
        records = complete_leads(ECGRecords(signals[None], leads=order))
        signals, order = np.asarray(records.signals)[0], records.leads
    return Waveform(signals, rate, tuple(order))


def fullest(waveforms):
    """Of several waveforms the longest of twelve leads; without such, the only one."""
    whole = [ecg for ecg in waveforms if ecg.leads == LEADS]
    if not whole and len(waveforms) > 1:
        told = "; ".join(
            f"{', '.join(ecg.leads[:12])} ({ecg.signals.shape[1]} samples at "
            f"{ecg.sampling_rate:g} Hz)"
            for ecg in waveforms[:10]
        )
        raise ECGFileError(
            f"it holds {len(waveforms)} waveforms, none of twelve leads: {told}; "
            "expected one of the twelve leads, or one alone. Export it as one."
        )
    return max(
        whole or waveforms, key=lambda ecg: ecg.signals.shape[1] / ecg.sampling_rate
    )


def mv_per(unit):
    """Size of a unit in mV, in any spelling."""
    # This makes the micro sign the Greek letter, which it looks like.
    written = unicodedata.normalize("NFKC", str(unit)).casefold().strip()
    found = _VOLTS.fullmatch(written)
    if found is None:
        raise ECGFileError(f"its amplitudes are in {unit!r}; expected mV, uV, nV or V.")
    return _MV[found[1]]


def unit_name(unit):
    """Usual name of a unit of voltage, from any spelling."""
    return _NAMES[mv_per(unit)]


def text_in(data):
    """Text of bytes: in UTF-8, or else in Latin-1, as older devices write it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def number(value):
    """Finite number, or NaN for other values."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan
    return value if np.isfinite(value) else np.nan


def measured(found):
    """Measurements that are numbers, without 0 ms and codes of failure."""
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


def age_told(age, birth, recorded_at):
    """Age for a Recording: as stated, else from the date of birth.

    Parameters
    ----------
    age : str, float or None
        The age as it is written, with its unit where that is not years.
    birth : datetime, str or None
        When the patient was born; a text that is no date, as it is written.
    """
    if not isinstance(birth, date) and not re.fullmatch(r"\d{4}", str(birth or "")):
        by_birth = np.nan
    else:
        by_birth = age_in_years(birth, recorded_at)
    years = age_in_years(age, recorded_at)
    if np.isnan(years):
        years = by_birth
    if not np.isnan(years):
        return {"age": years}
    unread = [told for told in (age, birth) if not _is_untold(told)]
    if not unread:
        return {}
    told = unread[0].date() if isinstance(unread[0], datetime) else unread[0]
    return {"unread_age": str(told)}


def _is_untold(told):
    """Whether this is a text for an unknown value."""
    return told is None or _UNTOLD.fullmatch(str(told).strip()) is not None

"""ECGs of one lead as watches export them: lines of facts, then of samples."""

import re
from datetime import datetime

import numpy as np

from ...records import LEADS
from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    lead_name,
    moment,
    mv_per,
    text_in,
    waveform,
)

# Names of facts are in the language of the phone, but units are not.
_RATE = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:hertz|hz)\b", re.IGNORECASE)
_SAMPLE = re.compile(r"[-+]?\d+(?:[.,]\d*)?(?:[eE][-+]?\d+)?")
_TOLD = 40  # lines that may come before the samples
_DATES = ("%b %d, %Y", "%d %b %Y", "%B %d, %Y", "%d %B %Y", "%Y-%m-%d")


def is_one_lead(data):
    """Whether bytes begin with lines such as "Sample Rate,512 hertz"."""
    lines = _lines(data[:4000])
    return any(_RATE.fullmatch(value) for _, value in map(_pair, lines[:_TOLD]))


def one_lead(data):
    """Recording of one lead."""
    lines = _lines(data)
    first = next(
        (i for i, line in enumerate(lines) if _SAMPLE.fullmatch(line)), len(lines)
    )
    told = dict(map(_pair, lines[: min(first, _TOLD)]))
    values = list(told.values())
    rate = next(float(m[1].replace(",", ".")) for v in values if (m := _RATE.match(v)))
    unit = next((value for value in values if _is_volts(value)), None)
    if unit is None:
        raise ECGFileError(
            "it does not say the unit of its samples; expected a line as 'Unit,mV'."
        )
    recorded_at = next((when for v in values if (when := _recorded_at(v))), None)
    birth = told.get("Date of Birth") or None
    return Recording(
        rhythm=waveform(
            [_samples(lines[first:]) * mv_per(unit)], rate, [_lead(told)], (unit,)
        ),
        recorded_at=recorded_at,
        device=told.get("Device") or None,
        statements=tuple(filter(None, [told.get("Classification")])),
        **age_told(None, _date(birth) or birth, recorded_at),
    )


def _lines(data):
    """Lines that hold anything."""
    lines = (line.strip() for line in text_in(data).splitlines())
    return [line for line in lines if line]


def _pair(line):
    """Value and name of a stated fact."""
    name, _, value = line.partition(";" if ";" in line else ",")
    return name.strip(' "'), value.strip(' "')


def _samples(lines):
    """Samples, one a line, with a decimal point or comma."""
    wrong = next((line for line in lines if not _SAMPLE.fullmatch(line)), None)
    if wrong is not None or not lines:
        raise ECGFileError(
            f"one of its samples is {str(wrong)[:40]!r}; expected one number per line."
        )
    return np.array([line.replace(",", ".") for line in lines], np.float64)


def _lead(told):
    """Stated lead, or the lead of a watch."""
    for value in told.values():
        name = lead_name(value)
        if name in LEADS:
            return name
    if "watch" in told.get("Device", "").lower():
        return "I"  # from one arm to the other
    raise ECGFileError(
        "it does not say its lead; expected a line such as 'Lead,Lead I'."
    )


def _is_volts(value):
    """Whether a value is a unit of voltage."""
    try:
        return bool(value) and mv_per(value) > 0
    except ECGFileError:
        return False


def _recorded_at(value):
    """Date and time of day, or None."""
    return moment(value) if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", value) else None


def _date(text):
    """A date as telephones of English language write it, or None."""
    for written in _DATES:
        try:
            return datetime.strptime(text or "", written)
        except ValueError:
            continue
    return None

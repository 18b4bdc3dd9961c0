"""Ages in years, from the formats of files and tables."""

import re
from datetime import date
from numbers import Real

import numpy as np
import pandas as pd

OLDEST = 130

_PER_YEAR = {"y": 1.0, "a": 1.0, "j": 1.0, "m": 12.0, "w": 365.25 / 7, "d": 365.25}
# 74, 074Y, 74 years, 18 months, >89, > 89 years, 89+.
_WRITTEN = re.compile(
    r"(?P<over>>|>=|≥)?\s*(?P<number>\d+(?:[.,]\d+)?)\s*"
    r"(?P<unit>years?|yrs?|y\.?o\.?|y|a|jahre?|j|months?|mths?|m|weeks?|w|days?|d)?"
    r"\.?(?:\s+old)?\s*(?P<more>\+)?",
    re.IGNORECASE,
)


def age_in_years(told, at=None):
    """Age in years from a file or a table; NaN if it holds none.

    A bound gives the lowest age that it allows: 90 for ">89" and 89 for "89+". A number
    between 1850 and the year of the recording is a year of birth.

    Parameters
    ----------
    told : float, str, date or None
        An age ("74", "074Y", "74 years", "18 months", "89+"), a year or a date of
        birth.
    at : date or None, default=None
        When the ECG was recorded. Without it a birth tells no age.
    """
    if isinstance(told, date):
        return _since(told, at)
    if isinstance(told, Real):
        return _plausible(float(told), at)
    written = _WRITTEN.fullmatch(str("" if told is None else told).strip())
    if written is None:
        return np.nan
    number = float(written["number"].replace(",", "."))
    unit = written["unit"]
    if unit is None and written["over"] is None and written["more"] is None:
        return _plausible(number, at)
    age = number / _PER_YEAR[(unit or "y")[0].lower()]
    return _plausible(age + (written["over"] == ">"), None)


def ages_of(column, what, *, over_89=None):
    """The ages in years that a column of a table holds, as float64.

    `over_89` is the number behind which the table hides all ages over 89.
    """
    told = column.astype(object)
    if over_89 is not None:
        hidden = pd.to_numeric(told, errors="coerce").to_numpy(float) == over_89
        told = told.mask(hidden, ">89")
    ages = told.map(age_in_years).astype(np.float64)
    wrong = ages.isna() & column.notna()
    if wrong.any():
        raise ValueError(
            f"{what} must hold ages in years, such as 74 or '>89', but {wrong.sum()} "
            f"values are none; the first is {column[wrong].iloc[0]!r}. Leave a cell "
            "empty where the age is unknown."
        )
    return ages


def _plausible(number, at):
    """Age, also from a year of birth; NaN for other values."""
    if 0 <= number <= OLDEST:
        return number
    known = at is not None and number == np.floor(number) and number >= 1850
    age = at.year - number if known else np.nan
    return float(age) if 0 <= age <= OLDEST else np.nan


def _since(birth, at):
    """Whole years from a birth to a recording, NaN where one is unknown."""
    # NaT is a date without a year.
    if at is None or np.isnan(birth.year) or np.isnan(at.year):
        return np.nan
    before = (at.month, at.day) < (birth.month, birth.day)
    years = at.year - birth.year - before
    return float(years) if 0 <= years <= OLDEST else np.nan

"""Published normal limits of the measurements, by age and sex."""

from functools import cache
from importlib.resources import files
from numbers import Real

import numpy as np
import pandas as pd

_SEXES = {0: "male", 1: "female"}


def normal_limits(age=None, sex=None):
    """Published normal limits of the measurements for an age and a sex.

    Of several limits of a measurement, those of the narrowest group are taken: of women
    from 50 to 79, say, before those of all adults. No limits for children are included.

    Parameters
    ----------
    age : float or None, default=None
        In years. None, or NaN, takes limits that hold for all adults.
    sex : {0, 1} or None, default=None
        0 (male) or 1 (female). None, or NaN, takes limits that hold for both.

    Returns
    -------
    DataFrame of shape (n_measurements, 6)
        A row for each measurement with limits for this group. ``sex`` ("male",
        "female", or "" for both), ``age_from`` and ``age_to`` tell whom the limits
        ``low`` and ``high`` hold for, both included; NaN if there is none. Units are
        those in the names of `ECGMeasurements`. ``source`` names who published them.

    Raises
    ------
    ValueError
        If the age is negative or no number, or the sex is another code.

    Notes
    -----
    Limits of Mason et al. (2007) are the 2nd and 98th percentile of 46,129 people with
    a very low probability of cardiovascular disease; those of Rautaharju et al. (2013)
    the same percentiles of 36,299 healthy women of the Women's Health Initiative. The
    others are the limits of guidelines and diagnostic criteria.

    Two quantities are not columns of `ECGMeasurements`: ``qrs_axis_deg`` is the angle
    of `qrs_axis_sin` and `qrs_axis_cos`, and ``qtc_rautaharju_ms`` is QT (120 + rate) /
    180, whose upper limit depends on age and sex (Rautaharju et al. 2014).

    Examples
    --------
    >>> from ecgdan_sk.measurements import normal_limits
    >>> limits = normal_limits(63, 1).loc["qrs_duration_ms"]
    >>> print(limits["low"], limits["high"])
    70.0 104.0
    >>> normal_limits().loc["qrs_duration_ms", "source"]
    'Mason et al. 2007, J Electrocardiol 40, 228'
    """
    age, sex = _checked_age(age), _checked_sex(sex)
    table = _published()
    holds = table["sex"].isin(["", sex])
    if age is None:
        holds &= table["age_from"].eq(table["age_from"].min()) & table["age_to"].isna()
    else:
        years = np.floor(age)
        holds &= (table["age_from"] <= years) & ~(table["age_to"] < years)
    # The narrower groups of a measurement stand below the wider ones.
    found = table[holds].drop_duplicates("measurement", keep="last")
    return found.set_index("measurement")


@cache
def _published():
    """The table as it is kept."""
    source = files(__package__) / "normal_limits.csv"
    with source.open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    return table.fillna({"sex": ""}).astype({"low": float, "high": float})


def _checked_age(age):
    """An age in years, None if unknown."""
    if age is None or (isinstance(age, Real) and np.isnan(age)):
        return None
    if not isinstance(age, Real) or not 0 <= age < np.inf:
        raise ValueError(f"Expected an age in years, or None, got {age!r}.")
    return float(age)


def _checked_sex(sex):
    """The sex as the table names it, "" if unknown."""
    if sex is None or (isinstance(sex, Real) and np.isnan(sex)):
        return ""
    if sex not in _SEXES:
        raise ValueError(f"Expected sex as 0 (male), 1 (female) or None, got {sex!r}.")
    return _SEXES[sex]

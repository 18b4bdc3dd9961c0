"""Measurements of an ECG beside published normal limits of age and sex."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ...measurements import normal_limits


class Shown(NamedTuple):
    """A measurement on the page.

    Attributes
    ----------
    name : str
        Of the measurement, as `normal_limits` names it.
    label, unit : str
        As the page says them.
    digits : int
        Behind the point.
    """

    name: str
    label: str
    unit: str
    digits: int


SHOWN = tuple(
    Shown(*row)
    for row in [
        ("heart_rate_bpm", "Heart rate", "/min", 0),
        ("p_duration_ms", "P duration", "ms", 0),
        ("pr_interval_ms", "PR interval", "ms", 0),
        ("qrs_duration_ms", "QRS duration", "ms", 0),
        ("qt_interval_ms", "QT interval", "ms", 0),
        ("qtc_bazett_ms", "QTc (Bazett)", "ms", 0),
        ("qtc_fridericia_ms", "QTc (Fridericia)", "ms", 0),
        ("qtc_rautaharju_ms", "QTc (Rautaharju)", "ms", 0),
        ("qrs_axis_deg", "QRS axis", "°", 0),
        ("qrs_t_angle_frontal_deg", "QRS-T angle, frontal", "°", 0),
        ("qrs_t_angle_spatial_deg", "QRS-T angle, spatial", "°", 0),
        ("r_peak_time_v5_ms", "R-peak time in V5", "ms", 0),
        ("sokolow_lyon_mv", "Sokolow-Lyon voltage", "mV", 2),
        ("cornell_voltage_mv", "Cornell voltage", "mV", 2),
        ("peguero_lo_presti_mv", "Peguero-Lo Presti voltage", "mV", 2),
    ]
)
_COLUMNS = ["label", "value", "unit", "range", "group", "status", "source"]
_ADULT = 18  # years
_GROUPS = {"": "adults", "female": "women", "male": "men"}


def against_limits(found, age=None, sex=None):
    """Table of the measurements beside their normal limits, a row for each of `SHOWN`.

    `found` maps the names of `ECGMeasurements` to numbers; `age` in years and `sex`, 0
    male and 1 female, are None if unknown. The columns are `label`, `value`, `unit`,
    `range`, `group` (whom the range holds for), `status` and `source`.
    """
    tables = [normal_limits(age, code) for code in (sex, 1, 0)]
    limits = {shown: _limits(shown.name, *tables) for shown in SHOWN}
    # Limits for some ages only do not apply to a person of unknown age.
    told = [shown for shown in SHOWN if limits[shown] or age is not None]
    rows = [_row(one, _value(found, one.name), limits[one]) for one in told]
    index = pd.Index([shown.name for shown in told], name="measurement")
    return pd.DataFrame(rows, columns=_COLUMNS, index=index)


def _limits(name, own, women, men):
    """The limits of one person; those of women and of men, if only these are known."""
    for tables in ([own], [women, men]):
        found = [table.loc[name] for table in tables if name in table.index]
        if found:
            return found
    return []


def _value(found, name):
    """A measurement, or what follows from others."""
    if name in found:
        return float(found[name])
    if name == "qrs_axis_deg":
        y, x = (found.get(f"qrs_axis_{part}", np.nan) for part in ("sin", "cos"))
        return float(np.degrees(np.arctan2(y, x)))
    if name == "qtc_rautaharju_ms":
        qt, rate = (found.get(k, np.nan) for k in ("qt_interval_ms", "heart_rate_bpm"))
        return qt * (120 + rate) / 180
    return np.nan


def _row(shown, value, limits):
    """The row of one measurement."""
    value = round(value, shown.digits)
    return (
        shown.label,
        value,
        shown.unit,
        _range(limits, min(shown.digits, 1)),
        _group(limits),
        _status(limits, value),
        limits[0].source if limits else "",
    )


def _range(limits, digits):
    """The range in words."""
    if not limits:
        return ""
    low, high = limits[0].low, limits[0].high
    if len(limits) > 1:
        return f"up to {high:.{digits}f} (women), {limits[1].high:.{digits}f} (men)"
    if np.isnan(low):
        return f"up to {high:.{digits}f}"
    low, high = (f"{end:.{digits}f}" for end in (low, high))
    return f"{low} to {high}".replace("-", "\N{MINUS SIGN}")


def _group(limits):
    """Whom the range holds for."""
    if not limits:
        return ""
    first, last = limits[0].age_from, limits[0].age_to
    name = _GROUPS[limits[0].sex if len(limits) == 1 else ""]
    if np.isnan(last):
        return name if first == _ADULT else f"{name} from {first:.0f} on"
    return f"{name}, {first:.0f} to {last:.0f}"


def _status(limits, value):
    """Status of a value; between the limits of men and women it depends on the sex."""
    if np.isnan(value):
        return "not measured"
    if not limits:
        return "no limits"
    if value < limits[0].low:
        return "below"
    above = [value > one.high for one in limits]
    if all(above) or not any(above):
        return "above" if all(above) else "within"
    return "above for women" if above[0] else "above for men"

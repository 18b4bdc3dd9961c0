"""Measurements of an ECG beside published ranges of adults."""

from typing import NamedTuple

import numpy as np
import pandas as pd

# Of 46,129 people with a very low probability of cardiovascular disease, most of them
# adults: 2nd to 98th percentile.
_MASON = "Mason et al. 2007, J Electrocardiol 40, 228"
_SURAWICZ = "Surawicz et al. 2009, J Am Coll Cardiol 53, 976"
# A QTc is prolonged from 460 ms in women and from 450 ms in men on.
_RAUTAHARJU = "Rautaharju et al. 2009, J Am Coll Cardiol 53, 982"


class Reference(NamedTuple):
    """A published range.

    Attributes
    ----------
    name : str
        Of the measurement, as `ECGMeasurements` names it; an axis without "_sin".
    label, unit : str
        As the page says them.
    low, high_women, high_men : float or None
        Limits in that unit; None where there is none.
    digits : int
        Behind the point.
    source : str
        Who published the range.
    """

    name: str
    label: str
    unit: str
    low: float | None
    high_women: float | None
    high_men: float | None
    digits: int
    source: str


REFERENCES = tuple(
    Reference(*row)
    for row in [
        ("heart_rate_bpm", "Heart rate", "/min", 48, 98, 98, 0, _MASON),
        (
            *("p_duration_ms", "P duration", "ms", None, 120, 120, 0),
            "Bayés de Luna et al. 2012, J Electrocardiol 45, 445",
        ),
        ("pr_interval_ms", "PR interval", "ms", 113, 212, 212, 0, _MASON),
        ("qrs_duration_ms", "QRS duration", "ms", 69, 109, 109, 0, _MASON),
        ("qt_interval_ms", "QT interval", "ms", 325, 452, 452, 0, _MASON),
        ("qtc_bazett_ms", "QTc (Bazett)", "ms", 361, 457, 457, 0, _MASON),
        (
            *("qtc_fridericia_ms", "QTc (Fridericia)", "ms"),
            *(None, 459, 449, 0, _RAUTAHARJU),
        ),
        ("qrs_axis", "QRS axis", "°", -40, 91, 91, 0, _MASON),
        (
            *("qrs_t_angle_frontal_deg", "QRS-T angle, frontal", "°"),
            *(None, 90, 90, 0, "Chua et al. 2016, Oregon SUDS"),
        ),
        (
            *("qrs_t_angle_spatial_deg", "QRS-T angle, spatial", "°"),
            *(None, 105, 105, 0, "Kardys et al. 2003, Rotterdam Study"),
        ),
        (
            *("r_peak_time_v5_ms", "R-peak time in V5", "ms"),
            *(None, 60, 60, 0, _SURAWICZ),
        ),
        (
            *("sokolow_lyon_mv", "Sokolow-Lyon voltage", "mV"),
            *(None, 3.5, 3.5, 2, "Sokolow and Lyon 1949"),
        ),
        (
            *("cornell_voltage_mv", "Cornell voltage", "mV"),
            *(None, 2.0, 2.8, 2, "Casale et al. 1987"),
        ),
        (
            *("peguero_lo_presti_mv", "Peguero-Lo Presti voltage", "mV"),
            *(None, 2.3, 2.8, 2, "Peguero et al. 2017"),
        ),
    ]
)


def against_references(found):
    """Table of the measurements that have a published range.

    `found` maps the names of `ECGMeasurements` to numbers. The columns are `label`,
    `value`, `unit`, `range`, `status` and `source`, a row for each of `REFERENCES`.
    """
    rows = [_row(reference, _value(found, reference.name)) for reference in REFERENCES]
    columns = ["label", "value", "unit", "range", "status", "source"]
    index = pd.Index([reference.name for reference in REFERENCES], name="measurement")
    return pd.DataFrame(rows, columns=columns, index=index)


def _value(found, name):
    """A measurement, or an axis in degrees from its sine and cosine."""
    if name.endswith("_axis"):
        sine, cosine = (found.get(f"{name}_{part}", np.nan) for part in ("sin", "cos"))
        return float(np.degrees(np.arctan2(sine, cosine)))
    return float(found.get(name, np.nan))


def _row(reference, value):
    """The row of one measurement."""
    return (
        reference.label,
        round(value, reference.digits),
        reference.unit,
        _range(reference),
        _status(reference, value),
        reference.source,
    )


def _range(reference):
    """The range in words."""
    _, _, _, low, women, men, digits, _ = reference
    if women != men:
        return f"up to {women:.{digits}f} (women), {men:.{digits}f} (men)"
    if low is None:
        return f"up to {men:.{digits}f}" if digits == 0 else f"up to {men:g}"
    return f"{low:g} to {men:g}".replace("-", "\N{MINUS SIGN}")


def _status(reference, value):
    """Status of a value; between the limits of men and women it depends on the sex."""
    value = round(value, reference.digits)
    if np.isnan(value):
        return "not measured"
    if reference.low is not None and value < reference.low:
        return "below"
    if value > max(reference.high_women, reference.high_men):
        return "above"
    if value > reference.high_women:
        return "above for women"
    if value > reference.high_men:
        return "above for men"
    return "within"

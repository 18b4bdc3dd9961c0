"""Risk of one patient over time, compared with a cohort."""

import numpy as np
import pandas as pd
from sklearn.utils import check_array

_QUANTILES = {"q10": 0.1, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q90": 0.9}
_MOST_CURVES = 500


def cohort_risks(estimator, records, given):
    """Risk of each ECG of the cohort, given or predicted."""
    if given is None:
        return estimator.predict(records)
    risks = check_array(
        given, dtype=np.float64, ensure_2d=False, input_name="cohort_risks"
    )
    if risks.shape != (len(records),):
        raise ValueError(
            f"Expected cohort_risks of shape ({len(records)},), one for each ECG of X, "
            f"got {risks.shape}. Give those of out_of_fold for the same X, or None."
        )
    return risks


def place_in_cohort(estimator, records, i, risks, clock):
    """Fields of `RiskReport` about the risk over time and its place."""
    table = _risk_over_time(estimator, records, i, risks, clock.grid)
    at_ticks = table.loc[clock.ticks]
    return {
        "percentile": _percentile(i, risks),
        "n_cohort": len(records),
        "risk_over_time": table.set_axis(table.index / clock.per_unit),
        "risk_table": at_ticks.set_axis(at_ticks.index / clock.per_unit),
        "time_unit": clock.unit,
    }


def evenly_by_risk(risks, n_most):
    """Positions of at most so many ECGs, from the lowest to the highest risk."""
    order = np.argsort(risks, kind="stable")
    steps = np.linspace(0, len(order) - 1, min(n_most, len(order)))
    return order[np.rint(steps).astype(int)]


def _percentile(i, risks):
    """Percentage of other ECGs with a lower risk; equal risks count half."""
    others = np.delete(risks, i)
    if not len(others):
        return np.nan
    lower, alike = (others < risks[i]).mean(), (others == risks[i]).mean()
    return float(100 * (lower + alike / 2))


def _risk_over_time(estimator, records, i, risks, times):
    """Probability of the event by each time: the patient, and quantiles of the cohort.

    In a large cohort, ECGs that are evenly spaced by risk represent all ECGs.
    """
    own = _incidence(estimator, records[[i]], times)[0]
    table = pd.DataFrame({"patient": own}, index=pd.Index(times, name="time"))
    if len(records) == 1:
        return table.assign(**dict.fromkeys(_QUANTILES, np.nan))
    rows = evenly_by_risk(risks, _MOST_CURVES)
    curves = _incidence(estimator, records[rows], times)
    quantiles = np.quantile(curves, [*_QUANTILES.values()], axis=0)
    return table.assign(**dict(zip(_QUANTILES, quantiles)))


def _incidence(estimator, records, times):
    """Probability (n_samples, n_times) of the first cause by each time."""
    return estimator.predict_cumulative_incidence(records, times)[:, 0]

"""Every measure of a validation at once, and its uncertainty by resampling patients."""

import warnings

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ..metrics import (
    brier_score,
    calibration,
    concordance_index,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
    net_benefit,
)
from ..metrics._incidence import pseudo_values

_OVERALL = ("Harrell's C", "Uno's C")
_AT_TIMES = (
    "AUC",
    "observed / expected",
    "calibration intercept",
    "calibration slope",
    "ICI",
    "net benefit",
)
# The Brier score weighs by the censoring of one event, not of competing ones.
_OF_ONE_EVENT = ("Brier", "IPA")


def measure_index(found):
    """Time and name of each measure in the order of `measures`; NaN means no time."""
    names = _AT_TIMES + (_OF_ONE_EVENT if found.n_causes < 2 else ())
    keys = [(np.nan, name) for name in _OVERALL]
    keys += [(time, name) for time in found.times for name in names]
    return pd.MultiIndex.from_tuples(keys, names=["time", "measure"])


def measures(found, threshold=None):
    """Every measure of some predictions, as an array; NaN where one is not defined."""
    first = found.y_first
    values = [
        _or_nan(concordance_index, first, found.score),
        _or_nan(concordance_index_ipcw, first, found.score, tau=found.times[-1]),
    ]
    for time, risk in zip(found.times, found.risks.T):
        values += _at_time(found, first, time, risk, threshold)
    return np.array(values, dtype=np.float64)


def _at_time(found, first, time, risk, threshold):
    """The measures at one horizon."""
    y = found.y
    result = _or_none(calibration, y, risk, time=time, n_bins=1)
    observed, _ = pseudo_values(found.causes, found.time, time, 1)
    cut = observed if threshold is None else threshold
    values = [
        _or_nan(cumulative_dynamic_auc, first, risk, times=[time]),
        observed / risk.mean(),
        *(getattr(result, name, np.nan) for name in ("intercept", "slope", "ici")),
        _or_nan(net_benefit, y, risk, time=time, threshold=cut),
    ]
    if found.n_causes < 2:
        alike = np.full((len(risk), 1), 1 - observed)
        brier, nothing = (
            _or_nan(brier_score, first, survival, times=[time])
            for survival in (1 - risk[:, None], alike)
        )
        values += [brier, 1 - brier / nothing if nothing else np.nan]
    return values


def bootstrap(function, found, n_bootstrap, rng, n_jobs=None):
    """`function` of resampled cohorts, one row each.

    `found` is a sequence of `Predictions` of the same patients. All are resampled in
    the same way, so that models are compared on the same cohorts.
    """
    clusters = found[0].clusters()
    n = len(clusters)
    draws = [rng.integers(n, size=n) for _ in range(n_bootstrap)]
    parts = np.array_split(np.arange(n_bootstrap), min(n_bootstrap, 16))
    rows = Parallel(n_jobs=n_jobs)(
        delayed(_replicates)(function, found, clusters, [draws[i] for i in part])
        for part in parts
    )
    return np.concatenate(rows)


def _replicates(function, found, clusters, draws):
    """The function of each drawn cohort."""
    chosen = (np.concatenate([clusters[i] for i in draw]) for draw in draws)
    return np.stack([function(*(part[rows] for part in found)) for rows in chosen])


def interval(replicates, confidence_level):
    """Percentile interval of each column, of the replicates where it is defined."""
    tail = (1 - confidence_level) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without any
        return np.nanquantile(replicates, [tail, 1 - tail], axis=0)


def _or_nan(metric, *args, **kwargs):
    """A metric, NaN where it is not defined for this cohort."""
    result = _or_none(metric, *args, **kwargs)
    return np.nan if result is None else float(np.squeeze(result))


def _or_none(metric, *args, **kwargs):
    try:
        return metric(*args, **kwargs)
    except ValueError:
        return None

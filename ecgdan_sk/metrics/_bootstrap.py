"""Confidence intervals of scores, by resampling patients."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm
from sklearn.utils import check_consistent_length, check_random_state

from .._outcomes import (
    as_target,
    check_causes,
    check_entry,
    check_strata,
    check_survival,
    check_weight,
)
from ..records._leads_and_ids import patient_groups
from ._at_times import cumulative_dynamic_auc, integrated_auc
from ._checks import check_risk
from ._concordance import (
    concordance_index,
    concordance_index_ipcw,
    pair_totals,
    pairs_by_stratum,
)

_N_PER_CHUNK = 32
_N_JACKKNIFE_BLOCKS = 200
# Metrics that do not change with the share of events, as long as there are some.
_OF_RANKS = (
    concordance_index,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
    integrated_auc,
)


class ConfidenceInterval(NamedTuple):
    """A score and its interval, as `bootstrap_ci` returns them.

    Attributes
    ----------
    value, low, high : float
        The score, and the ends of its interval.
    """

    value: float
    low: float
    high: float


def bootstrap_ci(
    metric,
    y_true,
    y_pred,
    *,
    groups=None,
    per_sample=None,
    method="bca",
    n_resamples=1000,
    confidence_level=0.95,
    random_state=None,
):
    """Bootstrap interval of a score on a test set.

    Patients are drawn with replacement, each with all of its samples. If the metric
    uses only the order of the risks, patients with and without event are drawn
    separately, so that each replicate holds as many events as the data. For any other
    metric the number of events varies too. The model is not trained again: the interval
    shows how the score varies over test sets, not over training sets.

    Parameters
    ----------
    metric : callable
        `metric(y_true, y_pred, **per_sample)` -> float. Fix other arguments by
        `functools.partial`; the rank metrics of this package (both concordance indices,
        AUC) are recognised through it. For `concordance_index` all replicates are
        computed together, which is fast.
    y_true : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    y_pred : array-like of shape (n_samples, ...)
        Predictions, as the metric takes them.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each sample. None means one sample each.
    per_sample : dict of array-like of shape (n_samples,) or None, default=None
        Further arguments of the metric with one value per sample, such as `entry` or
        `sample_weight`. None means no such argument.
    method : {"bca", "percentile", "jackknife"}, default="bca"
        "bca" is bias-corrected and accelerated; "percentile" takes plain percentiles of
        the replicates. "jackknife" draws no replicates: it leaves out each patient, or
        each of 200 blocks of patients, and gives a normal interval. Use it for the
        calibration slope and intercept: with few events their replicates diverge.
    n_resamples : int, default=1000
        Number of replicates.
    confidence_level : float, default=0.95
        Coverage of the interval.
    random_state : int, RandomState instance or None, default=None
        Determines the draws.

    Returns
    -------
    ConfidenceInterval
        The score of the original data, and the interval.

    Raises
    ------
    ValueError
        If the metric is not defined on a replicate, for instance without events.

    References
    ----------
    Efron (1987), Journal of the American Statistical Association 82, 171-185; Efron and
    Narasimhan (2020), Journal of Computational and Graphical Statistics 29, 608-619
    (acceleration from at most 200 blocks); Efron and Tibshirani (1993), An Introduction
    to the Bootstrap, chapter 11 (jackknife).

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from ecgdan_sk.metrics import bootstrap_ci, concordance_index
    >>> X, y = load_whas500()
    >>> interval = bootstrap_ci(concordance_index, y, X["age"], random_state=0)
    >>> interval.low < interval.value < interval.high
    True
    """
    if method not in ("bca", "percentile", "jackknife"):
        raise ValueError(
            f"Expected method 'bca', 'percentile' or 'jackknife', got {method!r}."
        )
    if n_resamples < 2 or not 0 < confidence_level < 1:
        raise ValueError(
            "Expected at least 2 resamples and a confidence level inside (0, 1), got "
            f"{n_resamples} and {confidence_level}."
        )
    y_true, y_pred = as_target(y_true), np.asarray(y_pred)
    per_sample = {k: np.asarray(v) for k, v in (per_sample or {}).items()}
    check_consistent_length(y_true, y_pred, groups, *per_sample.values())
    owner = np.arange(len(y_true)) if groups is None else patient_groups(groups)
    data, rng = (y_true, y_pred, per_sample), check_random_state(random_state)
    value = float(metric(y_true, y_pred, **per_sample))
    counted = metric is concordance_index
    without = _counted_without if counted else _scored_without
    if method == "jackknife":
        return _jackknife(value, without(metric, data, owner), confidence_level)
    draws = _draws(metric, y_true, owner, n_resamples, rng)
    replicates = (_counted if counted else _scored)(metric, data, owner, draws)
    levels = np.array([(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    if method == "bca" and np.ptp(replicates) > 0:
        jackknife = without(metric, data, owner)
        levels = _bca_levels(value, replicates, jackknife, levels)
    low, high = np.quantile(replicates, levels)
    return ConfidenceInterval(value, float(low), float(high))


def _jackknife(value, without, confidence_level):
    """Interval from the scores without one block of patients at a time."""
    n = len(without)
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    width = norm.ppf((1 + confidence_level) / 2) * error
    return ConfidenceInterval(value, float(value - width), float(value + width))


def _draws(metric, y_true, owner, n_resamples, rng):
    """Counts of each patient in the resamples, (n_resamples, n_patients)."""
    event, _ = check_causes(y_true)
    of_ranks = getattr(metric, "func", metric) in _OF_RANKS
    apart = np.bincount(owner, event > 0) > 0 if of_ranks else np.zeros(max(owner) + 1)
    counts = np.zeros((n_resamples, len(apart)), int)
    for kind in np.unique(apart):
        patients = np.flatnonzero(apart == kind)
        for row in counts:
            drawn = rng.randint(len(patients), size=len(patients))
            row[patients] = np.bincount(drawn, minlength=len(patients))
    return counts


def _scored(metric, data, owner, draws):
    """Scores of the resampled patients."""
    everybody = np.arange(len(owner))
    return np.array(
        [_score(metric, data, np.repeat(everybody, times[owner])) for times in draws]
    )


def _score(metric, data, rows):
    """Score of some of the samples."""
    y_true, y_pred, per_sample = data
    columns = {name: values[rows] for name, values in per_sample.items()}
    return metric(y_true[rows], y_pred[rows], **columns)


def _scored_without(metric, data, owner):
    """Scores without each patient, or without each of up to 200 blocks of patients."""
    n_patients = owner.max() + 1
    # Blocks are random, because blocks that resemble each other would hide the variance
    # between patients. The seed is fixed, because a jackknife draws nothing else.
    block = np.random.RandomState(0).permutation(n_patients)
    block %= min(n_patients, _N_JACKKNIFE_BLOCKS)
    return np.array(
        [
            _score(metric, data, np.flatnonzero(block[owner] != k))
            for k in range(block.max() + 1)
        ]
    )


def _counted(metric, data, owner, draws):
    """Concordance indices from the counts of the patients."""
    weight, parts = _pairs(*data[:2], **data[2])
    sums = []
    for first in range(0, len(draws), _N_PER_CHUNK):
        times = weight * draws[first : first + _N_PER_CHUNK, owner]
        by_part = [p.sums(times[:, rows], times[:, rows]) for rows, p in parts]
        sums.append(np.sum(by_part, axis=0))
    concordant, comparable = np.concatenate(sums, axis=1)
    if not comparable.all():
        raise ValueError(
            f"{(comparable == 0).sum()} of {len(draws)} replicates hold no comparable "
            f"pair; {check_survival(data[0])[0].sum()} events are too few to bootstrap."
        )
    return concordant / comparable


def _counted_without(metric, data, owner):
    """Concordance indices without each patient."""
    risk = check_risk(data[1], len(owner))
    # The few pairs within a patient are taken off twice, from both alike.
    concordant, comparable = (
        pairs.sum() / 2 - np.bincount(owner, pairs)
        for pairs in pair_totals(data[0], risk, **data[2])
    )
    # Without its only event, the sample has no comparable pair.
    left = comparable > 0
    return concordant[left] / comparable[left]


def _pairs(y_true, y_pred, *, sample_weight=None, strata=None, entry=None):
    """Weights, and the comparable pairs of each stratum."""
    event, time = check_survival(y_true)
    columns = (event, time, check_risk(y_pred, len(time)))
    strata = check_strata(strata, len(time))
    entry = None if entry is None else check_entry(entry, time)
    weight = check_weight(sample_weight, len(time))
    return weight, list(pairs_by_stratum(*columns, strata, entry))


def _bca_levels(value, replicates, jackknife, levels):
    """Percentiles to read, corrected for bias and for a changing standard error."""
    n = len(replicates)
    below = (replicates < value).mean() + (replicates == value).mean() / 2
    bias = norm.ppf(np.clip(below, 0.5 / n, 1 - 0.5 / n))
    moved = jackknife.mean() - jackknife
    spread = (moved**2).sum() ** 1.5
    acceleration = (moved**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = bias + norm.ppf(levels)
    return norm.cdf(bias + z / (1 - acceleration * z))

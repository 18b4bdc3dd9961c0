"""How sure a score is, and whether two models differ."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, t
from sklearn.utils import check_consistent_length, check_random_state

from .._outcomes import as_target, check_survival, check_weight
from ..records._leads_and_ids import patient_groups
from ._checks import check_risk
from ._concordance import ComparablePairs, concordance_index

_N_PER_CHUNK = 32
_N_JACKKNIFE_BLOCKS = 200


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


class Difference(NamedTuple):
    """A paired difference of scores, a - b, with interval and test.

    Attributes
    ----------
    value, low, high : float
        The difference, and the ends of its interval.
    p_value : float
        Two-sided, of no difference.
    """

    value: float
    low: float
    high: float
    p_value: float


def bootstrap_ci(
    metric,
    y_true,
    y_pred,
    *,
    method="bca",
    n_resamples=1000,
    confidence_level=0.95,
    random_state=None,
):
    """Bootstrap interval of a score on a test set.

    Samples are drawn with replacement, the events and the censored apart, so that each
    replicate holds as many events as the data. The model is not trained anew: the
    interval says how the score varies over test sets, not over training sets.

    Parameters
    ----------
    metric : callable
        `metric(y_true, y_pred)` -> float. For `concordance_index` itself the replicates
        are computed together, from how often each sample was drawn.
    y_true : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    y_pred : array-like of shape (n_samples, ...)
        What the metric takes.
    method : {"bca", "percentile"}, default="bca"
        Bias-corrected and accelerated, or plain percentiles of the replicates.
    n_resamples : int, default=1000
        Number of replicates.
    confidence_level : float, default=0.95
        Coverage of the interval.
    random_state : int, RandomState instance or None, default=None
        Decides the draws.

    Returns
    -------
    ConfidenceInterval
        The score of the data themselves, and the interval.

    Raises
    ------
    ValueError
        If the metric is not defined on a replicate.

    References
    ----------
    Efron (1987), Journal of the American Statistical Association 82, 171-185; Efron and
    Narasimhan (2020), Journal of Computational and Graphical Statistics 29, 608-619
    (acceleration from at most 200 blocks).

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from ecgdan_sk.metrics import bootstrap_ci, concordance_index
    >>> X, y = load_whas500()
    >>> interval = bootstrap_ci(concordance_index, y, X["age"], random_state=0)
    >>> interval.low < interval.value < interval.high
    True
    """
    if method not in ("bca", "percentile"):
        raise ValueError(f"Expected method 'bca' or 'percentile', got {method!r}.")
    if n_resamples < 2 or not 0 < confidence_level < 1:
        raise ValueError(
            "Expected at least 2 resamples and a confidence level inside (0, 1), got "
            f"{n_resamples} and {confidence_level}."
        )
    y_true, y_pred = as_target(y_true), np.asarray(y_pred)
    check_consistent_length(y_true, y_pred)
    event, _ = check_survival(y_true)
    rng = check_random_state(random_state)
    value = float(metric(y_true, y_pred))
    replicates = _replicates(metric, y_true, y_pred, event, n_resamples, rng)
    levels = np.array([(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    if method == "bca" and np.ptp(replicates) > 0:
        jackknife = _jackknife(metric, y_true, y_pred, event)
        levels = _bca_levels(value, replicates, jackknife, levels)
    low, high = np.quantile(replicates, levels)
    return ConfidenceInterval(value, float(low), float(high))


def compare_models(scores_a, scores_b, *, n_splits, confidence_level=0.95):
    """Difference of two models' cross-validation scores, by the corrected t-test.

    The training sets of the folds overlap, so the scores are not independent and the
    plain paired t-test finds differences that are none. The variance is corrected for
    the overlap.

    Parameters
    ----------
    scores_a, scores_b : array-like of shape (n_folds,)
        Scores of both models on the same folds, in the same order, as `cross_val_score`
        gives them with a splitter whose `random_state` is an int.
    n_splits : int
        Number of folds of one repeat, as `RepeatedEventKFold` takes it: 2 means that
        half of the samples were used to train and half to test.
    confidence_level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Mean of a - b, its interval, and the two-sided p-value.

    Raises
    ------
    ValueError
        If the scores do not match, are NaN, or are fewer than two.

    References
    ----------
    Nadeau and Bengio (2003), Machine Learning 52, 239-281; for repeated folds Bouckaert
    and Frank (2004), PAKDD, 3-12.

    Examples
    --------
    >>> from ecgdan_sk.metrics import compare_models
    >>> difference = compare_models([0.75, 0.72, 0.78, 0.74], [0.7] * 4, n_splits=2)
    >>> round(difference.value, 4), round(difference.p_value, 3)
    (0.0475, 0.188)
    """
    a, b = (np.asarray(scores, dtype=np.float64) for scores in (scores_a, scores_b))
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2 or n_splits < 2:
        raise ValueError(
            "Expected two lists of scores on the same two or more folds, and n_splits "
            f"of at least 2, got shapes {a.shape} and {b.shape}, n_splits={n_splits}."
        )
    undefined = np.flatnonzero(~np.isfinite(a - b))
    if undefined.size:
        raise ValueError(
            f"The scores of folds {undefined.tolist()} are NaN or infinite; a "
            "comparison needs every fold. Look at them with error_score='raise'."
        )
    difference = a - b
    test_per_train = 1 / (n_splits - 1)
    error = np.sqrt((1 / len(a) + test_per_train) * difference.var(ddof=1))
    return _tested(difference.mean(), error, t(len(a) - 1), confidence_level)


def paired_c_index_difference(
    y_true, a, b, *, groups=None, sample_weight=None, confidence_level=0.95
):
    """Difference of the concordance indices of two risks on the same samples.

    Both indices are ratios of sums over pairs; how much each sample moves the
    difference gives its standard error without resampling, in O(n log n).

    Parameters
    ----------
    y_true : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    a, b : array-like of shape (n_samples,)
        Predicted risks of both models; higher means an earlier event.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each sample, where patients have several. None means one each.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weight of each sample; a pair weighs the product. None means 1.
    confidence_level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Index of a minus index of b, its interval, and the two-sided p-value.

    References
    ----------
    Kang et al. (2015), Statistics in Medicine 34, 685-703; Efron and Tibshirani (1993),
    An Introduction to the Bootstrap, chapter 21 (infinitesimal jackknife).

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from ecgdan_sk.metrics import paired_c_index_difference
    >>> X, y = load_whas500()
    >>> difference = paired_c_index_difference(y, X["age"], X["hr"])
    >>> difference.low < difference.value < difference.high
    True
    """
    event, time = check_survival(y_true)
    weight = check_weight(sample_weight, len(time))
    influence, values = [], []
    for name, y_pred in (("a", a), ("b", b)):
        risk = check_risk(y_pred, len(time), name)
        values.append(concordance_index(y_true, risk, sample_weight=weight))
        concordant, comparable = ComparablePairs(event, time, risk).totals(weight)
        # Each pair is held by both of its samples.
        n_pairs = comparable.sum() / 2
        influence.append((concordant - values[-1] * comparable) / n_pairs)
    moved = influence[0] - influence[1]
    if groups is not None:
        check_consistent_length(y_true, groups)
        moved = np.bincount(patient_groups(groups), moved)
    error = np.sqrt((moved**2).sum() * len(moved) / (len(moved) - 1))
    return _tested(values[0] - values[1], error, norm(), confidence_level)


def _tested(value, error, distribution, confidence_level):
    """A difference with its interval and p-value."""
    if error == 0:
        p_value = 1.0 if value == 0 else 0.0
        return Difference(float(value), float(value), float(value), p_value)
    width = distribution.ppf((1 + confidence_level) / 2) * error
    p_value = 2 * distribution.sf(abs(value) / error)
    return Difference(*map(float, (value, value - width, value + width, p_value)))


def _replicates(metric, y_true, y_pred, event, n_resamples, rng):
    """Scores of resampled data."""
    strata = [
        rows for rows in (np.flatnonzero(event), np.flatnonzero(~event)) if len(rows)
    ]
    draws = (
        np.concatenate(
            [rows[rng.randint(len(rows), size=len(rows))] for rows in strata]
        )
        for _ in range(n_resamples)
    )
    if metric is concordance_index:
        return _concordance_replicates(y_true, y_pred, draws, n_resamples)
    return np.array([metric(y_true[rows], y_pred[rows]) for rows in draws])


def _concordance_replicates(y_true, y_pred, draws, n_resamples):
    """Concordance indices from how often each sample was drawn."""
    event, time = check_survival(y_true)
    pairs = ComparablePairs(event, time, check_risk(y_pred, len(time)))
    replicates = []
    while len(replicates) < n_resamples:
        n_now = min(_N_PER_CHUNK, n_resamples - len(replicates))
        counts = [np.bincount(next(draws), minlength=len(time)) for _ in range(n_now)]
        counts = np.array(counts, dtype=np.float64)
        replicates.extend(zip(*pairs.sums(counts, counts)))
    concordant, comparable = np.transpose(replicates)
    if not comparable.all():
        raise ValueError(
            f"{(comparable == 0).sum()} of {n_resamples} replicates hold no "
            f"comparable pair; {event.sum()} events are too few to bootstrap."
        )
    return concordant / comparable


def _jackknife(metric, y_true, y_pred, event):
    """Scores without each sample, or without each of up to 200 blocks of samples."""
    if metric is concordance_index:
        concordant, comparable = ComparablePairs(
            event, check_survival(y_true)[1], check_risk(y_pred, len(event))
        ).totals(np.ones(len(event)))
        left = comparable.sum() / 2 - comparable
        # Without the only case nothing is left to compare.
        return ((concordant.sum() / 2 - concordant)[left > 0]) / left[left > 0]
    # Dealt in the order of event and time, all blocks resemble each other.
    order = np.lexsort((y_true[y_true.dtype.names[1]], event))
    n_blocks = min(len(event), _N_JACKKNIFE_BLOCKS)
    block = np.empty(len(event), int)
    block[order] = np.arange(len(event)) % n_blocks
    kept = [block != k for k in range(n_blocks)]
    return np.array([metric(y_true[rows], y_pred[rows]) for rows in kept])


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

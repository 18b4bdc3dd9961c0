"""Whether two models differ."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, t
from sklearn.utils import check_consistent_length

from ..records._leads_and_ids import patient_groups
from ._checks import check_risk
from ._concordance import concordance_index, pair_totals

_MOST_FREE = 5  # degrees of freedom, however many folds


class Difference(NamedTuple):
    """A paired difference of scores, a - b, with interval and test.

    Attributes
    ----------
    value, low, high : float
        The difference, and the ends of its interval.
    p_value : float
        Two-sided p-value of no difference.
    """

    value: float
    low: float
    high: float
    p_value: float


def compare_models(scores_a, scores_b, *, n_splits, confidence_level=0.95):
    """Difference of two models' cross-validation scores, by the corrected t-test.

    The training sets of the folds overlap, so the scores are not independent, and the
    plain paired t-test finds differences where there are none. The variance is
    therefore corrected for the overlap (Nadeau and Bengio, 2003), and the degrees of
    freedom are at most five, as in five repeats of two folds (Dietterich, 1998),
    because more folds of the same patients add little information. With ten repeats of
    five folds, the test found a difference between equally good models in 4 to 6 % of
    simulations; without the limit of five, in 10 %. `benchmarks/bench_statistics.py`
    counted this; it is not proved.

    Parameters
    ----------
    scores_a, scores_b : array-like of shape (n_folds,)
        Scores of both models on the same folds, in the same order. `cross_val_score`
        gives such scores if the `random_state` of the splitter is an int.
    n_splits : int
        Number of folds of one repeat, as in `RepeatedEventKFold`: 2 means that half of
        the samples trained the model and the other half tested it.
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
    and Frank (2004), PAKDD, 3-12; Dietterich (1998), Neural Computation 10, 1895-1923.

    Examples
    --------
    >>> from ecgdan_sk.metrics import compare_models
    >>> difference = compare_models([0.75, 0.72, 0.78, 0.74], [0.7] * 4, n_splits=2)
    >>> round(difference.value, 4), round(difference.p_value, 3)
    (0.0475, 0.231)
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
    n_free = min(_MOST_FREE, max(1, len(a) - -(-len(a) // n_splits)))
    return _tested(difference.mean(), error, t(n_free), confidence_level)


def paired_c_index_difference(
    y_true,
    a,
    b,
    *,
    groups=None,
    sample_weight=None,
    strata=None,
    entry=None,
    confidence_level=0.95,
):
    """Difference of the concordance indices of two risks on the same samples.

    The standard error comes from the influence of each sample on the difference,
    without resampling, in O(n log n).

    Use it on a test set that neither model has seen. Do not use it on the risks of a
    cross-validation: the models of different folds share patients, and with the pooled
    ranks of `out_of_fold` this test finds differences where there are none in 11 to
    18 % instead of 5 %. For a cross-validation, use `compare_models` on the scores of
    repeated folds; there the error is 2 to 7 %.

    Parameters
    ----------
    y_true : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    a, b : array-like of shape (n_samples,)
        Predicted risks of both models; higher means an earlier event.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each sample, if patients have several samples. None means that each
        sample is a patient.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weight of each sample; the weight of a pair is the product. None means 1.
    strata, entry : array-like of shape (n_samples,) or None, default=None
        Stratum and time of entry of each sample, see `concordance_index`.
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
    given = {"sample_weight": sample_weight, "strata": strata, "entry": entry}
    influence, values = [], []
    for name, y_pred in (("a", a), ("b", b)):
        risk = check_risk(y_pred, len(y_true), name)
        values.append(concordance_index(y_true, risk, **given))
        concordant, comparable = pair_totals(y_true, risk, **given)
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

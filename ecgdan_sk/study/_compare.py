"""Comparison over the folds of a study: differences, adjustment, pooled ranks."""

import numpy as np
from scipy.stats import rankdata, ttest_1samp

from ..metrics import compare_models
from ..metrics._comparison import Difference


def lead(a, b, n_splits, draws=0):
    """Difference of fold scores `a` and `b`, with interval and p-value.

    `draws` holds the draw of the outcome for each fold. With several draws, it is a
    t-test over their means. With a single draw, it is the corrected test over the folds
    (Nadeau and Bengio, 2003).
    """
    a, b, draws = np.broadcast_arrays(a, b, draws)
    names, draws = np.unique(
        np.zeros(len(a)) if draws is None else draws, return_inverse=True
    )
    if len(names) == 1:
        return compare_models(a, b, n_splits=n_splits)
    each = np.bincount(draws, a - b) / np.bincount(draws)
    if np.ptp(each) == 0:  # such as a method and itself
        return Difference(*3 * [each[0]], 1.0)
    test = ttest_1samp(each, 0.0)
    return Difference(each.mean(), *test.confidence_interval(), test.pvalue)


def holm(p_values):
    """P-values for all comparisons of a table together (Holm, 1979); NaN stays."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    n_tests = np.isfinite(p_values).sum()
    factors = n_tests - np.arange(len(p_values))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(factors * p_values[order])
    return np.minimum(adjusted, 1.0)


def pooled_ranks(folds, n_samples):
    """Mean rank in (0, 1) of each sample over the test folds that it was in.

    `folds` are pairs of samples and their risks by one model. Samples without a fold or
    a risk have NaN.
    """
    total, n_tests = np.zeros(n_samples), np.zeros(n_samples)
    for test, risk in folds:
        known = np.isfinite(risk)
        ranks = np.full(len(risk), np.nan)
        ranks[known] = (rankdata(risk[known]) - 0.5) / known.sum()
        total[test] += ranks
        n_tests[test] += 1
    with np.errstate(invalid="ignore"):
        return total / n_tests

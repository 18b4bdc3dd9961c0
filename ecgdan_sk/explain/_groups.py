"""Comparison of an explanation between two groups, such as high and low risk."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ._attention import AttentionMaps

_PERMUTATIONS_AT_ONCE = 500


@dataclass(frozen=True)
class GroupComparison:
    """Means of an explanation in two groups, as `compare_groups` returns them.

    Attributes
    ----------
    names : tuple of str or of tuples of str
        Names of the compared values, in flat order; for the map across leads, (query,
        key).
    low_mean, high_mean : ndarray
        Mean over the ECGs of each group, in the shape of the explanation of one ECG.
    difference : ndarray
        High minus low.
    statistic : ndarray
        Welch's t of the difference.
    p_value : ndarray
        Two-sided, corrected for all comparisons together. NaN if fewer than two ECGs of
        a group have a value, or if all values are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.explain import GroupComparison
    >>> one = np.ones(1)
    >>> GroupComparison(("V1",), 0 * one, one, one, 3 * one, 0.01 * one).to_frame()
        low_mean  high_mean  difference  statistic  p_value
    V1       0.0        1.0         1.0        3.0     0.01
    """

    names: tuple
    low_mean: np.ndarray
    high_mean: np.ndarray
    difference: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray

    def to_frame(self):
        """Table of the comparisons.

        Returns
        -------
        DataFrame of shape (n_comparisons, 5)
            One row for each lead, segment, or pair of leads.
        """
        columns = ("low_mean", "high_mean", "difference", "statistic", "p_value")
        values = {name: getattr(self, name).ravel() for name in columns}
        if isinstance(self.names[0], tuple):
            return pd.DataFrame(values, index=pd.MultiIndex.from_tuples(self.names))
        return pd.DataFrame(values, index=list(self.names))


def compare_groups(explanation, groups, *, n_permutations=9999, random_state=None):
    """Compare the means of an explanation between two groups of ECGs.

    The groups are permuted, and each difference is compared with the largest of all
    differences under permutation. So the p-values are corrected for all comparisons
    (144 in the map across leads), and take their correlation into account.

    Parameters
    ----------
    explanation : object or array-like of shape (n_samples, ...)
        Result of a function of this module. For `AttentionMaps`, the map across leads
        is compared, averaged over heads; for `IntegratedGradients`, the sums by lead.
        Absent leads (NaN) are left out.
    groups : array-like of shape (n_samples,), bool
        True for ECGs of the high-risk group, False for ECGs of the low-risk group. Use
        risks of ECGs that the estimator was not fitted to.
    n_permutations : int, default=9999
        Random permutations.
    random_state : int, RandomState instance or None, default=None
        Determines the permutations.

    Returns
    -------
    GroupComparison
        Means, differences and corrected p-values.

    Raises
    ------
    ValueError
        If `groups` does not match the explanation, or if a group has fewer than two
        ECGs.

    References
    ----------
    Westfall and Young (1993), "Resampling-based multiple testing", Wiley (single-step
    maximum of the absolute t).

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.explain import compare_groups
    >>> rng = np.random.default_rng(0)
    >>> groups = np.arange(40) < 20
    >>> values = rng.normal(size=(40, 3)) + 2 * groups[:, None] * np.array([1, 0, 0])
    >>> compare_groups(values, groups, random_state=0).p_value < 0.05
    array([ True, False, False])
    """
    values, names = _values(explanation)
    high = _checked_groups(groups, len(values))
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations}.")
    flat = values.reshape(len(values), -1)
    low_mean, high_mean, statistic = (a[0] for a in _welch(flat, high[None]))
    exceeded = _times_exceeded(
        flat, high, np.abs(statistic), n_permutations, random_state
    )
    p_value = (1 + exceeded) / (1 + n_permutations)
    p_value[~np.isfinite(statistic)] = np.nan
    shaped = (
        array.reshape(values.shape[1:])
        for array in (low_mean, high_mean, high_mean - low_mean, statistic, p_value)
    )
    return GroupComparison(names, *shaped)


def _values(explanation):
    """The compared values, (n_samples, ...), and their names in flat order."""
    if isinstance(explanation, AttentionMaps):
        if explanation.cross_lead is None:
            raise ValueError(
                "These AttentionMaps have no map across leads to compare. Ask "
                'attention_maps for it with maps=("cross_lead",).'
            )
        maps = explanation.cross_lead
        maps = maps if maps.ndim == 3 else maps.mean(axis=1)
        leads = explanation.leads
        names = tuple((query, key) for query in leads for key in leads)
        return maps.astype(np.float64), names
    if hasattr(explanation, "to_frame"):
        frame = explanation.to_frame()
        return frame.to_numpy(np.float64), tuple(frame.columns)
    values = np.asarray(explanation, dtype=np.float64)
    if values.ndim < 2:
        raise ValueError(
            "Expected an explanation, or an array of shape (n_samples, ...), got shape "
            f"{values.shape}. Write values[:, None] for one value for each ECG."
        )
    return values, tuple(str(i) for i in range(values[0].size))


def _checked_groups(groups, n_samples):
    """A boolean array with two or more ECGs on each side."""
    groups = np.asarray(groups)
    if groups.shape != (n_samples,) or not np.isin(groups, [False, True]).all():
        raise ValueError(
            f"groups must be {n_samples} booleans, one for each ECG explained, True "
            f"for high risk, got shape {groups.shape} of type {groups.dtype}. Write "
            "for instance groups=log_risk > threshold."
        )
    groups = groups.astype(bool)
    n_high = groups.sum()
    if min(n_high, n_samples - n_high) < 2:
        raise ValueError(
            f"The low group has {n_samples - n_high} and the high group {n_high} ECGs, "
            "but each needs two or more, or nothing is known of its spread. Choose "
            "another threshold, or explain more ECGs."
        )
    return groups


def _welch(values, high):
    """Means of the low and the high group and Welch's t, for rows of groupings.

    Each of shape (n_groupings, n_values); `high` is (n_groupings, n_samples).
    """
    known = np.isfinite(values)
    # Centred, so that squares of large numbers do not swallow their spread.
    with np.errstate(invalid="ignore"):
        centre = np.nansum(values, axis=0) / known.sum(axis=0)
    filled = np.where(known, values - centre, 0.0)
    means, errors = [], []
    with np.errstate(invalid="ignore", divide="ignore"):
        for side in (~high, high):
            weight = side.astype(np.float64)
            n = weight @ known
            mean = weight @ filled / n
            spread = np.maximum(weight @ filled**2 / n - mean**2, 0) * n / (n - 1)
            means.append(mean)
            errors.append(spread / n)
        error = np.sqrt(errors[0] + errors[1])
        # What never varies has rounding errors at most.
        error[error <= 1e-12 * np.abs(centre)] = np.nan
        statistic = (means[1] - means[0]) / error
    statistic[~np.isfinite(statistic)] = np.nan
    return means[0] + centre, means[1] + centre, statistic


def _times_exceeded(values, high, observed, n_permutations, random_state):
    """Share of permutations whose largest |t| reaches each observed |t|."""
    rng = check_random_state(random_state)
    exceeded = np.zeros(len(observed))
    for start in range(0, n_permutations, _PERMUTATIONS_AT_ONCE):
        n = min(_PERMUTATIONS_AT_ONCE, n_permutations - start)
        permuted = np.stack([rng.permutation(high) for _ in range(n)])
        statistic = np.abs(_welch(values, permuted)[2])
        largest = np.fmax.reduce(statistic, axis=1, initial=0.0)
        exceeded += (largest[:, None] >= observed * (1 - 1e-12)).sum(axis=0)
    return exceeded

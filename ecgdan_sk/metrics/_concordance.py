"""Comparable pairs of samples, counted in O(n log n) time and O(n) memory.

A pair (i, j) is comparable if i had its event before j's follow-up ended; censoring at
the time of an event counts as later, another event does not. It is concordant if i had
the higher risk. Pairs weigh `case[i] * control[j]`. Leading axes of the weights hold
replicates, which share the sorting. With times of entry, j must have entered before i
had its event: who came later was not at risk of being the first.
"""

import numpy as np

from .._outcomes import check_entry, check_strata, check_survival, check_weight
from ._censoring import as_censoring, since
from ._checks import check_risk

_N_PER_CHUNK = 4_000_000  # pairs looked at together


def concordance_index(y_true, y_pred, *, sample_weight=None, strata=None, entry=None):
    """Harrell's C: how often the sample with the higher risk has the earlier event.

    A pair is comparable if one sample had its event before the follow-up of the other
    ended, or at the time of its censoring. It takes O(n log n) time and O(n) memory.

    Parameters
    ----------
    y_true : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    y_pred : array-like of shape (n_samples,)
        Predicted risk, on any scale; higher means an earlier event.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weight of each sample; the weight of a pair is the product. Whole numbers act as
        if the samples were repeated. None means 1.
    strata : array-like of shape (n_samples,) or None, default=None
        Stratum of each sample, such as its site or its fold; only samples of the same
        stratum are compared. None compares all.
    entry : array-like of shape (n_samples,) or None, default=None
        Start of observation of each sample, on the scale of the times (such as the age
        at the ECG). Only samples that were at risk together are compared. None means 0.

    Returns
    -------
    float
        Between 0 and 1; 0.5 is chance. Equal risks count half.

    Raises
    ------
    ValueError
        If no two samples are comparable, or `y_pred` or the weights are not usable.

    See Also
    --------
    concordance_scorer : The same as a scorer.

    Notes
    -----
    Risks are tied only if they are equal; scikit-survival also ties risks that differ
    by at most 1e-8 (`tied_tol`). Otherwise the two agree to rounding.

    References
    ----------
    Harrell, Lee and Mark (1996), Statistics in Medicine 15, 361-387.

    Examples
    --------
    >>> from sksurv.util import Surv
    >>> from ecgdan_sk.metrics import concordance_index
    >>> y = Surv.from_arrays([True, True, False], [1.0, 2.0, 3.0])
    >>> concordance_index(y, [0.9, 0.1, 0.3])
    0.6666666666666666
    """
    event, time = check_survival(y_true)
    risk = check_risk(y_pred, len(time))
    weight = check_weight(sample_weight, len(time))
    strata = check_strata(strata, len(time))
    entry = None if entry is None else check_entry(entry, time)
    return defined(*sum_by_stratum(event, time, risk, weight, weight, strata, entry))


def concordance_index_ipcw(
    y_true, y_pred, *, censoring=None, tau=None, strata=None, entry=None
):
    """Uno's C: Harrell's C, corrected for the influence of censoring.

    The weight of each pair is the inverse squared probability of not being censored
    before its event. So samples that were seen stand for those lost to follow-up.

    Parameters
    ----------
    y_true : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    y_pred : array-like of shape (n_samples,)
        Predicted risk, on any scale; higher means an earlier event.
    censoring : CensoringKaplanMeier, structured array or None, default=None
        Censoring distribution: the `censoring_` of a fitted estimator, or the target
        it was fitted on. None estimates it from `y_true`.
    tau : float or None, default=None
        Only events before this time count. None means all.
    strata : array-like of shape (n_samples,) or None, default=None
        Stratum of each sample, see `concordance_index`. None compares all.
    entry : array-like of shape (n_samples,) or None, default=None
        Start of observation of each sample, see `concordance_index`. Both samples of a
        pair then have a weight, and all pairs are computed one by one. A pair that
        needs a longer follow-up than that of any sample is left out. None means 0.

    Returns
    -------
    float
        Between 0 and 1; 0.5 is chance. Equal risks count half.

    Raises
    ------
    ValueError
        If an event comes after the end of the censoring distribution.

    References
    ----------
    Uno et al. (2011), Statistics in Medicine 30, 1105-1117.

    Examples
    --------
    >>> from sksurv.util import Surv
    >>> from ecgdan_sk.metrics import concordance_index_ipcw
    >>> y = Surv.from_arrays([True, True, False], [1.0, 2.0, 3.0])
    >>> concordance_index_ipcw(y, [0.9, 0.1, 0.3])
    0.6666666666666666
    """
    event, time = check_survival(y_true)
    risk = check_risk(y_pred, len(time))
    strata = check_strata(strata, len(time))
    entry = None if entry is None else check_entry(entry, time)
    counts = event if tau is None else event & (time < tau)
    curve = as_censoring(censoring, y_true, entry)
    if entry is not None:
        columns = (time, risk, strata, entry)
        return defined(*_sums_since_entry(curve, event, counts, *columns))
    case, control = curve.weights(time, counts) ** 2, np.ones(len(time))
    return defined(*sum_by_stratum(event, time, risk, case, control, strata, entry))


def _sums_since_entry(curve, event, counts, time, risk, strata, entry):
    """Weight of concordant and of all pairs, each weighed for both of its samples."""
    followed, sums = since(entry, time), np.zeros(2)
    counts = counts & curve.knows(followed)
    weight = curve.weights(followed, counts)
    # Who is censored at the time of an event was at risk, who has an event was not.
    end = 2 * _rank(time) + ~event
    cases = np.flatnonzero(counts)
    for rows in np.array_split(cases, 1 + len(cases) * len(time) // _N_PER_CHUNK):
        at_risk = (end > end[rows, None]) & (entry < time[rows, None])
        at_risk &= strata == strata[rows, None]
        lag = since(entry, time[rows, None])
        # Who could never be followed so long after entry has nobody to stand for it.
        at_risk &= curve.knows(lag)
        pairs = curve.weights(lag, at_risk) * weight[rows, None]
        lower = (risk < risk[rows, None]) + (risk == risk[rows, None]) / 2
        sums += (pairs * lower).sum(), pairs.sum()
    return sums


def defined(concordant, comparable):
    """Their ratio as a float, or an error if it is 0 / 0."""
    if comparable == 0:
        raise ValueError(
            "No two samples can be compared: nobody was followed beyond the first "
            "event (before tau, where given). Score more samples at once, for instance "
            "with fewer folds."
        )
    return float(concordant / comparable)


def pairs_by_stratum(event, time, risk, strata, entry):
    """Which samples are in each stratum, and their comparable pairs."""
    for stratum in np.unique(strata):
        rows = strata == stratum
        columns = (event, time, risk, entry)
        yield rows, ComparablePairs(*(None if c is None else c[rows] for c in columns))


def sum_by_stratum(event, time, risk, case, control, strata, entry):
    """Weight of concordant and of all pairs of samples of the same stratum."""
    sums = np.zeros(2)
    for rows, pairs in pairs_by_stratum(event, time, risk, strata, entry):
        sums += pairs.sums(case[rows], control[rows])
    return sums


def pair_totals(y_true, y_pred, *, sample_weight=None, strata=None, entry=None):
    """Weight of the concordant and of all comparable pairs of each sample."""
    event, time = check_survival(y_true)
    weight = check_weight(sample_weight, len(time))
    strata = check_strata(strata, len(time))
    entry = None if entry is None else check_entry(entry, time)
    totals = np.zeros((2, len(time)))
    for rows, pairs in pairs_by_stratum(event, time, y_pred, strata, entry):
        totals[:, rows] = pairs.totals(weight[rows])
    return totals


class ComparablePairs:
    """The comparable pairs of samples with known outcomes and risks.

    Parameters
    ----------
    event, time, risk : ndarray of shape (n_samples,)
        Event and time of each sample, and its predicted risk (higher = earlier).
    entry : ndarray of shape (n_samples,) or None
        Start of observation of each sample.
    """

    def __init__(self, event, time, risk, entry=None):
        n, self.event, self._risk = len(time), event, _rank(risk)
        rank = _rank(time if entry is None else np.concatenate([time, entry]))
        # Censored samples outlive the events of the same time.
        self._end = 2 * rank[:n] + ~event
        # Who enters at the time of an event was not yet at risk of it.
        self._entry = None if entry is None else 2 * rank[n:] + 1

    def sums(self, case, control):
        """Weight of concordant and of all pairs, for weights (..., n_samples)."""
        concordant, comparable = self._at_risk(control)
        case = case * self.event
        return (case * concordant).sum(-1), (case * comparable).sum(-1)

    def totals(self, weight):
        """Weight of the concordant and of all comparable pairs of each sample."""
        case = weight * self.event
        as_case = self._at_risk(weight)
        as_control = self._cases_of(case)
        return tuple(
            case * by_case + weight * by_control
            for by_case, by_control in zip(as_case, as_control)
        )

    def _at_risk(self, control):
        """Weight of who is at risk when a sample ends: of lower risk, and all."""
        later = _outlived(self._end, self._risk, control)
        if self._entry is None:
            return later
        weight = np.concatenate([np.zeros_like(control), control], axis=-1)
        entered_later = _outlived(*self._with_entries(), weight)
        n = len(self._end)
        return [_less(a, b[..., :n]) for a, b in zip(later, entered_later)]

    def _cases_of(self, case):
        """Weight of the cases that a sample was at risk for: of higher risk, and all.

        Seen from the later sample, time and risk run backwards.
        """
        earlier = _outlived(-self._end, -self._risk, case)
        if self._entry is None:
            return earlier
        weight = np.concatenate([case, np.zeros_like(case)], axis=-1)
        end, risk = self._with_entries()
        before_entry = _outlived(-end, -risk, weight)
        n = len(self._end)
        return [_less(a, b[..., n:]) for a, b in zip(earlier, before_entry)]

    def _with_entries(self):
        """Ends and entries as one list of times, with the risk of each."""
        return np.concatenate([self._end, self._entry]), np.tile(self._risk, 2)


def _less(whole, part):
    """Difference of two sums, with rounding errors of equal sums removed."""
    rest = whole - part
    return np.where(rest > 1e-12 * whole, rest, 0.0)


def _outlived(end, risk, weight):
    """Weight of the samples with a later `end`: of those with lower risk, and of all.

    Equal risks count half. Both results have the shape of `weight`.
    """
    n = len(end)
    # Latest first; equal ends in order of falling risk, so that they are never counted.
    latest_first = np.argsort(-(end * n + risk))
    position = np.empty(n, np.int32)
    position[latest_first] = np.arange(n, dtype=np.int32)
    by_risk = np.argsort(risk * n - position)
    lower = np.empty(weight.shape)
    lower[..., latest_first] = _smaller_before(
        position[by_risk], weight[..., latest_first]
    )
    tied = _tied(end, risk, by_risk[::-1], weight)
    return lower + tied / 2, _later(end, latest_first, weight)


def _later(end, latest_first, weight):
    """Weight of the samples with a later end."""
    before = _sum_before(weight, latest_first, _run_starts(end[latest_first]))
    return _spread(latest_first, before)


def _tied(end, risk, order, weight):
    """Weight of the samples with the same risk and a later end.

    In `order` equal risks are neighbours, and among them the latest end comes first.
    """
    same_risk = _run_starts(risk[order])
    same_both = np.maximum(same_risk, _run_starts(end[order]))
    before_run = _sum_before(weight, order, same_both)
    return _spread(order, before_run - _sum_before(weight, order, same_risk))


def _smaller_before(sequence, weight):
    """Weight of the smaller elements that precede each element of a permutation.

    `weight` and the result are indexed by the elements, not by their place. Groups of
    neighbouring values are halved until they are small: a pair is counted where its
    values part, by a cumulative sum over the group in the order of the sequence.
    """
    n, n_halvings = len(sequence), max(0, len(sequence).bit_length() - 4)
    size = -(-n >> n_halvings) << n_halvings
    sequence = np.concatenate([sequence, np.arange(n, size)])
    weight = np.concatenate([weight, np.zeros((*weight.shape[:-1], size - n))], axis=-1)
    total = np.zeros_like(weight)
    for halving in range(n_halvings):
        groups = sequence.reshape(1 << halving, -1)
        half = groups.shape[1] // 2
        upper = groups >= groups.shape[1] * np.arange(1 << halving)[:, None] + half
        lower_before = np.cumsum(weight[..., groups] * ~upper, axis=-1)
        # Positions are several times faster than masks, which are hard to predict.
        upper, lower = np.flatnonzero(upper), np.flatnonzero(~upper)
        total[..., sequence[upper]] += lower_before.reshape(weight.shape)[..., upper]
        halves = [sequence[part].reshape(-1, half) for part in (lower, upper)]
        sequence = np.stack(halves, axis=1).ravel()
    groups = sequence.reshape(1 << n_halvings, -1)
    total[..., groups] += _smaller_within(groups, weight[..., groups])
    return total[..., :n]


def _smaller_within(groups, weight):
    """Weight of the smaller elements before each, in small groups, pair by pair."""
    total = np.zeros_like(weight)
    for lag in range(1, groups.shape[1]):
        is_smaller = groups[:, :-lag] < groups[:, lag:]
        total[..., lag:] += weight[..., :-lag] * is_smaller
    return total


def _sum_before(weight, order, start):
    """Weight of all elements in `order` that come before the given places."""
    before = np.zeros((*weight.shape[:-1], len(order) + 1))
    np.cumsum(weight[..., order], axis=-1, out=before[..., 1:])
    return before[..., start]


def _spread(order, values):
    """Values given in `order`, back in the order of the samples."""
    result = np.empty_like(values)
    result[..., order] = values
    return result


def _run_starts(values):
    """For each element, the place where its run of equal values starts."""
    is_start = np.r_[True, values[1:] != values[:-1]]
    return np.maximum.accumulate(np.where(is_start, np.arange(len(values)), 0))


def _rank(values):
    """0 for the smallest value, equal for equal values."""
    order = np.argsort(values)
    return _spread(order, _run_starts(values[order]))

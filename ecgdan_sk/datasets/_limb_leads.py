"""The six limb leads follow from two: check of their agreement, and explanations."""

from functools import lru_cache
from itertools import combinations, permutations

import numpy as np

from ..records import LEADS
from ..records._lazy import derived

LIMB = LEADS[:6]

# Each limb lead from I and II (Einthoven 1913, Goldberger 1942).
_FROM_I_AND_II = np.array(
    [[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]], dtype=float
)
# Share of their amplitude by which limb leads may miss each other, by rounding, and by
# filters and spikes of single leads, unless a swap or inversion explains it.
_TOLERANCE, _UNEXPLAINED = 0.05, 0.15


def disagreement(gram, present):
    """Share of the amplitude in which limb leads disagree, and the likely errors.

    `gram` holds the scalar products (6, 6) of the limb leads over time, and `present`
    marks usable leads. With fewer than three the share is NaN. If the leads agree, the
    text of errors is empty.
    """
    gram = np.where(np.outer(present, present), gram, 0.0)
    total = np.trace(gram)
    if present.sum() < 3 or not total > 0:
        return np.nan, ""
    energy = _unexplained(present) @ gram.ravel() / total
    shares = np.sqrt(energy.clip(0))
    if shares[0] <= _TOLERANCE:
        return shares[0], ""
    moves = _hypotheses()[2]
    possible = ~moves[:, ~present].any(axis=1)
    best = shares[possible].min()
    if best > max(_TOLERANCE, shares[0] / 4):
        return shares[0], _odd_ones(gram, present, shares[0])
    good = np.flatnonzero(possible & (shares <= best + 0.01))
    texts, costs = _hypotheses()[3:]
    simplest = good[costs[good] == costs[good].min()]
    return shares[0], " or ".join(texts[k] for k in simplest)


def _odd_ones(gram, present, share):
    """Which leads do not fit the others, where no swap or inversion explains it."""
    if share < _UNEXPLAINED:
        return ""
    odd = []
    for lead in np.flatnonzero(present) if present.sum() > 3 else ():
        rest = present & (np.arange(6) != lead)
        within = np.where(np.outer(rest, rest), gram, 0.0)
        energy = _unexplained(rest)[0] @ within.ravel()
        if energy <= _TOLERANCE**2 * np.trace(within):
            odd.append(LIMB[lead])
    if odd:
        return f"{' or '.join(odd)} does not fit the others"
    return "they disagree, which no swap or inversion explains"


@lru_cache(maxsize=64)
def _unexplained_of(present):
    """Quadratic forms (n_hypotheses, 36): energy beyond I and II, once put right."""
    present = np.array(present)
    leads = _FROM_I_AND_II * present[:, None]
    beyond = np.diag(present.astype(float)) - leads @ np.linalg.pinv(leads)
    order, sign = _hypotheses()[:2]
    moved = np.eye(6)[order] * sign[:, :, None]
    forms = moved.transpose(0, 2, 1) @ beyond @ moved
    return forms.reshape(len(forms), 36)


def _unexplained(present):
    """The same for an array of flags."""
    return _unexplained_of(tuple(bool(flag) for flag in present))


@lru_cache(maxsize=1)
def _hypotheses():
    """Hypotheses on errors: order, sign, moved leads, description and cost.

    The correct lead at a position is `sign` times the recorded lead at `order`. The
    first hypothesis is that there is no error.
    """
    still, plus = tuple(range(6)), (1,) * 6
    inversions = [
        tuple(-1 if lead in chosen else 1 for lead in still)
        for n_chosen in (1, 2)
        for chosen in combinations(still, n_chosen)
    ]
    pairs = [
        tuple({first: second, second: first}.get(lead, lead) for lead in still)
        for first, second in combinations(still, 2)
    ]
    found = dict.fromkeys([(still, plus), *((still, sign) for sign in inversions)])
    found.update(dict.fromkeys((order, plus) for order in pairs))
    found.update(dict.fromkeys((o, s) for o in pairs for s in inversions[:6]))
    found.update(dict.fromkeys((order, plus) for order in permutations(still)))
    order, sign = (np.array(values) for values in zip(*found))
    moves = order != np.arange(6)
    costs = moves.sum(axis=1) / 2 + (sign < 0).sum(axis=1)
    return order, sign, moves, [_in_words(*both) for both in found], costs


def _in_words(order, sign):
    """Such as "aVL and aVF swapped, III inverted"."""
    moved = [lead for lead in range(6) if order[lead] != lead]
    if all(order[order[lead]] == lead for lead in moved):
        words = [
            f"{LIMB[lead]} and {LIMB[order[lead]]} swapped"
            for lead in moved
            if lead < order[lead]
        ]
    else:
        words = [f"{LIMB[order[lead]]} is {LIMB[lead]}" for lead in moved]
    inverted = [LIMB[order[lead]] for lead in range(6) if sign[lead] < 0]
    words += [f"{' and '.join(inverted)} inverted"] if inverted else []
    return ", ".join(words)


def complete_leads(records):
    """The twelve leads; absent limb leads are derived from two others.

    Many devices store eight leads: I, II and V1 to V6. The others follow from them: III
    = II - I, aVR = -(I + II) / 2, aVL = I - II / 2 and aVF = II - I / 2. Any other two
    limb leads are enough, too.

    Parameters
    ----------
    records : ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, with some of the leads of `ecgdan_sk.records.LEADS`.

    Returns
    -------
    ECGRecords of shape (n_samples, 12, n_times)
        Recorded leads stay unchanged; leads that cannot be derived are NaN. Signals
        that are not in memory are completed when they are read.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.datasets import complete_leads
    >>> from ecgdan_sk.records import ECGRecords
    >>> eight = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    >>> X = np.arange(1.0, 9.0)[None, :, None] * np.ones((1, 8, 100))
    >>> twelve = complete_leads(ECGRecords(X, leads=eight))
    >>> twelve.signals[0, :6, 0].round(6).tolist()
    [1.0, 2.0, 1.0, -1.5, 0.0, 1.5]
    """
    twelve = records.select_leads(LEADS)
    return twelve.with_signals(
        derived(twelve.signals, _completed), records.sampling_rate
    )


def _completed(X):
    """Twelve leads; absent limb leads follow from two others, where two are there."""
    absent = np.isnan(X[:, :6]).all(axis=2)
    completed = X.copy() if absent.any() else X
    for pattern in np.unique(absent, axis=0):
        if pattern.any() and (~pattern).sum() >= 2:
            rows = np.flatnonzero((absent == pattern).all(axis=1))
            # From the leads of the lowest numbers, which devices measure.
            known = np.flatnonzero(~pattern)[:2]
            weights = _FROM_I_AND_II @ np.linalg.inv(_FROM_I_AND_II[known])
            limb = np.einsum("lk,nkt->nlt", weights, X[np.ix_(rows, known)])
            completed[np.ix_(rows, np.flatnonzero(pattern))] = limb[:, pattern]
    return completed

"""Observed probability of an event by a time, and its pseudo-values."""

import numpy as np


def pseudo_values(causes, time, horizon, cause=1):
    """Observed probability of `cause` by `horizon`, and its pseudo-values.

    The probability is 1 - Kaplan-Meier, or Aalen-Johansen if there are other causes.
    The pseudo-value of a sample, n * (all) - (n - 1) * (all but the sample), stands for
    its unknown state at the horizon. Without censoring it is the state itself, 0 or 1.

    Parameters
    ----------
    causes, time : ndarray of shape (n_samples,)
        Cause of the event, 0 where censored, and time.
    horizon : float
        By when.
    cause : int
        Which cause.

    Returns
    -------
    incidence : float
    pseudo : ndarray of shape (n_samples,)

    References
    ----------
    Andersen, Klein and Rosthoj (2003), Biometrika 90, 15-27; here without refitting, by
    running products over the part of the curve before and after the sample's own time.
    """
    observed, place, n_leaving = np.unique(
        time, return_inverse=True, return_counts=True
    )
    n, last = len(time), np.searchsorted(observed, horizon, side="right")
    at_risk = n - np.concatenate([[0], np.cumsum(n_leaving)])[:-1]
    d_any = np.bincount(place, causes > 0, minlength=len(observed))
    d_one = np.bincount(place, causes == cause, minlength=len(observed))

    all_in = _Curve(at_risk, d_any, d_one)
    # While the sample is at risk, everyone else is one fewer.
    without = _Curve(at_risk - 1, d_any, d_one)
    own_survival, own_incidence = _step(
        without.survival[place],
        without.incidence[place],
        at_risk[place] - 1,
        d_any[place] - (causes > 0),
        d_one[place] - (causes == cause),
    )
    # After its own time the curve goes on as for all, from another height.
    height = _ratio(own_survival, all_in.survival[place + 1])
    rest = all_in.incidence[last] - all_in.incidence[place + 1]
    left_early = place < last
    left_out = np.where(
        left_early, own_incidence + height * rest, without.incidence[last]
    )
    incidence = all_in.incidence[last]
    return float(incidence), n * incidence - (n - 1) * left_out


class _Curve:
    """Survival and cumulative incidence before each observed time, and at the end.

    Attributes
    ----------
    survival, incidence : ndarray of shape (n_times + 1,)
    """

    def __init__(self, at_risk, d_any, d_one):
        hazard = _ratio(d_any, at_risk)
        self.survival = np.concatenate([[1.0], np.cumprod(1 - hazard)])
        steps = self.survival[:-1] * _ratio(d_one, at_risk)
        self.incidence = np.concatenate([[0.0], np.cumsum(steps)])


def _step(survival, incidence, at_risk, d_any, d_one):
    """Survival and incidence after one more observed time."""
    return (
        survival * (1 - _ratio(d_any, at_risk)),
        incidence + survival * _ratio(d_one, at_risk),
    )


def _ratio(part, whole):
    """`part` / `whole`, 0 where nothing is left."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), whole)
    return np.divide(part, whole, where=whole > 0, out=np.zeros(part.shape))

"""The value of a risk for decisions: net benefit, and the high-risk group."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import root_scalar
from scipy.stats import norm
from sklearn.utils import check_consistent_length
from sksurv.compare import compare_survival
from sksurv.util import Surv

from .._outcomes import check_survival
from ..records._leads_and_ids import patient_groups
from ._checks import check_cause, check_probability, check_risk, check_times
from ._incidence import pseudo_values


def net_benefit(y_true, y_pred, *, time, threshold, cause=1):
    """Net benefit of treating everyone whose risk reaches a threshold (decision curve).

    The share of true positives minus the share of false positives, weighted by the odds
    of the threshold. Compare it with treating nobody, which has a net benefit of 0, and
    with treating everybody: the same function with a `y_pred` of ones. If the follow-up
    of the treated ends before `time`, their last known incidence is used.

    Parameters
    ----------
    y_true : structured array of shape (n_samples,)
        Fields (event, time). The event may hold 0 for censored and 1, 2, ... for
        competing causes.
    y_pred : array-like of shape (n_samples,)
        Predicted probability of the event by `time`.
    time : float
        Horizon within which the event is to be prevented, in the unit of `y_true`.
    threshold : float or array-like of shape (n_thresholds,)
        Risk at which treatment starts, between 0 and 1.
    cause : int, default=1
        The event that the treatment prevents.

    Returns
    -------
    float or ndarray of shape (n_thresholds,)
        Net true positives per sample. A float if `threshold` is a number.

    Raises
    ------
    ValueError
        If a threshold is not inside (0, 1), or `y_pred` holds no probabilities.

    References
    ----------
    Vickers et al. (2008), BMC Medical Informatics and Decision Making 8, 53.

    Examples
    --------
    >>> from sksurv.util import Surv
    >>> from ecgdan_sk.metrics import net_benefit
    >>> y = Surv.from_arrays([True, True, False, False], [1.0, 2.0, 3.0, 4.0])
    >>> net_benefit(y, [0.9, 0.1, 0.3, 0.1], time=2.5, threshold=0.2)
    0.1875
    """
    causes, times = check_cause(y_true, cause)
    horizon = check_times(time, times)[0]
    risk = check_probability(y_pred, times.shape, "probabilities of the event")
    thresholds = np.atleast_1d(np.asarray(threshold, dtype=np.float64))
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError(f"Expected thresholds inside (0, 1), got {threshold}.")
    benefit = np.zeros(len(thresholds))
    for k, cut in enumerate(thresholds):
        treated = risk >= cut
        if treated.any():
            incidence, _ = pseudo_values(
                causes[treated], times[treated], horizon, cause
            )
            odds = cut / (1 - cut)
            benefit[k] = treated.mean() * (incidence - (1 - incidence) * odds)
    return benefit if np.ndim(threshold) else float(benefit[0])


class HighRiskGroup(NamedTuple):
    """The samples of highest risk against the others, as `high_risk_group` returns it.

    Attributes
    ----------
    hazard_ratio, low, high : float
        Hazard ratio of the group, and its confidence interval.
    p_value : float
        p-value of the log-rank test; with `groups`, of the robust Wald test.
    cutoff : float
        A sample belongs to the group if its risk is at least this.
    n_samples, n_events : int
        Size of the group.
    """

    hazard_ratio: float
    low: float
    high: float
    p_value: float
    cutoff: float
    n_samples: int
    n_events: int


def high_risk_group(
    y_true, y_pred, *, quantile=0.9, groups=None, confidence_level=0.95
):
    """Hazard ratio and log-rank test of the samples of highest risk.

    Parameters
    ----------
    y_true : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    y_pred : array-like of shape (n_samples,)
        Predicted risk, on any scale.
    quantile : float, default=0.9
        Quantile of the risks at which the group begins: 0.9 takes the top tenth.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each sample, if patients have several samples. None means that each
        sample is a patient.
    confidence_level : float, default=0.95
        Coverage of the interval of the hazard ratio.

    Returns
    -------
    HighRiskGroup
        Hazard ratio by Cox's model with Efron's ties, Wald interval, p-value. With
        `groups` the variance is that of Lin and Wei, summed over patients.

    Raises
    ------
    ValueError
        If one of the two groups is empty or without events.

    References
    ----------
    Cox (1972), Journal of the Royal Statistical Society B 34, 187-220; Efron (1977),
    Journal of the American Statistical Association 72, 557-565; Lin and Wei (1989),
    Journal of the American Statistical Association 84, 1074-1078.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from ecgdan_sk.metrics import high_risk_group
    >>> X, y = load_whas500()
    >>> round(high_risk_group(y, X["age"], quantile=0.75).hazard_ratio, 2)
    3.52
    """
    event, time = check_survival(y_true)
    risk = check_risk(y_pred, len(time))
    if not 0 < quantile < 1:
        raise ValueError(f"Expected a quantile inside (0, 1), got {quantile}.")
    cutoff = np.quantile(risk, quantile)
    high = risk >= cutoff
    n_events = [int((event & group).sum()) for group in (high, ~high)]
    if not all(n_events):
        raise ValueError(
            f"Of {high.sum()} samples at or above the risk {cutoff:.3g} {n_events[0]} "
            f"had the event, and of {(~high).sum()} below it {n_events[1]}; a hazard "
            "ratio needs events in both. Choose another quantile."
        )
    log_ratio, error, residuals = _log_hazard_ratio(event, time, high)
    if groups is None:
        _, p_value = compare_survival(Surv.from_arrays(event, time), high)
    else:
        check_consistent_length(time, groups)
        moved = error**2 * np.bincount(patient_groups(groups), residuals)
        error = np.sqrt((moved**2).sum() * len(moved) / (len(moved) - 1))
        p_value = 2 * norm.sf(abs(log_ratio) / error)
    width = norm.ppf((1 + confidence_level) / 2) * error
    return HighRiskGroup(
        *(float(np.exp(log_ratio + shift)) for shift in (0, -width, width)),
        p_value=float(p_value),
        cutoff=float(cutoff),
        n_samples=int(high.sum()),
        n_events=n_events[0],
    )


def _log_hazard_ratio(event, time, group):
    """Log hazard ratio of a group, its standard error, and the score residuals.

    With Efron's ties; tied events share their residuals.
    """
    events, n_tied = np.unique(time[event], return_counts=True)
    in_group = np.sort(time[event & group])
    d_group = np.diff(np.searchsorted(in_group, np.append(events, np.inf)))
    n_all, n_group = (
        len(times) - np.searchsorted(np.sort(times), events)
        for times in (time, time[group])
    )
    # One row for each event; the k-th of d tied ones has left by k / d.
    row = np.repeat(np.arange(len(events)), n_tied)
    left = (np.arange(len(row)) - (np.cumsum(n_tied) - n_tied)[row]) / n_tied[row]
    inside = n_group[row] - left * d_group[row]
    outside = n_all[row] - left * n_tied[row] - inside

    def share(log_ratio):
        return inside * np.exp(log_ratio) / (inside * np.exp(log_ratio) + outside)

    def score(log_ratio):
        return len(in_group) - share(log_ratio).sum()

    if score(-30) <= 0 or score(30) >= 0:
        raise ValueError(
            "The hazard ratio has no finite estimate: the events of one group all come "
            "before or after those of the other. Choose another quantile."
        )
    log_ratio = root_scalar(score, bracket=(-30, 30), xtol=1e-12).root
    p = share(log_ratio)
    hazard = 1 / (inside * np.exp(log_ratio) + outside)
    # Up to each time: the cumulative hazard, and the same weighed by the shares.
    passed = np.append(0, np.cumsum(n_tied))[np.searchsorted(events, time, "right")]
    total, of_group = (np.append(0, np.cumsum(h))[passed] for h in (hazard, hazard * p))
    own = np.append(np.bincount(row, p) / n_tied, 0)[np.searchsorted(events, time)]
    relative = np.exp(log_ratio * group)
    residuals = event * (group - own) - relative * (group * total - of_group)
    return log_ratio, 1 / np.sqrt((p * (1 - p)).sum()), residuals

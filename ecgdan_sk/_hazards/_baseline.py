"""Baseline hazard of a Cox model, estimated after training."""

import numpy as np
import torch

from ..losses._risk_sets import RiskSets


class BreslowBaseline:
    """Breslow's cumulative baseline hazard, a step function of time.

    Attributes
    ----------
    times_ : ndarray of shape (n_times,)
        Distinct event times, in the unit of the target.
    cumulative_hazard_ : ndarray of shape (n_times,)
        Hazard accumulated up to and including each time, for a log risk of 0.

    References
    ----------
    Breslow (1972), discussion of Cox, "Regression models and life-tables", JRSS B.
    """

    def fit(self, log_risk, event, time, *, sample_weight=None, entry=None):
        """Estimate from log risks (n_samples,) and their outcomes.

        A weight counts as a number of copies. A sample is at risk after its `entry`.
        """
        weight = np.ones(len(time)) if sample_weight is None else sample_weight
        self.times_, place = np.unique(time[event & (weight > 0)], return_inverse=True)
        n_events = np.bincount(
            place, weight[event & (weight > 0)], minlength=len(self.times_)
        )
        with np.errstate(divide="ignore"):
            log_weighted = log_risk.astype(np.float64) + np.log(weight)
        at_risk = _log_at_risk(log_weighted, time, entry, self.times_)
        self.cumulative_hazard_ = np.exp(np.log(n_events) - at_risk).cumsum()
        return self

    def cumulative_hazard(self, log_risk, times=None):
        """Hazards of shape (n_samples, n_times), by default at `times_`."""
        steps = np.concatenate([[0.0], self.cumulative_hazard_])
        times = self.times_ if times is None else times
        baseline = steps[np.searchsorted(self.times_, times, side="right")]
        return np.exp(log_risk)[:, None] * baseline


class BaselineHazards:
    """Breslow's baselines of each cause: over all samples, and within each stratum.

    Attributes
    ----------
    times_ : ndarray of shape (n_times,)
        Distinct times of events of any cause, in the unit of the target.
    pooled_ : list of BreslowBaseline
        Baseline of each cause over all samples.
    by_stratum_ : dict
        Stratum to such a list; empty where there are no strata.
    """

    def fit(self, log_risks, outcome):
        """Estimate from log risks of shape (n_samples, n_causes) and their outcome."""
        self.pooled_ = _of_causes(log_risks, outcome)
        self.times_ = np.unique(np.concatenate([b.times_ for b in self.pooled_]))
        strata = [] if outcome.strata is None else np.unique(outcome.strata)
        self.by_stratum_ = {
            stratum: _of_causes(log_risks[inside], outcome[inside])
            for stratum, inside in ((s, outcome.strata == s) for s in strata)
        }
        return self

    def cumulative_hazards(self, log_risks, times, strata=None):
        """Hazards of shape (n_samples, n_causes, n_times); without strata, pooled."""
        if strata is None:
            return self._hazards(self.pooled_, log_risks, times)
        strata = self._checked(strata, len(log_risks))
        hazards = np.empty((*log_risks.shape, len(times)))
        for stratum in np.unique(strata):
            inside = strata == stratum
            baselines = self.by_stratum_[stratum]
            hazards[inside] = self._hazards(baselines, log_risks[inside], times)
        return hazards

    def _hazards(self, baselines, log_risks, times):
        columns = zip(baselines, log_risks.T)
        return np.stack([b.cumulative_hazard(r, times) for b, r in columns], axis=1)

    def _checked(self, strata, n_samples):
        """Strata that were seen in `fit`, one for each sample."""
        strata = np.asarray(strata)
        unknown = set(np.unique(strata)) - set(self.by_stratum_)
        if strata.shape != (n_samples,) or unknown:
            raise ValueError(
                f"Expected for each of the {n_samples} samples one of the strata seen "
                f"in fit, {list(self.by_stratum_)}, got strata of shape {strata.shape} "
                f"with {sorted(unknown)} among them. Leave strata out for the baseline "
                "of all samples."
            )
        return strata


def _log_at_risk(log_x, time, entry, at):
    """Log of the sum of exp(log_x) over everyone at risk at each of the times `at`."""
    entry = None if entry is None else torch.from_numpy(entry)
    risk_sets = RiskSets(torch.from_numpy(time), entry=entry)
    sums = risk_sets.log_at_risk(torch.from_numpy(log_x)[risk_sets.order])
    # There is one for each distinct time, as times fall.
    return sums.numpy()[::-1][np.searchsorted(np.unique(time), at)]


def _of_causes(log_risks, outcome):
    """The baseline of each cause."""
    return [
        BreslowBaseline().fit(
            log_risk,
            outcome.causes == cause,
            outcome.time,
            sample_weight=outcome.sample_weight,
            entry=outcome.entry,
        )
        for cause, log_risk in enumerate(log_risks.T, start=1)
    ]

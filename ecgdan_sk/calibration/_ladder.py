"""The steps of recalibration, and the likelihood of the events with each."""

import numpy as np

LADDER = ("none", "in-the-large", "slope", "baseline")
_N_PERIODS = 4  # in which the shape of the baseline hazard is compared


class Ladder:
    """Poisson models of the events, given the cumulative hazards that were predicted.

    Each sample is split into periods. The events of a period are Poisson with its
    predicted hazard, times the factors that a step of the ladder may change.
    """

    def __init__(self, log_risk, curves, outcome):
        event, time = outcome.causes > 0, outcome.time
        end = np.minimum(time, [curve.x[-1] for curve in curves])
        # An event after the end of the curves was not predicted.
        event = event & (time <= end)
        # Nothing was expected of a sample before it was at risk.
        start = 0 * time if outcome.entry is None else np.minimum(outcome.entry, end)
        cuts = np.quantile(time[event], np.linspace(0, 1, _N_PERIODS + 1)[1:-1])
        edges = np.concatenate([[-np.inf], np.unique(cuts), [np.inf]])
        hazards = [
            hazards_of([curve], np.clip(edges, *span))[0]
            for curve, span in zip(curves, zip(start, end))
        ]
        self.expected = np.diff(hazards, axis=1)
        period = np.searchsorted(edges[1:], time, side="left")
        self.observed = np.zeros_like(self.expected)
        self.observed[np.flatnonzero(event), period[event]] = 1
        self.log_risk = log_risk
        self._fits = {}

    def n_coefficients(self, step):
        """Number of coefficients that a step may change."""
        n_periods = self.expected.shape[1]
        return {"none": 0, "in-the-large": 1, "slope": 2, "baseline": n_periods + 1}[
            step
        ]

    def coefficients(self, step):
        """Log of the factor, and the slope."""
        return self._fit(step)[:2]

    def log_likelihood(self, step):
        """Poisson log-likelihood, without terms that are equal for all steps."""
        return self._fit(step)[2]

    def _fit(self, step):
        if step not in self._fits:
            self._fits[step] = self._maximised(step)
        return self._fits[step]

    def _maximised(self, step):
        """Newton's method in the slope; the factors follow from it."""
        if step in ("none", "in-the-large"):
            change = 0.0
        else:
            change = self._steepest(step == "baseline")
        log_factors = self._log_factors(change, step)
        eta = log_factors + change * self.log_risk[:, None]
        value = (self.observed * eta).sum() - (self.expected * np.exp(eta)).sum()
        return float(log_factors.mean()), 1.0 + change, float(value)

    def _log_factors(self, change, step):
        """Log of observed over expected events, of each period or of all."""
        if step == "none":
            return np.zeros(self.expected.shape[1])
        expected = (self.expected * np.exp(change * self.log_risk)[:, None]).sum(axis=0)
        observed = self.observed.sum(axis=0)
        if step != "baseline":
            observed, expected = np.full(
                (2, len(observed)), [[observed.sum()], [expected.sum()]]
            )
        return np.log(observed) - np.log(expected)

    def _steepest(self, by_period):
        """Change of the slope at which the profile likelihood is highest."""
        observed = self.observed if by_period else self.observed.sum(1, keepdims=True)
        expected = self.expected if by_period else self.expected.sum(1, keepdims=True)
        change, risk = 0.0, self.log_risk[:, None]
        for _ in range(50):
            weight = expected * np.exp(change * risk)
            total = weight.sum(axis=0)
            mean = (weight * risk).sum(axis=0) / total
            spread = (weight * risk**2).sum(axis=0) / total - mean**2
            n_events = observed.sum(axis=0)
            step = ((observed * risk).sum() - n_events @ mean) / (n_events @ spread)
            change += np.clip(step, -1, 1)
            if abs(step) < 1e-10:
                break
        return float(change)


def hazards_of(curves, times):
    """Cumulative hazards (n_samples, n_times) of curves, held at their ends."""
    survival = [
        np.where(
            times < curve.x[0], 1.0, curve(np.clip(times, curve.x[0], curve.x[-1]))
        )
        for curve in curves
    ]
    return -np.log(np.maximum(survival, 1e-12))

"""What a Cox model leaves open: the baseline hazard, estimated after training."""

import numpy as np
from sksurv.functions import StepFunction


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

    def fit(self, log_risk, event, time):
        """Estimate from the log risks, of shape (n_samples,), of the training ECGs."""
        self.times_, n_events = np.unique(time[event], return_counts=True)
        order = np.argsort(time)
        # In log space: the sum over everyone still at risk, for each sample.
        at_risk = np.logaddexp.accumulate(log_risk[order].astype(np.float64)[::-1])[
            ::-1
        ]
        first_at_risk = np.searchsorted(time[order], self.times_)
        steps = np.log(n_events) - at_risk[first_at_risk]
        self.cumulative_hazard_ = np.exp(steps).cumsum()
        return self

    def cumulative_hazard(self, log_risk):
        """Hazards of shape (n_samples, n_times), at `times_`."""
        return np.exp(log_risk)[:, None] * self.cumulative_hazard_


class HeldStepFunction(StepFunction):
    """A step function of time from 0 on, which holds its value past the last step."""

    def __call__(self, x):
        """Value at each of the times `x`."""
        return super().__call__(np.minimum(x, self.x[-1]))


def step_functions(times, values, start):
    """One function for each row of `values`, `start` until the first of `times`."""
    times, curves = np.insert(times, 0, 0.0), np.empty(len(values), dtype=object)
    for i, row in enumerate(np.insert(values, 0, start, axis=1)):
        curves[i] = HeldStepFunction(times, row)
    return curves

"""Survival over time, as predicted: the methods that survival estimators share."""

import numpy as np
from sklearn.utils.validation import check_is_fitted
from sksurv.functions import StepFunction


class SurvivalCurves:
    """Mixin for survival curves and their summaries, from cumulative hazards.

    An estimator that inherits this has `unique_times_`, the times where its curves
    step, `follow_up_`, the end of follow-up seen in `fit`, and a method
    `_cumulative_hazards(X, times, strata)` -> (n_samples, n_causes, n_times).
    """

    def predict_cumulative_hazard_function(
        self, X, return_array=False, *, strata=None, entry=None
    ):
        """Cumulative hazard of each sample over time; of competing causes, their sum.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        return_array : bool, default=False
            Whether to return an array over `unique_times_`.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, whose baseline hazard is used. None uses that of all
            training samples.
        entry : array-like of shape (n_samples,) or None, default=None
            Time at which each sample is known to be without event, such as the age at
            the ECG where time is age: what follows is given that. None is the start.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_unique_times)
            Step functions of time, or their values at `unique_times_`. A step function
            is 0 before the first event and holds its value past the last.
        """
        check_is_fitted(self)
        hazard = self._hazards_since(X, self.unique_times_, strata, entry).sum(1)
        if return_array:
            return hazard
        return step_functions(self.unique_times_, hazard, start=0)

    def predict_survival_function(
        self, X, return_array=False, *, strata=None, entry=None
    ):
        """Probability of no event, of any cause, up to each time.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        return_array : bool, default=False
            Whether to return an array over `unique_times_`.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, as for `predict_cumulative_hazard_function`.
        entry : array-like of shape (n_samples,) or None, default=None
            Time at which each sample is known to be without event, such as the age at
            the ECG where time is age: what follows is given that. None is the start.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_unique_times)
            Step functions of time, or their values at `unique_times_`. A step function
            is 1 before the first event and holds its value past the last.
        """
        check_is_fitted(self)
        survival = self.predict_survival_at(
            X, self.unique_times_, strata=strata, entry=entry
        )
        if return_array:
            return survival
        return step_functions(self.unique_times_, survival, start=1)

    def predict_survival_at(self, X, times, *, strata=None, entry=None):
        """Probability of no event, of any cause, up to each of the given times.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        times : float or array-like of shape (n_times,)
            From 0 to the end of the follow-up seen in `fit`, in the unit of its target.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, as for `predict_cumulative_hazard_function`.
        entry : array-like of shape (n_samples,) or None, default=None
            Time at which each sample is known to be without event, such as the age at
            the ECG where time is age: what follows is given that. None is the start.

        Returns
        -------
        ndarray of shape (n_samples, n_times), or (n_samples,) for one time
            Between 0 and 1.

        Raises
        ------
        ValueError
            If a time lies beyond the follow-up.
        """
        check_is_fitted(self)
        at = self._checked_times(times)
        survival = np.exp(-self._hazards_since(X, at, strata, entry).sum(1))
        return survival if np.ndim(times) else survival[:, 0]

    def predict_risk(self, X, time, *, strata=None, entry=None):
        """Probability of the event, of the first cause if several, by a time.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        time : float or array-like of shape (n_times,)
            From 0 to the end of the follow-up seen in `fit`, in the unit of its target.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, as for `predict_cumulative_hazard_function`.
        entry : array-like of shape (n_samples,) or None, default=None
            Time at which each sample is known to be without event, such as the age at
            the ECG where time is age: what follows is given that. None is the start.

        Returns
        -------
        ndarray of shape (n_samples, n_times), or (n_samples,) for one time
            Between 0 and 1. With one cause it is 1 - `predict_survival_at`, with
            several the cumulative incidence of the first.

        Raises
        ------
        ValueError
            If a time lies beyond the follow-up.
        """
        times = np.atleast_1d(np.asarray(time, dtype=np.float64))
        risk = self.predict_cumulative_incidence(X, times, strata=strata, entry=entry)[
            :, 0
        ]
        return risk if np.ndim(time) else risk[:, 0]

    def predict_median_survival_time(self, X, *, strata=None):
        """Time at which half of the patients like this one have had an event.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, as for `predict_cumulative_hazard_function`.

        Returns
        -------
        ndarray of shape (n_samples,)
            In the unit of the target; infinite where more than half are without event
            at the end of follow-up.
        """
        survival = self.predict_survival_function(X, return_array=True, strata=strata)
        is_past = survival <= 0.5
        times = self.unique_times_[is_past.argmax(1)]
        return np.where(is_past.any(1), times, np.inf)

    def predict_cumulative_incidence(self, X, times=None, *, strata=None, entry=None):
        """Probability of an event of each cause up to each time, given the others.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        times : array-like of shape (n_times,) or None, default=None
            From 0 to the end of the follow-up seen in `fit`, in the unit of its target.
            None means `unique_times_`.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, as for `predict_cumulative_hazard_function`.
        entry : array-like of shape (n_samples,) or None, default=None
            Time at which each sample is known to be without event, such as the age at
            the ECG where time is age: what follows is given that. None is the start.

        Returns
        -------
        ndarray of shape (n_samples, n_causes, n_times)
            Their sum over the causes and the survival add up to one.

        References
        ----------
        Aalen and Johansen (1978), Scandinavian Journal of Statistics 5, 141-150; with
        covariates Cheng, Fine and Wei (1998), Biometrics 54, 219-228.
        """
        check_is_fitted(self)
        if times is None:
            return _incidence(self._hazards_since(X, self.unique_times_, strata, entry))
        at = self._checked_times(times)
        grid = np.union1d(self.unique_times_, at)
        incidence = _incidence(self._hazards_since(X, grid, strata, entry))
        return incidence[:, :, np.searchsorted(grid, at)]

    def _hazards_since(self, X, times, strata, entry):
        """Cumulative hazards (n_samples, n_causes, n_times), counted from the entry."""
        if entry is None:
            return self._cumulative_hazards(X, times, strata)
        entry = self._checked_times(entry)
        if len(entry) != len(X):
            raise ValueError(
                f"Expected entry of shape ({len(X)},), one for each sample, got "
                f"{entry.shape}."
            )
        grid = np.union1d(times, entry)
        hazards = self._cumulative_hazards(X, grid, strata)
        own = np.searchsorted(grid, entry)[:, None, None]
        since = hazards - np.take_along_axis(hazards, own, axis=2)
        return np.maximum(since[:, :, np.searchsorted(grid, times)], 0.0)

    def _checked_times(self, times):
        """Times of shape (n_times,) within the follow-up."""
        at = np.atleast_1d(np.asarray(times, dtype=np.float64))
        if at.ndim != 1:
            raise ValueError(f"Expected times of shape (n_times,), got {at.shape}.")
        outside = ~((at >= 0) & (at <= self.follow_up_))
        if outside.any():
            raise ValueError(
                f"Cannot predict at time {at[outside][0]:g}: the follow-up seen in fit "
                f"runs from 0 to {self.follow_up_:g}. Ask for times within it."
            )
        return at


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


def _incidence(hazards):
    """Cumulative incidences from cumulative hazards (n_samples, n_causes, n_times).

    Within a step the causes share the events as they share the hazard, and survival is
    the exponential of the hazard: so the whole is 1 however steep the step.
    """
    steps = np.diff(hazards, prepend=0.0)
    total = steps.sum(1, keepdims=True)
    before = np.exp(total - total.cumsum(-1))
    share = np.divide(steps, total, where=total > 0, out=np.zeros_like(steps))
    return (before * -np.expm1(-total) * share).cumsum(-1)

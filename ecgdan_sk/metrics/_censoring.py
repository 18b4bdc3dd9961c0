"""The distribution of the censoring times, kept by `fit` for the scores."""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sksurv.nonparametric import kaplan_meier_estimator

from .._outcomes import check_survival


class CensoringKaplanMeier:
    """Kaplan-Meier estimate of the time to censoring.

    Holds the curve alone, no individual follow-up, so that a model can be shared.

    Attributes
    ----------
    times_ : ndarray of shape (n_times,)
        Distinct censoring times, in the unit of the target.
    survival_ : ndarray of shape (n_times,)
        Probability of not being censored up to and including each time.
    end_ : float
        Last observed time at which that probability is positive; 0 if there is none.
        No score that weighs by it is defined later.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.metrics import CensoringKaplanMeier
    >>> event, time = np.array([True, False, True]), np.array([1.0, 2.0, 3.0])
    >>> CensoringKaplanMeier().fit(event, time).survival([1.0, 2.5])
    array([1. , 0.5])
    """

    def fit(self, event, time):
        """Estimate the curve.

        Parameters
        ----------
        event : array-like of shape (n_samples,)
            Whether, or of which cause, the event came; False or 0 means censored.
        time : array-like of shape (n_samples,)
            When, in the unit of the target.

        Returns
        -------
        CensoringKaplanMeier
            Itself.
        """
        event = np.asarray(event) != 0
        time = np.asarray(time, dtype=np.float64)
        # Events leave before the samples that are censored at the same time.
        observed, survival = kaplan_meier_estimator(event, time, reverse=True)
        is_censoring = np.isin(observed, time[~event])
        self.times_, self.survival_ = observed[is_censoring], survival[is_censoring]
        self.end_ = float(observed[survival > 0].max(initial=0.0))
        return self

    def survival(self, times):
        """Probability of not being censored up to and including each time.

        Parameters
        ----------
        times : array-like of shape (n_times,)
            Any times; after the last known one the curve is held.

        Returns
        -------
        ndarray of shape (n_times,)
        """
        steps = np.concatenate([[1.0], self.survival_])
        return steps[np.searchsorted(self.times_, times, side="right")]

    def weights(self, times, needed):
        """Inverse probabilities of not being censored.

        Parameters
        ----------
        times : array-like of shape (n_samples,)
            When each sample is needed.
        needed : ndarray of bool of shape (n_samples,)
            Which samples are.

        Returns
        -------
        ndarray of shape (n_samples,)
            0 for samples that are not needed.

        Raises
        ------
        ValueError
            If a sample is needed after the curve has ended.
        """
        times = np.asarray(times, dtype=np.float64)
        late = np.flatnonzero(needed & (times > self.end_))
        if late.size:
            raise ValueError(
                f"The censoring distribution is known up to time {self.end_:g}, but "
                f"{late.size} samples are needed later; the first is sample {late[0]} "
                f"at time {times[late[0]]:g}. Score at earlier times (tau, times), "
                "or estimate the censoring from longer follow-up; survival_scorers "
                "truncates by itself."
            )
        return np.divide(needed, self.survival(times), where=needed, out=0.0 * times)


def as_censoring(censoring, y_true):
    """The fitted curve that a metric was given: itself, of a target, or of `y_true`."""
    if isinstance(censoring, CensoringKaplanMeier):
        return censoring
    return CensoringKaplanMeier().fit(
        *check_survival(y_true if censoring is None else censoring)
    )


def _has(name):
    """Check for `available_if`: the wrapped estimator has the method."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


class WithCensoring(MetaEstimatorMixin, BaseEstimator):
    """Any survival estimator, with the censoring curve of its training set kept.

    `survival_scorers` needs that curve. The estimators of this package keep it
    themselves; others, such as scikit-survival's, are wrapped in this.

    Parameters
    ----------
    estimator : object
        Survival estimator, or a pipeline that ends in one; cloned before `fit`.

    Attributes
    ----------
    estimator_ : object
        The fitted estimator.
    censoring_ : CensoringKaplanMeier
        Censoring distribution of the training set.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.metrics import WithCensoring
    >>> X, y = load_whas500()
    >>> model = WithCensoring(CoxPHSurvivalAnalysis()).fit(X.astype(float), y)
    >>> model.predict(X.astype(float)).shape
    (500,)
    """

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y, **fit_params):
        """Fit the estimator and the censoring curve.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        **fit_params : dict
            Passed to the estimator's `fit`.

        Returns
        -------
        WithCensoring
            Itself.
        """
        self.censoring_ = CensoringKaplanMeier().fit(*check_survival(y))
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        return self

    @available_if(_has("predict"))
    def predict(self, X):
        """Predict the risk.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of shape (n_samples,)
            On the scale of the estimator.
        """
        return self.estimator_.predict(X)

    @available_if(_has("predict_survival_function"))
    def predict_survival_function(self, X, **params):
        """Survival functions, as the estimator predicts them.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        **params : dict
            Passed to the estimator.

        Returns
        -------
        ndarray
            StepFunctions, or values with `return_array=True`.
        """
        return self.estimator_.predict_survival_function(X, **params)

    @available_if(_has("predict_cumulative_hazard_function"))
    def predict_cumulative_hazard_function(self, X, **params):
        """Cumulative hazards, as the estimator predicts them.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        **params : dict
            Passed to the estimator.

        Returns
        -------
        ndarray
            StepFunctions, or values with `return_array=True`.
        """
        return self.estimator_.predict_cumulative_hazard_function(X, **params)

    @available_if(_has("score"))
    def score(self, X, y):
        """Score of the estimator itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time).

        Returns
        -------
        float
        """
        return self.estimator_.score(X, y)

    def __sklearn_tags__(self):
        """Tags of the wrapped estimator."""
        return get_tags(self.estimator)

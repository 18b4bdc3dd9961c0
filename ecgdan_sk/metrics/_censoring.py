"""The distribution of the censoring times, kept by `fit` for the scores."""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._outcomes import check_survival


class CensoringKaplanMeier:
    """Kaplan-Meier estimate of the time to censoring.

    It holds only the curve and no individual follow-up, so that a model can be shared.

    Attributes
    ----------
    times_ : ndarray of shape (n_times,)
        Distinct censoring times, in the unit of the target.
    survival_ : ndarray of shape (n_times,)
        Probability of not being censored up to and including each time.
    end_ : float
        Last observed time at which that probability is positive; 0 if there is none.
    since_entry_ : bool
        Whether the times count from the entry of each sample.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.metrics import CensoringKaplanMeier
    >>> event, time = np.array([True, False, True]), np.array([1.0, 2.0, 3.0])
    >>> CensoringKaplanMeier().fit(event, time).survival([1.0, 2.5])
    array([1. , 0.5])
    """

    # Curves that were saved before they could be.
    since_entry_ = False

    def fit(self, event, time, entry=None):
        """Estimate the curve.

        Parameters
        ----------
        event : array-like of shape (n_samples,)
            Whether the event happened, or its cause; False or 0 means censored.
        time : array-like of shape (n_samples,)
            Time of the event or of censoring, in the unit of the target.
        entry : array-like of shape (n_samples,) or None, default=None
            Start of observation of each sample. Censoring is taken to depend on the
            time since entry: a study ends some years after recruitment, not at an age.
            None means 0.

        Returns
        -------
        CensoringKaplanMeier
            Itself.
        """
        event = np.asarray(event) != 0
        time = np.asarray(time, dtype=np.float64)
        self.since_entry_ = entry is not None
        if self.since_entry_:
            time = since(entry, time)
        observed, place = np.unique(time, return_inverse=True)
        n_events, n_censored = (np.bincount(place, w) for w in (event, ~event))
        # Events leave before the samples that are censored at the same time.
        n_at_risk = len(time) - np.cumsum(n_events + n_censored) + n_censored
        hazard = n_censored / np.maximum(n_at_risk, 1)
        survival, is_censoring = np.cumprod(1 - hazard), n_censored > 0
        self.times_, self.survival_ = observed[is_censoring], survival[is_censoring]
        self.end_ = float(observed[survival > 0].max(initial=0.0))
        return self

    def survival(self, times, *, before=False):
        """Probability of not being censored up to each time.

        Parameters
        ----------
        times : array-like of shape (n_times,)
            Any times; after its last step the curve stays constant.
        before : bool, default=False
            Whether a sample censored exactly at the time still counts as not censored.

        Returns
        -------
        ndarray of shape (n_times,)
        """
        steps = np.concatenate([[1.0], self.survival_])
        side = "left" if before else "right"
        return steps[np.searchsorted(self.times_, times, side=side)]

    def weights(self, times, needed, *, before=True):
        """Inverse probabilities of not being censored.

        An event is seen if censoring does not come before it, so its weight takes the
        curve just before its time (Graf et al., 1999). A sample without event at a time
        is seen if its censoring comes later.

        Parameters
        ----------
        times : array-like of shape (n_samples,)
            Time at which each sample is needed.
        needed : ndarray of bool of shape (n_samples,)
            Which samples are needed.
        before : bool, default=True
            True if the samples have their event at these times; False if they are
            followed beyond these times.

        Returns
        -------
        ndarray of shape (n_samples,)
            Weights; 0 for samples that are not needed.

        Raises
        ------
        ValueError
            If a sample is needed after the end of the curve.
        """
        times = np.asarray(times, dtype=np.float64)
        late = np.flatnonzero(needed & ~self.knows(times, before=before))
        if late.size:
            raise ValueError(
                f"The censoring distribution is known up to time {self._last:g}, but "
                f"{late.size} samples are needed later; the first is sample {late[0]} "
                f"at time {times[late[0]]:g}. Score at earlier times (tau, times), "
                "or estimate the censoring from longer follow-up; survival_scorers "
                "truncates by itself."
            )
        uncensored = self.survival(times, before=before)
        return np.divide(needed, uncensored, where=needed, out=0.0 * times)

    def knows(self, times, *, before=True):
        """Whether there is a weight at each time, see `weights`.

        Parameters
        ----------
        times : ndarray
            When.
        before : bool, default=True
            True for an event at the time; False for follow-up beyond it.

        Returns
        -------
        ndarray of bool
            In the shape of `times`.
        """
        return (times <= self._last) & (self.survival(times, before=before) > 0)

    @property
    def _last(self):
        """Longest time observed."""
        return max(self.end_, self.times_.max(initial=0.0))

    def weights_at(self, at, event, time, entry=None):
        """Weights of samples with the event by a time, and of samples without it then.

        Samples that were seen stand for similar samples that were censored. Both kinds
        of weights together add up to about the number of samples.

        Parameters
        ----------
        at : float
            The time.
        event, time : ndarray of shape (n_samples,)
            Event and time of each sample; False means censored.
        entry : ndarray of shape (n_samples,) or None, default=None
            Start of observation of each sample. Samples that entered later than `at`,
            or too early to be followed until `at`, have weight 0.

        Returns
        -------
        cases, controls : ndarray of shape (n_samples,)
            0 for all others.

        Raises
        ------
        ValueError
            If the curve ends before `at`.
        """
        lag, counts = np.full(len(time), float(at)), np.ones(len(time), bool)
        if entry is not None:
            counts = self.reach(at, entry)
            lag, time = since(entry, lag), since(entry, time)
        cases = self.weights(time, counts & event & (time <= lag))
        return cases, self.weights(lag, counts & (time > lag), before=False)

    def reach(self, at, entry):
        """Samples that came under observation before a time, and not too early for it.

        Parameters
        ----------
        at : float
            The time.
        entry : ndarray of shape (n_samples,)
            Start of observation of each sample.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
            Also False if nobody was followed for as long as from the entry to `at`.
        """
        lag = since(entry, at)
        return (lag > 0) & self.knows(lag, before=False)


def since(entry, time):
    """Time under observation; rounded, or equal durations would differ by rounding."""
    return np.round(time - np.asarray(entry, dtype=np.float64), 6)


def as_censoring(censoring, y_true, entry=None):
    """The fitted curve that a metric was given: itself, of a target, or of `y_true`."""
    if censoring is None:
        return CensoringKaplanMeier().fit(*check_survival(y_true), entry)
    if not isinstance(censoring, CensoringKaplanMeier):
        censoring = CensoringKaplanMeier().fit(*check_survival(censoring))
    if censoring.since_entry_ != (entry is not None):
        known = "with" if censoring.since_entry_ else "without"
        raise ValueError(
            f"The censoring distribution was estimated {known} times of entry, but the "
            f"samples are scored {'without' if entry is None else 'with'} them. Pass "
            "entry to both: CensoringKaplanMeier().fit(event, time, entry), and the "
            "score's entry."
        )
    return censoring


def _has(name):
    """Check for `available_if`: the wrapped estimator has the method."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


class WithCensoring(MetaEstimatorMixin, BaseEstimator):
    """Any survival estimator, together with the censoring curve of its training set.

    `survival_scorers` needs that curve. The estimators of this package keep it; wrap
    others, such as those of scikit-survival, in this class.

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

    def fit(self, X, y, *, entry=None, **fit_params):
        """Fit the estimator and the censoring curve.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the estimator.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        entry : array-like of shape (n_samples,) or None, default=None
            Start of observation of each sample; it is also passed to `fit` of the
            estimator. None passes nothing.
        **fit_params : dict
            Passed to the estimator's `fit`.

        Returns
        -------
        WithCensoring
            Itself.
        """
        if entry is not None:
            fit_params["entry"] = entry
        self.censoring_ = CensoringKaplanMeier().fit(*check_survival(y), entry)
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        return self

    @available_if(_has("predict"))
    def predict(self, X):
        """Predict the risk.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the estimator.

        Returns
        -------
        ndarray of shape (n_samples,)
            On the scale of the estimator.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_has("predict_survival_function"))
    def predict_survival_function(self, X, **params):
        """Survival functions, as the estimator predicts them.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the estimator.
        **params : dict
            Passed to the estimator.

        Returns
        -------
        ndarray
            StepFunctions, or values with `return_array=True`.
        """
        check_is_fitted(self)
        return self.estimator_.predict_survival_function(X, **params)

    @available_if(_has("predict_cumulative_hazard_function"))
    def predict_cumulative_hazard_function(self, X, **params):
        """Cumulative hazards, as the estimator predicts them.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the estimator.
        **params : dict
            Passed to the estimator.

        Returns
        -------
        ndarray
            StepFunctions, or values with `return_array=True`.
        """
        check_is_fitted(self)
        return self.estimator_.predict_cumulative_hazard_function(X, **params)

    @available_if(_has("score"))
    def score(self, X, y):
        """Score of the estimator itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the estimator.
        y : structured array of shape (n_samples,)
            Fields (event, time).

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return self.estimator_.score(X, y)

    def __sklearn_tags__(self):
        """Tags of the wrapped estimator."""
        return get_tags(self.estimator)

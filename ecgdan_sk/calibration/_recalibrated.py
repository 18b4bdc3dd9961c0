"""A fitted model at a new site: what has to change, and no more."""

from copy import copy
from numbers import Real

import numpy as np
from scipy.stats import chi2
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._hazards._baseline import BaselineHazards
from .._hazards._curves import SurvivalCurves
from .._outcomes import Outcome, check_same_length, check_survival
from ..metrics import CensoringKaplanMeier, concordance_index
from ._saving import load_around, save_around

_KIND = "RecalibratedSurvival"
LADDER = ("none", "in-the-large", "slope", "baseline")
_N_PERIODS = 4  # in which the shape of the baseline hazard is compared


class RecalibratedSurvival(SurvivalCurves, MetaEstimatorMixin, BaseEstimator):
    """A fitted survival model whose risks are adjusted to the patients of a new site.

    The model itself stays as it is. Up a ladder, its cumulative hazards are kept
    ("none"), multiplied by one number ("in-the-large"), also given another spread of
    the log risks ("slope"), or built on a new baseline hazard ("baseline").

    Parameters
    ----------
    estimator : object
        Fitted survival estimator with `predict` and `predict_survival_function`. It is
        neither cloned nor fitted again.
    method : {"auto", "none", "in-the-large", "slope", "baseline"}, default="auto"
        How far up the ladder to go. "auto" goes no further than closed tests ask for.
    level : float, default=0.05
        Level of these tests: how often they change a model that is right.

    Attributes
    ----------
    method_ : str
        What was done.
    factor_ : float
        What cumulative hazards are multiplied by, at the mean log risk.
    slope_ : float
        What log risks are multiplied by.
    center_ : float
        Mean log risk of the estimator at this site.
    baseline_ : BaselineHazards or None
        The new baseline hazard, with "baseline".
    p_values_ : dict
        Of the tests, by what they would have kept.
    censoring_ : CensoringKaplanMeier
        Distribution of the censoring times, for `survival_scorers`.
    follow_up_ : float
        End of the curves: the longest time seen here and by the estimator.

    References
    ----------
    Vergouwe et al. (2017), Statistics in Medicine 36, 4529-4539 (closed tests);
    Crowson, Atkinson and Therneau (2016), Statistical Methods in Medical Research 25,
    1692-1706 (calibration of hazards by Poisson models); van Houwelingen (2000),
    Statistics in Medicine 19, 3401-3415.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.calibration import RecalibratedSurvival
    >>> X, y = load_whas500()
    >>> X = X.astype(float).to_numpy()
    >>> cox = CoxPHSurvivalAnalysis().fit(X[:250], y[:250])
    >>> RecalibratedSurvival(cox).fit(X[250:], y[250:]).method_
    'baseline'
    """

    _parameter_constraints = {
        "estimator": "no_validation",
        "method": [StrOptions({"auto", *LADDER})],
        "level": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, estimator, *, method="auto", level=0.05):
        self.estimator = estimator
        self.method = method
        self.level = level

    def fit(self, X, y):
        """Adjust the risks to the patients of this site.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            What the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.

        Returns
        -------
        RecalibratedSurvival
            Itself.

        Raises
        ------
        ValueError
            If `y` is not as described, or holds fewer than two events.
        """
        self._validate_params()
        check_same_length(X, y)
        event, time = check_survival(y)
        if event.sum() < 2:
            raise ValueError(
                f"Recalibration needs events, but y holds {event.sum()} among "
                f"n_samples={len(event)}. Collect more."
            )
        risk = np.asarray(self.estimator.predict(X), dtype=np.float64)
        curves = self.estimator.predict_survival_function(X)
        self.center_ = float(risk.mean())
        self.follow_up_ = float(min(time.max(), curves[0].x[-1]))
        ladder = _Ladder(risk - self.center_, curves, event, time)
        self.p_values_ = {}
        self.method_ = self._chosen(ladder) if self.method == "auto" else self.method
        log_factor, self.slope_ = ladder.coefficients(self.method_)
        self.factor_ = float(np.exp(log_factor))
        self.baseline_ = None
        if self.method_ == "baseline":
            log_risk = self.slope_ * (risk - self.center_)
            outcome = Outcome(event.astype(int), time)
            self.baseline_ = BaselineHazards().fit(log_risk[:, None], outcome)
            self.follow_up_ = float(time.max())
        self.times_ = np.unique(time[event])
        self.censoring_ = CensoringKaplanMeier().fit(event, time)
        return self

    def predict(self, X):
        """Log risk at this site: higher means an earlier event.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            What the estimator takes.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log hazard relative to the mean of this site.
        """
        check_is_fitted(self)
        return self.slope_ * (self.estimator.predict(X) - self.center_)

    def score(self, X, y):
        """Concordance index (Harrell's C) of the log risks.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            What the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time).

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance.
        """
        return concordance_index(y, self.predict(X))

    def save(self, path):
        """Write a recalibrated `DualAttentionSurvival` to one file without code.

        Parameters
        ----------
        path : str or path-like
            Of the file, by custom ending in ".safetensors"; replaced as a whole.

        Returns
        -------
        RecalibratedSurvival
            Itself.

        Raises
        ------
        TypeError
            If the estimator is of another class, which has no such file.
        """
        check_is_fitted(self)
        fitted = {n: v for n, v in vars(self).items() if n[-1] == "_"}
        params = {"method": self.method, "level": self.level}
        save_around(path, _KIND, self.estimator, params, fitted)
        return self

    @classmethod
    def load(cls, path):
        """Read a recalibrated model from a file that `save` wrote.

        Parameters
        ----------
        path : str or path-like
            Of the file.

        Returns
        -------
        RecalibratedSurvival
            It predicts bit for bit what the saved one predicts on the same machine.

        Raises
        ------
        ValueError
            If the file is truncated, altered, or of another kind.
        """

        def restored(estimator, params, fitted):
            model = cls(estimator, **params)
            vars(model).update(fitted)
            return model

        return load_around(path, _KIND, restored)

    @property
    def unique_times_(self):
        """Times where the predicted curves are given."""
        if self.baseline_ is not None:
            return self.baseline_.times_
        return self.times_[self.times_ <= self.follow_up_]

    def _cumulative_hazards(self, X, times, strata):
        """Cumulative hazards (n_samples, 1, n_times), for `SurvivalCurves`."""
        log_risk = self.predict(X)
        if self.baseline_ is not None:
            return self.baseline_.cumulative_hazards(log_risk[:, None], times, strata)
        if strata is not None:
            raise ValueError("A recalibrated model has no strata. Leave strata out.")
        before = self.estimator.predict(X) - self.center_
        hazards = _hazards(self.estimator.predict_survival_function(X), times)
        change = self.factor_ * np.exp(log_risk - before)
        return (hazards * change[:, None])[:, None]

    def _chosen(self, ladder):
        """The lowest step that no step above improves, by closed tests."""
        highest = LADDER[-1]
        for step in LADDER[:-1]:
            gain = 2 * (ladder.log_likelihood(highest) - ladder.log_likelihood(step))
            df = ladder.n_coefficients(highest) - ladder.n_coefficients(step)
            self.p_values_[step] = float(chi2.sf(gain, df))
            if self.p_values_[step] > self.level:
                return step
        return highest

    def __sklearn_clone__(self):
        """A copy that holds the same fitted estimator, which a clone would empty."""
        return type(self)(self.estimator, method=self.method, level=self.level)

    def __sklearn_tags__(self):
        """Those of the estimator, which sees the input."""
        tags = super().__sklearn_tags__()
        tags.input_tags = copy(get_tags(self.estimator).input_tags)
        tags.target_tags.required = True
        return tags


def recalibrate(estimator, X, y, *, method="auto", level=0.05):
    """Adjust the risks of a fitted model to the patients of a new site.

    Parameters
    ----------
    estimator : object
        Fitted survival estimator with `predict` and `predict_survival_function`. It is
        neither cloned nor fitted again.
    X : array-like of shape (n_samples, ...) or ECGRecords
        What the estimator takes.
    y : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    method : {"auto", "none", "in-the-large", "slope", "baseline"}, default="auto"
        How far up the ladder to go. "auto" goes no further than closed tests ask for.
    level : float, default=0.05
        Level of these tests: how often they change a model that is right.

    Returns
    -------
    RecalibratedSurvival
        Fitted; it predicts risks for this site.

    Raises
    ------
    ValueError
        If `y` is not as described, or holds fewer than two events.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.calibration import recalibrate
    >>> X, y = load_whas500()
    >>> X = X.astype(float).to_numpy()
    >>> cox = CoxPHSurvivalAnalysis().fit(X[:250], y[:250])
    >>> model = recalibrate(cox, X[250:], y[250:], method="slope")
    >>> bool(0 < model.slope_ < 2)
    True
    """
    return RecalibratedSurvival(estimator, method=method, level=level).fit(X, y)


class _Ladder:
    """Poisson models of the events, given the cumulative hazards that were predicted.

    Each sample is split into periods; the events of a period are Poisson with the
    predicted hazard of it, times what a step of the ladder may change.
    """

    def __init__(self, log_risk, curves, event, time):
        end = np.minimum(time, [curve.x[-1] for curve in curves])
        # An event after the end of the curves was not predicted.
        event = event & (time <= end)
        cuts = np.quantile(time[event], np.linspace(0, 1, _N_PERIODS + 1)[1:-1])
        edges = np.concatenate([[0.0], np.unique(cuts), [np.inf]])
        hazards = np.stack(
            [
                _hazards([curve], np.minimum(edges[1:], t))[0]
                for curve, t in zip(curves, end)
            ]
        )
        self.expected = np.diff(hazards, axis=1, prepend=0.0)
        period = np.searchsorted(edges[1:], time, side="left")
        self.observed = np.zeros_like(self.expected)
        self.observed[np.flatnonzero(event), period[event]] = 1
        self.log_risk = log_risk
        self._fits = {}

    def n_coefficients(self, step):
        """What a step may change."""
        n_periods = self.expected.shape[1]
        return {"none": 0, "in-the-large": 1, "slope": 2, "baseline": n_periods + 1}[
            step
        ]

    def coefficients(self, step):
        """Log of the factor, and the slope."""
        return self._fit(step)[:2]

    def log_likelihood(self, step):
        """Poisson log-likelihood, without what is the same for all steps."""
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


def _hazards(curves, times):
    """Cumulative hazards (n_samples, n_times) of curves, held at their ends."""
    survival = [
        np.where(
            times < curve.x[0], 1.0, curve(np.clip(times, curve.x[0], curve.x[-1]))
        )
        for curve in curves
    ]
    return -np.log(np.maximum(survival, 1e-12))

"""A fitted model at a new site, changed no more than necessary."""

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
from .._outcomes import Outcome, check_entry, check_same_length, check_survival
from ..metrics import CensoringKaplanMeier, concordance_index
from ..records import ECGRecords
from ..records._leads_and_ids import aligned_to
from ._head import RefittedHead, unseen_log_risks
from ._ladder import LADDER, Ladder, hazards_of
from ._saving import load_around, save_around
from ._slope import cox_slope

_KIND = "RecalibratedSurvival"
_METHODS = (*LADDER, "refit-head")


class RecalibratedSurvival(SurvivalCurves, MetaEstimatorMixin, BaseEstimator):
    """A fitted survival model with risks adjusted to the patients of a new site.

    The model itself is not changed. The methods form a ladder. They keep the cumulative
    hazards ("none"), multiply them by one number ("in-the-large"), also change the
    spread of the log risks ("slope"), or estimate a new baseline hazard as well
    ("baseline"). Beside the ladder, "refit-head" keeps only the encoder: a Cox model of
    its features with a ridge penalty replaces the head, and the baseline hazard is new.

    Parameters
    ----------
    estimator : object
        Fitted survival estimator with `predict` and `predict_survival_function`. It is
        neither cloned nor fitted again.
    method : {"auto", "none", "in-the-large", "slope", "baseline", "refit-head"}, \
            default="auto"
        Step of the ladder. "auto" takes the lowest step that closed tests do not
        reject, and never refits the head. "refit-head" needs an estimator with
        `transform`.
    level : float, default=0.05
        Level of these tests: the probability of changing a correct model.

    Attributes
    ----------
    method_ : str
        The method used.
    factor_ : float
        Factor of the cumulative hazards, at the mean log risk.
    slope_ : float
        Factor of the log risks.
    center_ : float
        Mean log risk at this site, of the estimator or of its new head.
    baseline_ : BaselineHazards or None
        The new baseline hazard, with "baseline" and "refit-head".
    head_ : RefittedHead or None
        The new head, with "refit-head".
    p_values_ : dict
        p-values of the tests, by the step that each tests.
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
        "method": [StrOptions({"auto", *_METHODS})],
        "level": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, estimator, *, method="auto", level=0.05):
        self.estimator = estimator
        self.method = method
        self.level = level

    def fit(self, X, y, *, entry=None):
        """Adjust the risks to the patients of this site.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            ECGs in the form that the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        entry : array-like of shape (n_samples,) or None, default=None
            Time after which each sample is at risk (left truncation), such as the age
            at the ECG where time is age. None means 0.

        Returns
        -------
        RecalibratedSurvival
            Itself.

        Raises
        ------
        ValueError
            If `y` is not as described, or if it has fewer than two events (ten for
            "refit-head").
        """
        self._validate_params()
        y, entry = aligned_to(X, y=y, entry=entry)
        check_same_length(X, y)
        event, time = check_survival(y)
        entry = None if entry is None else check_entry(entry, time)
        if event.sum() < 2:
            raise ValueError(
                f"Recalibration needs events, but y holds {event.sum()} among "
                f"n_samples={len(event)}. Collect more."
            )
        self.p_values_, self.baseline_, self.head_ = {}, None, None
        outcome = Outcome(event.astype(int), time, entry=entry)
        if self.method == "refit-head":
            self._refit_head(X, outcome)
        else:
            self._climb(X, outcome)
        self.times_ = np.unique(time[event])
        self.censoring_ = CensoringKaplanMeier().fit(event, time, entry)
        return self

    def _climb(self, X, outcome):
        """Climb the ladder as far as `method` allows."""
        risk = np.asarray(self.estimator.predict(X), dtype=np.float64)
        curves = self.estimator.predict_survival_function(X)
        self.center_ = float(risk.mean())
        self.follow_up_ = float(min(outcome.time.max(), curves[0].x[-1]))
        ladder = Ladder(risk - self.center_, curves, outcome)
        self.method_ = self._chosen(ladder) if self.method == "auto" else self.method
        log_factor, self.slope_ = ladder.coefficients(self.method_)
        self.factor_ = float(np.exp(log_factor))
        if self.method_ == "baseline":
            self._learn_baseline(risk, outcome)

    def _refit_head(self, X, outcome):
        """Put a Cox model of the estimator's features in place of its head."""
        features = np.asarray(self.estimator.transform(X), dtype=np.float64)
        ids = X.patient_ids if isinstance(X, ECGRecords) else None
        patients = np.arange(len(features)) if ids is None else np.asarray(ids)
        # What the ridge penalty leaves of the optimism, the slope takes back.
        risk = unseen_log_risks(features, outcome, patients)
        self.head_ = RefittedHead().fit(features, outcome, patients)
        self.method_, self.factor_ = self.method, 1.0
        event, time = outcome.causes > 0, outcome.time
        slope = cox_slope(risk, event, time, entry=outcome.entry)
        self.center_ = float(risk.mean())
        # Never turned round.
        self.slope_ = 1.0 if slope is None else max(0.0, slope)
        self._learn_baseline(risk, outcome)

    def _learn_baseline(self, risk, outcome):
        log_risk = self.slope_ * (risk - self.center_)
        self.baseline_ = BaselineHazards().fit(log_risk[:, None], outcome)
        self.follow_up_ = float(outcome.time.max())

    def _risk(self, X):
        """Log risk before it is adjusted."""
        if self.head_ is None:
            return self.estimator.predict(X)
        return self.head_.log_risks(self.estimator.transform(X))

    def predict(self, X):
        """Log risk at this site: higher means an earlier event.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            ECGs in the form that the estimator takes.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log hazard relative to the mean of this site.
        """
        check_is_fitted(self)
        return self.slope_ * (self._risk(X) - self.center_)

    def score(self, X, y, *, entry=None):
        """Concordance index (Harrell's C) of the log risks.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            ECGs in the form that the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time).
        entry : array-like of shape (n_samples,) or None, default=None
            When each sample came under observation; only those at risk together are
            compared. None means at 0.

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance.
        """
        y, entry = aligned_to(X, y=y, entry=entry)
        return concordance_index(y, self.predict(X), entry=entry)

    def save(self, path):
        """Save a recalibrated `DualAttentionSurvival` to one file, which holds no code.

        Parameters
        ----------
        path : str or path-like
            Path, usually with the ending ".safetensors". An existing file is replaced.

        Returns
        -------
        RecalibratedSurvival
            Itself.

        Raises
        ------
        TypeError
            If the estimator is of another class; it cannot be saved in this format.
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
            Path of the file.

        Returns
        -------
        RecalibratedSurvival
            On the same machine it predicts the same as the saved one, bit for bit.

        Raises
        ------
        ValueError
            If the file is incomplete, altered, or of another kind.
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
        hazards = hazards_of(self.estimator.predict_survival_function(X), times)
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
        """Copy with the same fitted estimator, because a clone would be unfitted."""
        return type(self)(self.estimator, method=self.method, level=self.level)

    def __sklearn_tags__(self):
        """Tags of the estimator, which receives the input."""
        tags = super().__sklearn_tags__()
        tags.input_tags = copy(get_tags(self.estimator).input_tags)
        tags.target_tags.required = True
        return tags


def recalibrate(estimator, X, y, *, entry=None, method="auto", level=0.05):
    """Adjust the risks of a fitted model to the patients of a new site.

    Parameters
    ----------
    estimator : object
        Fitted survival estimator with `predict` and `predict_survival_function`. It is
        neither cloned nor fitted again.
    X : array-like of shape (n_samples, ...) or ECGRecords
        ECGs in the form that the estimator takes.
    y : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    entry : array-like of shape (n_samples,) or None, default=None
        Time after which each sample is at risk (left truncation), such as the age at
        the ECG where time is age. None means 0.
    method : {"auto", "none", "in-the-large", "slope", "baseline", "refit-head"}, \
            default="auto"
        Step of the ladder. "auto" takes the lowest step that closed tests do not
        reject, and never refits the head. "refit-head" needs an estimator with
        `transform`.
    level : float, default=0.05
        Level of these tests: the probability of changing a correct model.

    Returns
    -------
    RecalibratedSurvival
        Fitted; it predicts risks for this site.

    Raises
    ------
    ValueError
        If `y` is not as described, or if it has fewer than two events (ten for
        "refit-head").

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
    model = RecalibratedSurvival(estimator, method=method, level=level)
    return model.fit(X, y, entry=entry)

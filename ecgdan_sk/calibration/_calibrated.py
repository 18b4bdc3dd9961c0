"""Calibrated absolute risks for new patients."""

from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from .._hazards._baseline import BaselineHazards
from .._hazards._curves import SurvivalCurves
from .._outcomes import Outcome, as_target, check_entry, check_survival
from .._warnings import warn
from ..metrics import CensoringKaplanMeier, concordance_index
from ..model_selection import EventKFold, fit_by_patient
from ..records._leads_and_ids import aligned_to
from ._saving import load_around, save_around
from ._slope import cox_slope

_KIND = "CalibratedSurvival"


class CalibratedSurvival(SurvivalCurves, MetaEstimatorMixin, BaseEstimator):
    """Recalibrate the log risks of a survival estimator by cross-validation.

    The training risks of a flexible model are overfitted: they are too extreme, and a
    baseline hazard estimated from them is wrong. Here slope and baseline hazard come
    from cross-validation: a Cox model with one parameter, the slope, and Breslow's
    baseline, on the log risks of the held-out samples. The log risks of each fold are
    relative to the mean of its training set. The estimator is then fitted to all
    samples; recalibration does not change its ranking.

    Parameters
    ----------
    estimator : object
        Survival estimator whose `predict` returns a log risk, or a pipeline that ends
        in one. It is cloned before each `fit`.
    cv : int or splitter, default=5
        An int means `EventKFold` with so many folds, `random_state=0`.
    n_jobs : int or None, default=None
        Number of processes; None means 1.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    estimator_ : object
        The estimator, fitted to all samples.
    slope_ : float
        Factor of the log risks; below 1 if they are too extreme.
    baseline_ : BaselineHazards
        The baseline hazard.
    center_ : float
        Mean of the estimator's log risks over the training set.
    censoring_ : CensoringKaplanMeier
        Distribution of the censoring times, for `survival_scorers`.
    follow_up_ : float
        Longest time seen in `fit`.

    References
    ----------
    van Houwelingen (2000), "Validation, calibration, revision and combination of
    prognostic survival models", Statistics in Medicine 19, 3401-3415.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.calibration import CalibratedSurvival
    >>> X, y = load_whas500()
    >>> model = CalibratedSurvival(CoxPHSurvivalAnalysis()).fit(X.astype(float), y)
    >>> 0.8 < model.slope_ < 1
    True
    >>> model.predict_survival_at(X.astype(float), [365, 1825]).shape
    (500, 2)
    """

    def __init__(self, estimator, *, cv=5, n_jobs=None, verbose=0):
        self.estimator = estimator
        self.cv = cv
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y, *, entry=None, groups=None):
        """Fit the estimator on each training set and on all samples, and recalibrate.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            ECGs in the form that the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        entry : array-like of shape (n_samples,) or None, default=None
            Time after which each sample is at risk (left truncation), such as the age
            at the ECG where time is age; also passed to the estimator's `fit`. None
            passes nothing.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample, passed to the splitter and to estimators that take
            them in `fit`.

        Returns
        -------
        CalibratedSurvival
            Itself.

        Raises
        ------
        ValueError
            If `y` is not as described, or if it has too few events for the folds.
        TypeError
            If there is `entry`, and the `fit` of the estimator does not take it.

        Warns
        -----
        UserWarning
            If the held-out risks do not rank the patients; everyone then gets the same
            risk.
        """
        y, entry, groups = aligned_to(X, y=y, entry=entry, groups=groups)
        event, time = check_survival(y)
        y = as_target(y)
        entry = None if entry is None else check_entry(entry, time)
        if event.sum() < 2:
            raise ValueError(
                "Recalibration trains and tests, both on events, but y holds 1 event "
                f"among n_samples={len(event)}. Collect more."
            )
        cv = self.cv
        if isinstance(cv, Integral):
            cv = EventKFold(cv, random_state=0)
        splits = list(cv.split(X, y, groups))
        jobs = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(_held_out)(clone(self.estimator), X, y, entry, groups, *rows)
            for rows in splits
        )
        bar = {"disable": not self.verbose, "unit": "fold", "total": len(splits)}
        risks = list(tqdm(jobs, "Calibration", **bar))
        tested = np.concatenate([test for _, test in splits])
        fold = np.repeat(np.arange(len(splits)), [len(test) for _, test in splits])
        risk = np.concatenate(risks)
        outcome = Outcome(event.astype(int), time, entry=entry)[tested]
        self.slope_ = _slope(risk, outcome, fold)
        self.baseline_ = BaselineHazards().fit(self.slope_ * risk[:, None], outcome)
        self.estimator_ = _fitted(clone(self.estimator), X, y, entry, groups)
        self.center_ = float(np.mean(self.estimator_.predict(X)))
        self.censoring_ = CensoringKaplanMeier().fit(event, time, entry)
        self.follow_up_ = float(outcome.time.max())
        return self

    def predict(self, X):
        """Recalibrated log risk: higher means an earlier event.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            ECGs in the form that the estimator takes.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log hazard relative to the mean of the training set.
        """
        check_is_fitted(self)
        return self.slope_ * (self.estimator_.predict(X) - self.center_)

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
        """Save a calibrated `DualAttentionSurvival` to one file, which holds no code.

        Parameters
        ----------
        path : str or path-like
            Path, usually with the ending ".safetensors". An existing file is replaced.

        Returns
        -------
        CalibratedSurvival
            Itself.

        Raises
        ------
        TypeError
            If the estimator is of another class; it cannot be saved in this format.

        See Also
        --------
        load : Read the file.

        Notes
        -----
        The file is that of `DualAttentionSurvival.save`, with the slope and the
        baseline hazard. A splitter given as `cv` is not saved, because predictions do
        not need it.
        """
        check_is_fitted(self)
        fitted = {n: v for n, v in vars(self).items() if n[-1] == "_"}
        estimator = fitted.pop("estimator_")
        cv = self.cv if isinstance(self.cv, Integral) else 5
        save_around(path, _KIND, estimator, {"cv": cv, "n_jobs": self.n_jobs}, fitted)
        return self

    @classmethod
    def load(cls, path):
        """Read a fitted model from a file that `save` wrote.

        Parameters
        ----------
        path : str or path-like
            Path of the file.

        Returns
        -------
        CalibratedSurvival
            On the same machine it predicts the same as the saved one, bit for bit.

        Raises
        ------
        ValueError
            If the file is incomplete, altered, or of another kind.
        """

        def restored(estimator, params, fitted):
            model = cls(clone(estimator), **params)
            vars(model).update(fitted)
            model.estimator_ = estimator
            return model

        return load_around(path, _KIND, restored)

    @property
    def unique_times_(self):
        """Distinct event times seen in `fit`, where the predicted curves step."""
        return self.baseline_.times_

    def _cumulative_hazards(self, X, times, strata):
        """Cumulative hazards (n_samples, 1, n_times), for `SurvivalCurves`."""
        log_risks = self.predict(X)[:, None]
        return self.baseline_.cumulative_hazards(log_risks, times, strata)

    def __sklearn_tags__(self):
        """Tags of the estimator, which receives the input."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.target_tags.required = True
        return tags


def _fitted(estimator, X, y, entry, groups):
    """Fit the estimator, with times of entry if there are any."""
    given = {} if entry is None else {"entry": entry}
    return fit_by_patient(estimator, X, y, groups, **given)


def _held_out(estimator, X, y, entry, groups, train, test):
    """Log risks of the test samples, relative to the mean of the training samples."""
    X_train, *others = (
        None if values is None else _safe_indexing(values, train)
        for values in (X, y, entry, groups)
    )
    _fitted(estimator, X_train, *others)
    return (
        estimator.predict(_safe_indexing(X, test)) - estimator.predict(X_train).mean()
    )


def _slope(risk, outcome, fold):
    """Factor of the log risks, at least 0.

    Samples are compared within their fold, because each fold has a model of its own.
    """
    event = outcome.causes > 0
    slope = cox_slope(risk, event, outcome.time, strata=fold, entry=outcome.entry)
    if slope is None:
        return 0.0
    if slope <= 0:
        warn(
            f"Held-out risks rank the patients no better than chance (a slope of "
            f"{slope:.3g}): everyone gets the same risk. The estimator has "
            "learned nothing that holds for others; look at its cross-validated score.",
        )
    return max(slope, 0.0)

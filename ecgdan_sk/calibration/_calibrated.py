"""Absolute risks that hold for patients whom a model has not seen."""

from numbers import Integral

import numpy as np
import torch
from joblib import Parallel, delayed
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from .._hazards._baseline import BaselineHazards
from .._hazards._curves import SurvivalCurves
from .._outcomes import Outcome, as_target, check_survival
from .._warnings import warn
from ..losses import cox_loss
from ..metrics import CensoringKaplanMeier, concordance_index
from ..model_selection import EventKFold, fit_by_patient
from ..records._leads_and_ids import aligned_to
from ._saving import load_around, save_around

_STEEPEST = 20.0  # log hazard per standard deviation of the risk

_KIND = "CalibratedSurvival"


class CalibratedSurvival(SurvivalCurves, MetaEstimatorMixin, BaseEstimator):
    """Recalibrates the log risks of a survival estimator on patients it has not seen.

    Training risks of a flexible model are overfitted: too extreme, and too good for the
    baseline hazard that rests on them. Here both come from cross-validation: a Cox
    model of one parameter, the slope, and Breslow's baseline, on the log risks of the
    held-out samples, those of each fold relative to the mean of its training set. The
    estimator itself is then fitted to all samples; the ranking stays its own.

    Parameters
    ----------
    estimator : object
        Survival estimator whose `predict` gives a log risk, or a pipeline that ends in
        one; cloned before each `fit`.
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
        What the log risks are multiplied by; below 1 where they are too extreme.
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

    def fit(self, X, y, *, groups=None):
        """Fit the estimator on each training set and on all samples, and recalibrate.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            What the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
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
            If `y` is not as described, or holds too few events for the folds.

        Warns
        -----
        UserWarning
            If the held-out risks do not rank the patients at all: everyone then gets
            the same.
        """
        y, groups = aligned_to(X, y=y, groups=groups)
        event, time = check_survival(y)
        y = as_target(y)
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
            delayed(_held_out)(clone(self.estimator), X, y, groups, *rows)
            for rows in splits
        )
        bar = {"disable": not self.verbose, "unit": "fold", "total": len(splits)}
        risks = list(tqdm(jobs, "Calibration", **bar))
        tested = np.concatenate([test for _, test in splits])
        fold = np.repeat(np.arange(len(splits)), [len(test) for _, test in splits])
        risk, event, time = np.concatenate(risks), event[tested], time[tested]
        self.slope_ = _slope(risk, event, time, fold)
        outcome = Outcome(event.astype(int), time)
        self.baseline_ = BaselineHazards().fit(self.slope_ * risk[:, None], outcome)
        self.estimator_ = fit_by_patient(clone(self.estimator), X, y, groups)
        self.center_ = float(np.mean(self.estimator_.predict(X)))
        self.censoring_ = CensoringKaplanMeier().fit(*check_survival(y))
        self.follow_up_ = float(time.max())
        return self

    def predict(self, X):
        """Recalibrated log risk: higher means an earlier event.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or ECGRecords
            What the estimator takes.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log hazard relative to the mean of the training set.
        """
        check_is_fitted(self)
        return self.slope_ * (self.estimator_.predict(X) - self.center_)

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
        """Write a calibrated `DualAttentionSurvival` to one file, which holds no code.

        Parameters
        ----------
        path : str or path-like
            Of the file, by custom ending in ".safetensors"; replaced as a whole.

        Returns
        -------
        CalibratedSurvival
            Itself.

        Raises
        ------
        TypeError
            If the estimator is of another class, which has no such file.

        See Also
        --------
        load : The way back.

        Notes
        -----
        What `DualAttentionSurvival.save` writes, with the slope and the baseline
        hazard. A splitter given as `cv` is not kept, as predictions need none.
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
            Of the file.

        Returns
        -------
        CalibratedSurvival
            It predicts bit for bit what the saved one predicts on the same machine.

        Raises
        ------
        ValueError
            If the file is truncated, altered, or of another kind.
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
        """Those of the estimator, which sees the input."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.target_tags.required = True
        return tags


def _held_out(estimator, X, y, groups, train, test):
    """Log risks of the test samples, relative to the mean of the training samples."""
    X_train = _safe_indexing(X, train)
    groups = None if groups is None else _safe_indexing(groups, train)
    fit_by_patient(estimator, X_train, _safe_indexing(y, train), groups)
    return (
        estimator.predict(_safe_indexing(X, test)) - estimator.predict(X_train).mean()
    )


def _slope(risk, event, time, fold):
    """Coefficient of a Cox model on the risk alone, not below 0.

    Samples are compared within their fold, because each fold has a model of its own.
    """
    spread = risk.std()
    if spread == 0:
        return 0.0
    log_risk, fold = (torch.from_numpy(values) for values in (risk / spread, fold))
    rank = torch.from_numpy(np.unique(time, return_inverse=True)[1])
    event = torch.from_numpy(event)

    def loss(slope):
        return cox_loss(slope * log_risk, event, rank, strata=fold).item()

    best = minimize_scalar(loss, bounds=(-1, _STEEPEST), options={"xatol": 1e-8})
    if best.x <= 0:
        warn(
            f"Held-out risks rank the patients no better than chance (a slope of "
            f"{best.x / spread:.3g}): everyone gets the same risk. The estimator has "
            "learned nothing that holds for others; look at its cross-validated score.",
        )
        return 0.0
    return float(best.x / spread)

"""A Cox model that chooses its penalty by the likelihood of unseen patients."""

import warnings
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data
from sksurv.base import SurvivalAnalysisMixin
from sksurv.linear_model import CoxnetSurvivalAnalysis

from .._outcomes import check_survival
from ..losses import cox_loss
from ..model_selection import EventKFold
from ..records._leads_and_ids import patient_groups

_RIDGE = 1e-6  # the solver asks for some absolute penalty
_LITTLE = 0.05  # of the penalty, for free columns that diverge without
_DIVERGED = 100.0  # between two log risks
_N_STEPS = 10_000  # of the solver, on its direct way
# Penalties that lead to the strongest of a path, as its multiples.
_LEAD_IN = np.geomspace(10.0, 1.0, 6)[:-1]


class PenalisedCox(SurvivalAnalysisMixin, BaseEstimator):
    """Cox model with a ridge or elastic-net penalty, chosen by inner cross-validation.

    The penalty has the highest cross-validated partial likelihood (Verweij and van
    Houwelingen 1993). With few events this criterion is more stable than the
    concordance. A whole path of penalties costs about one fit (Simon et al. 2011).

    Parameters
    ----------
    l1_ratio : float, default=0.0
        Share of the L1 penalty: 0 is ridge, 0.5 elastic net, 1 lasso.
    n_alphas : int, default=30
        Number of penalties tried.
    alpha_min_ratio : float, default=0.0003
        Ratio of the weakest penalty tried to the strongest. At the strongest, all
        coefficients of a lasso are zero, and those of a ridge almost.
    cv : int, default=5
        Number of folds; there are fewer if there are fewer events.
    n_unpenalised : int, default=0
        Number of first columns without penalty. Use it for age and sex: a reference
        model should not shrink their effects. If the model diverges without, as when
        all events are of one sex, they bear 5 % of the penalty.
    random_state : int, RandomState instance or None, default=0
        Determines the folds.

    Attributes
    ----------
    alpha_ : float
        The penalty chosen.
    alphas_ : ndarray of shape (n_alphas,)
        The penalties tried, from strong to weak.
    scores_ : ndarray of shape (n_alphas,)
        Cross-validated log partial likelihood of each, per event.
    coef_ : ndarray of shape (n_features,)
        Log hazard ratio per unit of each feature.
    unique_times_ : ndarray of shape (n_unique_times,)
        Times of the survival functions.
    model_ : CoxnetSurvivalAnalysis
        The model fitted to all samples.
    n_features_in_ : int
        Number of features seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from sksurv.util import Surv
    >>> from ecgdan_sk.baselines import PenalisedCox
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> time = rng.exponential(np.exp(-X[:, 0]))
    >>> y = Surv.from_arrays(time < 1, np.minimum(time, 1))
    >>> bool(PenalisedCox().fit(X, y).score(X, y) > 0.7)
    True
    """

    # Tells metadata routing to pass `groups` on wherever they are given.
    __metadata_request__fit: ClassVar = {"groups": True}

    _parameter_constraints = {
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "n_alphas": [Interval(Integral, 1, None, closed="left")],
        "alpha_min_ratio": [Interval(Real, 0, 1, closed="neither")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_unpenalised": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        l1_ratio=0.0,
        n_alphas=30,
        alpha_min_ratio=0.0003,
        cv=5,
        n_unpenalised=0,
        random_state=0,
    ):
        self.l1_ratio = l1_ratio
        self.n_alphas = n_alphas
        self.alpha_min_ratio = alpha_min_ratio
        self.cv = cv
        self.n_unpenalised = n_unpenalised
        self.random_state = random_state

    def fit(self, X, y, *, groups=None):
        """Choose the penalty, then fit all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of about equal scale.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample; samples of one patient share a fold. None takes the
            `patient_ids` of `X`; if there are none, samples count as independent.

        Returns
        -------
        PenalisedCox
            This model.

        Raises
        ------
        ValueError
            If `y` is not as described, if there are too few events, or if no column is
            left to penalise.
        ArithmeticError
            If the model diverges at every penalty.
        """
        self._validate_params()
        groups = getattr(X, "patient_ids", None) if groups is None else groups
        groups = None if groups is None else patient_groups(groups)
        X = validate_data(self, X, dtype=np.float64)
        event, time = check_survival(y)
        self._check_penalised(X)
        y = _structured(event, time)
        strongest = _steepest(X, event, time) / max(self.l1_ratio, 0.1)
        weakest = strongest * self.alpha_min_ratio
        self.alphas_ = np.geomspace(strongest, weakest, self.n_alphas + 1)[1:]
        n_folds = self._n_folds(event, groups)
        folds = EventKFold(n_folds, random_state=self.random_state)
        held_out = [
            self._held_out(X, event, time, train)
            for train, _ in folds.split(X, y, groups)
        ]
        # A fold may fail at weak penalties, where the full data do not.
        n_alphas = min(map(len, held_out))
        self.alphas_ = self.alphas_[:n_alphas]
        self.scores_ = sum(score[:n_alphas] for score in held_out) / event.sum()
        chosen = self.scores_.argmax()
        try:
            own = self.alphas_[[chosen]]
            self.model_ = self._along(own, X, y, fit_baseline_model=True)
        except ArithmeticError:
            # A weak penalty alone may diverge where strong ones lead to it.
            path = self.alphas_[: chosen + 1]
            self.model_ = self._along(path, X, y, fit_baseline_model=True)
        self.alpha_ = self.model_.alphas_[-1]
        self.coef_ = self.model_.coef_[:, -1]
        self.unique_times_ = self.model_.unique_times_
        return self

    def predict(self, X):
        """Log risk, relative to the average training sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher means an earlier event.
        """
        X = self._checked(X)
        return self.model_.predict(X)

    def predict_survival_function(self, X, return_array=False):
        """Probability of no event over time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        return_array : bool, default=False
            Whether to return values at `unique_times_` rather than step functions.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_unique_times)
            Step functions, or their values.
        """
        X = self._checked(X)
        return self.model_.predict_survival_function(X, return_array=return_array)

    def predict_cumulative_hazard_function(self, X, return_array=False):
        """Cumulative hazard over time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        return_array : bool, default=False
            Whether to return values at `unique_times_` rather than step functions.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_unique_times)
            Step functions, or their values.
        """
        X = self._checked(X)
        return self.model_.predict_cumulative_hazard_function(
            X, return_array=return_array
        )

    def _n_folds(self, event, groups):
        """Number of folds, each with an event of its own patients."""
        n_owners = event.sum() if groups is None else len(np.unique(groups[event]))
        if n_owners < 2:
            raise ValueError(
                "At least two events, of two patients, are needed to choose a penalty, "
                f"got {event.sum()} of {n_owners}. Use scikit-survival's "
                "CoxPHSurvivalAnalysis with a penalty of your choice."
            )
        return min(self.cv, n_owners)

    def _check_penalised(self, X):
        """Raise unless some column is left to penalise."""
        if self.n_unpenalised >= X.shape[1]:
            raise ValueError(
                f"n_unpenalised={self.n_unpenalised} leaves none of {X.shape[1]} "
                "columns to penalise. Use scikit-survival's CoxPHSurvivalAnalysis."
            )

    def _checked(self, X):
        """Features like those seen in `fit`."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False)

    def _along(self, alphas, X, y, **options):
        """Model along given penalties, without the weakest where it diverges.

        Of the free columns, one in which all events are alike diverges at any penalty
        of the others. Then all free columns bear a little of it.
        """
        is_free = np.arange(X.shape[1]) < self.n_unpenalised
        for factor in (0.0, _LITTLE) if is_free.any() else (1.0,):
            own = alphas
            while len(own):
                model = CoxnetSurvivalAnalysis(
                    alphas=own,
                    l1_ratio=max(self.l1_ratio, _RIDGE),
                    penalty_factor=np.where(is_free, factor, 1.0),
                    **options,
                )
                if _converges(model, X, y):
                    return model
                own = own[: -max(1, len(own) // 5)]
        raise ArithmeticError(
            f"The Cox model diverges at every penalty from {alphas[0]:.2g} to "
            f"{alphas[-1]:.2g}, on {len(X)} samples with {y['event'].sum()} events. "
            "Look for columns that tell the events apart, or for extreme values."
        )

    def _held_out(self, X, event, time, train):
        """Log partial likelihood that the held-out samples add, (n_alphas,)."""
        y = _structured(event[train], time[train])
        model = self._along(self.alphas_, X[train], y)
        coef = model.coef_[:, model.alphas_ <= self.alphas_[0]]
        return _log_likelihood(X @ coef, event, time) - _log_likelihood(
            X[train] @ coef, event[train], time[train]
        )


def _converges(model, X, y):
    """Fit the model; whether the solver converges and log risks stay finite."""
    own = model.alphas
    # With few values far out, the solver circles around an optimum that is distant,
    # but finds it from the optimum of a slightly stronger penalty.
    for lead_in, factor in (((), 1), (own[0] * _LEAD_IN, 10)):
        model.set_params(
            alphas=np.concatenate([lead_in, own]), max_iter=factor * _N_STEPS
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ConvergenceWarning)
                model.fit(X, y)
        except ConvergenceWarning:
            continue
        except ArithmeticError:
            return False
        return np.ptp(X @ model.coef_, axis=0).max() < _DIVERGED
    return False


def _structured(event, time):
    """A target in double precision as scikit-survival wants it."""
    return np.rec.fromarrays([event, time], names="event,time").view(np.ndarray)


def _log_likelihood(log_risk, event, time):
    """Log partial likelihood (n_models,) of log risks (n_samples, n_models)."""
    event, time = _tensors(event, time)
    models = torch.from_numpy(np.ascontiguousarray(log_risk.T))
    losses = [cox_loss(model, event, time, ties="breslow").item() for model in models]
    return -event.sum().item() * np.array(losses)


def _steepest(X, event, time):
    """Largest slope of the mean log partial likelihood where all coefficients are 0."""
    log_risk = torch.zeros(len(X), dtype=torch.float64, requires_grad=True)
    event, time = _tensors(event, time)
    (event.sum() * cox_loss(log_risk, event, time, ties="breslow")).backward()
    return np.abs(log_risk.grad.numpy() @ X).max() / len(X)


def _tensors(*columns):
    """Tensors of columns, such as the fields of a structured array."""
    return [torch.from_numpy(np.ascontiguousarray(column)) for column in columns]

"""The Cox model of the covariates, from which they are trained with a network."""

import numpy as np
import torch
from scipy.optimize import minimize

from ..losses._target import SurvivalLoss
from ..records._covariate_table import covariate_table

_RIDGE = 1e-6  # a column that no event tells of stays at zero


class CovariateCox:
    """Log risks that are linear in covariates; missing values are imputed and flagged.

    Parameters
    ----------
    columns : sequence of str
        Numeric columns of `ECGRecords.covariates`.

    Attributes
    ----------
    means_, scales_ : ndarray of shape (n_columns,)
        Of the values there are; a missing value counts as the mean.
    flagged_ : ndarray of int
        Columns with missing values in training, each with an indicator of its own.
    coef_ : ndarray of shape (n_columns + n_flagged, n_causes)
        Log hazard ratios per standard deviation, or of a value that is missing: of the
        covariates alone after `fit`, then given the ECG, as training leaves them.
    """

    def __init__(self, columns):
        self.columns = tuple(columns)

    def fit(self, records, target, loss):
        """Maximise the partial likelihood: `loss` as for `SurvivalLoss`, its target."""
        table = covariate_table(records, self.columns)
        self._check_known(table)
        self.means_ = np.nanmean(table, axis=0)
        spread = np.nanstd(table, axis=0)
        self.scales_ = np.where(spread > 0, spread, 1.0)
        self.flagged_ = np.flatnonzero(np.isnan(table).any(0))
        self.coef_ = _coefficients(self._design(table), target, SurvivalLoss(**loss))
        return self

    def go_on_from(self, other):
        """Take the coefficients of an earlier fit, if there is one of these columns."""
        if other is None or self._named() != other._named():
            return
        if self.coef_.shape == other.coef_.shape:
            scales = np.r_[self.scales_ / other.scales_, np.ones(len(self.flagged_))]
            self.coef_ = other.coef_ * scales[:, None]

    def log_risks(self, records):
        """Log risks (n_samples, n_causes), 0 where all is known, and at its mean."""
        return self.design(records) @ self.coef_

    def design(self, records):
        """Design matrix of the coefficients, (n_samples, n_coefficients)."""
        return self._design(covariate_table(records, self.columns))

    def _design(self, table):
        """Standardised values, and for the flagged columns whether one is missing.

        Flags are not centred: a constant cancels within every risk set.
        """
        is_missing = np.isnan(table)
        values = np.where(is_missing, 0.0, (table - self.means_) / self.scales_)
        return np.hstack([values, is_missing[:, self.flagged_]])

    def _named(self):
        return self.columns, self.flagged_.tolist()

    def _check_known(self, table):
        empty = [n for n, none in zip(self.columns, np.isnan(table).all(0)) if none]
        if empty:
            raise ValueError(
                f"Covariate {', '.join(empty)} is missing in all {len(table)} "
                "recordings. Leave it out of covariates."
            )


def _coefficients(design, target, loss):
    """Where the likelihood with Firth's penalty is highest."""
    target = torch.from_numpy(target.astype(np.float64))
    n_causes = max(1, int(target[:, 0].max()))
    likelihood = _FirthLikelihood(design, target, loss, n_causes)
    start = np.zeros(design.shape[1] * n_causes)
    found = minimize(
        likelihood.value_and_gradient,
        start,
        jac=True,
        method="BFGS",
        options={"gtol": 1e-6},
    )
    return found.x.reshape(-1, n_causes)


class _FirthLikelihood:
    """Negative log likelihood minus half the log determinant of its information.

    The penalty keeps coefficients finite, even of a column that is equal in all events.
    Second derivatives are differences of the gradient, so ties, strata, entry, weights
    and causes need no separate formulas.

    References
    ----------
    Heinze and Schemper (2001), Biometrics 57, 114-119; Firth (1993), Biometrika 80,
    27-38.
    """

    def __init__(self, design, target, loss, n_causes):
        self.target, self.loss = target, loss
        # One direction of the log risks for each coefficient, (p, n_samples, n_causes).
        units = np.eye(n_causes)
        self.x = np.einsum("nj,kc->jknc", design, units).reshape(
            -1, len(design), n_causes
        )
        self.n_events = _weight_of_events(target, loss)

    def value_and_gradient(self, coef):
        """Both, by event."""
        log_risk = np.tensordot(coef, self.x, 1)
        value, slope = self._loss(log_risk)
        information = np.stack([self._curvature(log_risk, x) for x in self.x])
        information = (information + information.T) / 2
        # The coefficient of a constant column stays at zero.
        information += _RIDGE * self.n_events * np.eye(len(coef))
        roots = np.linalg.inv(np.linalg.cholesky(information))
        turn = sum(self._turn(log_risk, np.tensordot(r, self.x, 1)) for r in roots)
        penalty = np.log(np.diag(roots)).sum()
        value = value + penalty / self.n_events + _RIDGE * coef @ coef
        return value, self._along(slope - turn / 2) + 2 * _RIDGE * coef

    def _loss(self, log_risk):
        """Loss by event, and its gradient (n_samples, n_causes)."""
        output = torch.from_numpy(log_risk).requires_grad_()
        value = self.loss(output.squeeze(-1), self.target)
        value.backward()
        return value.item(), output.grad.numpy()

    def _along(self, slope):
        return np.tensordot(self.x, slope, 2)

    def _curvature(self, log_risk, x, step=1e-4):
        """Row of the information: derivative of the gradient along a direction."""
        step = step / max(np.abs(x).max(), 1e-12)
        up, down = (self._loss(log_risk + s * x)[1] for s in (step, -step))
        return self.n_events * self._along((up - down) / (2 * step))

    def _turn(self, log_risk, x, step=1e-3):
        """Second derivative of the gradient along a direction."""
        step = step / max(np.abs(x).max(), 1e-12)
        up, here, down = (self._loss(log_risk + s * x)[1] for s in (step, 0, -step))
        return (up - 2 * here + down) / step**2


def _weight_of_events(target, loss):
    """Divisor of the loss."""
    is_event = target[:, 0] > 0
    if "sample_weight" not in loss.columns:
        return float(is_event.sum())
    return float(target[is_event, 2 + loss.columns.index("sample_weight")].sum())

"""The Cox model of the covariates, which a network goes on from."""

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
        Log hazard ratios per standard deviation, or of a value that is missing.
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

    def log_risks(self, records):
        """Log risks (n_samples, n_causes), 0 on average over the training set."""
        return self._design(covariate_table(records, self.columns)) @ self.coef_

    def _design(self, table):
        """Standardised values, and for the flagged columns whether one is missing."""
        is_missing = np.isnan(table)
        values = np.where(is_missing, 0.0, (table - self.means_) / self.scales_)
        return np.hstack([values, is_missing[:, self.flagged_]])

    def _check_known(self, table):
        empty = [n for n, none in zip(self.columns, np.isnan(table).all(0)) if none]
        if empty:
            raise ValueError(
                f"Covariate {', '.join(empty)} is missing in all {len(table)} "
                "recordings. Leave it out of covariates."
            )


def _coefficients(design, target, loss):
    """Where the penalised loss is lowest."""
    target = torch.from_numpy(target.astype(np.float64))
    n_causes = max(1, int(target[:, 0].max()))
    x = torch.from_numpy(design)

    def value_and_gradient(flat):
        coef = torch.from_numpy(flat.reshape(-1, n_causes)).requires_grad_()
        output = x @ coef
        value = loss(output.squeeze(-1), target) + _RIDGE * coef.square().sum()
        value.backward()
        return value.item(), coef.grad.numpy().ravel()

    start = np.zeros(design.shape[1] * n_causes)
    found = minimize(
        value_and_gradient, start, jac=True, method="BFGS", options={"gtol": 1e-7}
    )
    return found.x.reshape(-1, n_causes)

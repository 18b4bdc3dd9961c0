"""A small Cox model with standard errors, of one to a few columns."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from ..losses import cox_loss


@dataclass(frozen=True)
class CoxFit:
    """Coefficients (n_columns,), their errors, and the log partial likelihood."""

    coef: np.ndarray
    error: np.ndarray
    log_likelihood: float


def fit_cox(columns, event, time):
    """Maximise the partial likelihood (Efron) of columns (n_samples, n_columns)."""
    columns = np.asarray(columns, dtype=np.float64)
    scale = columns.std(axis=0)
    design = torch.from_numpy((columns - columns.mean(axis=0)) / scale)
    rank = torch.from_numpy(np.unique(time, return_inverse=True)[1])
    event = torch.from_numpy(np.asarray(event, dtype=bool))
    n_events = int(event.sum())

    def loss(coef):
        coef = torch.from_numpy(np.asarray(coef)).requires_grad_()
        value = n_events * cox_loss(design @ coef, event, rank)
        value.backward()
        return value.item(), coef.grad.numpy()

    start = np.zeros(design.shape[1])
    best = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8}).x
    error = np.sqrt(np.diag(np.linalg.inv(_hessian(loss, best))))
    return CoxFit(best / scale, error / scale, -loss(best)[0])


def null_log_likelihood(event, time):
    """Log partial likelihood of a model without columns."""
    event = torch.from_numpy(np.asarray(event, dtype=bool))
    rank = torch.from_numpy(np.unique(time, return_inverse=True)[1])
    zeros = torch.zeros(len(event), dtype=torch.float64)
    return -int(event.sum()) * cox_loss(zeros, event, rank).item()


def _hessian(loss, at, step=1e-4):
    """Second derivatives, by central differences of the gradient."""
    rows = [
        (loss(at + step * unit)[1] - loss(at - step * unit)[1]) / (2 * step)
        for unit in np.eye(len(at))
    ]
    hessian = np.stack(rows)
    return (hessian + hessian.T) / 2

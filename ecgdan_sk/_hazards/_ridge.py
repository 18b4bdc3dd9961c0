"""Weights of features under a survival loss, with a ridge penalty chosen inside."""

from functools import partial

import numpy as np
import torch
from scipy.optimize import minimize

from ..losses._target import SurvivalLoss

# Penalties on the sum of squares, beside a loss per event, from strong to weak.
_PENALTIES = np.geomspace(10.0, 1e-3, 9)
_N_FOLDS = 4


def ridge_weights(features, target, loss, n_outputs=1, patients=None, n_free=0):
    """Weights (n_features, n_outputs), with the penalty chosen by cross-validation.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        Of about equal scale.
    target : ndarray of shape (n_samples, n_columns)
        As `SurvivalLoss` reads it; the first column tells the events.
    loss : dict
        Parameters of `SurvivalLoss`.
    n_outputs : int, default=1
        Log risks for each sample.
    patients : ndarray of shape (n_samples,) or None, default=None
        Patient of each sample; no fold tests a patient that it trains on.
    n_free : int, default=0
        How many of the last features bear the weakest penalty whatever the others do.
    """
    features = torch.from_numpy(np.asarray(features, np.float64))
    target = torch.from_numpy(np.asarray(target, np.float64))
    fold = _folds(target[:, 0].numpy() > 0, patients, _N_FOLDS)
    is_free = torch.arange(features.shape[1]) >= features.shape[1] - n_free
    path = partial(_path, loss=loss, n_outputs=n_outputs, is_free=is_free)
    chosen = _chosen_penalties(features, target, loss, path, fold)
    return list(path(features, target, penalties=chosen))[-1]


def _chosen_penalties(features, target, loss, path, fold):
    """Penalties from the strongest to the one with the lowest cross-validated loss."""
    parts = [
        [torch.from_numpy(np.flatnonzero(rows)) for rows in (fold != n, fold == n)]
        for n in range(_N_FOLDS)
    ]
    paths = [
        path(features[train], target[train], penalties=_PENALTIES) for train, _ in parts
    ]
    n_events = [float((target[test, 0] > 0).sum()) for _, test in parts]
    criterion, scores = SurvivalLoss(**loss).double().requires_grad_(False), []
    for found in zip(*paths):
        losses = [
            criterion(_output(features[test], torch.from_numpy(weights)), target[test])
            for weights, (_, test) in zip(found, parts)
        ]
        scores.append(sum(n * float(own) for n, own in zip(n_events, losses)))
        # Behind its lowest point the score only rises.
        if len(scores) > np.argmin(scores) + 2:
            break
    return _PENALTIES[: np.argmin(scores) + 1]


def _folds(event, patients, n_folds):
    """Number of the fold of each sample, patients with events dealt out evenly."""
    patients = np.arange(len(event)) if patients is None else patients
    known, owner = np.unique(patients, return_inverse=True)
    has_event = np.zeros(len(known), bool)
    np.logical_or.at(has_event, owner, event)
    order = np.random.default_rng(0).permutation(len(known))
    order = order[np.argsort(~has_event[order], kind="stable")]
    fold = np.empty(len(known), np.int64)
    fold[order] = np.arange(len(known)) % n_folds
    return fold[owner]


def _path(features, target, *, loss, n_outputs, is_free, penalties):
    """The weights of each penalty, from strong to weak, each from the last ones."""
    criterion = SurvivalLoss(**loss).double().requires_grad_(False)

    def value_and_gradient(flat, penalty):
        weights = torch.from_numpy(flat.reshape(-1, n_outputs)).requires_grad_()
        value = criterion(_output(features, weights), target)
        squares = weights.square().sum(dim=1)
        value = value + penalty * squares[~is_free].sum()
        value = value + _PENALTIES[-1] * squares[is_free].sum()
        value.backward()
        return value.item(), weights.grad.numpy().ravel()

    flat = np.zeros(features.shape[1] * n_outputs)
    for penalty in penalties:
        found = minimize(
            value_and_gradient,
            flat,
            args=(penalty,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 50, "ftol": 1e-6, "gtol": 1e-4},
        )
        flat = found.x
        yield flat.reshape(-1, n_outputs)


def _output(features, weights):
    """Log risks (n_samples,), or (n_samples, n_outputs) of several."""
    return (features @ weights).squeeze(-1)

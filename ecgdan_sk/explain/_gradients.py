"""Integrated gradients: contribution of each sample to the log risk, from a baseline.

B ECGs of a batch, L leads, T samples.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
import torch

from .._warnings import warn
from ._model import batches, checked_ecgs, encoders, log_risk, log_risk_gradient

_LARGEST_ERROR = 0.05


@dataclass(frozen=True)
class IntegratedGradients:
    """Attributions to each sample, as `integrated_gradients` returns them.

    Attributes
    ----------
    leads : tuple of str
        Leads, in the order of `attributions`.
    attributions : ndarray of shape (n_samples, n_leads, n_times), float32
        Share of each sample in `log_risk - baseline_log_risk`; NaN in absent leads.
    log_risk : ndarray of shape (n_samples,)
        Log risk of the ECG, without the part of the covariates.
    baseline_log_risk : ndarray of shape (n_samples,)
        Mean log risk of the baselines, with the same leads present.
    baseline : ndarray of shape (n_baselines, n_leads, n_times) or None
        Baseline ECGs; None for flat lines.
    n_steps : int
        Number of points at which the gradient was taken.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.explain import IntegratedGradients
    >>> parts = np.array([[[0.1, 0.2], [0.3, 0.3]]])
    >>> result = IntegratedGradients(("I", "II"), parts, np.ones(1), 0.0, None, 32)
    >>> result.lead_importance.round(1), result.completeness_error.round(1)
    (array([[0.3, 0.6]]), array([0.1]))
    """

    leads: tuple
    attributions: np.ndarray
    log_risk: np.ndarray
    baseline_log_risk: np.ndarray
    baseline: np.ndarray | None
    n_steps: int

    @property
    def lead_importance(self):
        """Attributions summed over time, of shape (n_samples, n_leads)."""
        return self.attributions.sum(axis=2, dtype=np.float64)

    @property
    def completeness_error(self):
        """Log risk of each ECG (n_samples,) that the attributions do not explain."""
        explained = np.nansum(self.lead_importance, axis=1)
        return np.abs(self.log_risk - self.baseline_log_risk - explained)

    def to_frame(self):
        """Table of the attributions summed over time.

        Returns
        -------
        DataFrame of shape (n_samples, n_leads)
            A row for each ECG.
        """
        return pd.DataFrame(self.lead_importance, columns=self.leads)


def integrated_gradients(estimator, X, *, baseline=None, n_steps=32):
    """Attribute the log risk to samples, with flat lines or other ECGs as baseline.

    The gradient of the log risk is averaged along the straight line from a baseline to
    the ECG, and multiplied by their difference. The mean of each lead is removed. The
    attributions sum to the difference in log risk between ECG and baseline
    (completeness); the error of this sum is checked.

    With a flat baseline every wave is credited, even a normal one. With other patients'
    ECGs as baseline, only the differences are.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        Fitted.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, as for `predict`.
    baseline : array-like or ECGRecords or None, default=None
        ECGs of shape (n_baselines, n_leads, n_times) in mV, for instance 10 ECGs of
        `fit`. The attributions are averaged over them; the computing time grows with
        their number. None takes flat lines.
    n_steps : int, default=32
        Points of the Gauss-Legendre quadrature. With ten baseline ECGs, 8 are enough.

    Returns
    -------
    IntegratedGradients
        The attributions and their completeness.

    Warns
    -----
    UserWarning
        If the attributions miss more than 5 % of the differences in log risk.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X` is not as in `fit`, or if the network scales each lead by itself, as the
        paper's network does: the line from a flat baseline to an ECG then has no
        meaning.

    References
    ----------
    Sundararajan, Taly and Yan (2017), "Axiomatic attribution for deep networks", ICML;
    for other ECGs as baselines Erion et al. (2021), "Improving performance of deep
    learning models with axiomatic attribution priors and expected gradients", Nature
    Machine Intelligence 3.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import integrated_gradients
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> model = DualAttentionSurvival(n_members=1, max_epochs=2, random_state=0)
    >>> result = integrated_gradients(model.fit(cohort.X, cohort.y), cohort.X[:5])
    >>> result.attributions.shape
    (5, 12, 250)
    """
    if not isinstance(n_steps, Integral) or n_steps < 1:
        raise ValueError(f"n_steps must be an integer of at least 1, got {n_steps!r}.")
    X = checked_ecgs(estimator, X)
    _check_scaling(estimator, X)
    starts = np.zeros((1, *X.shape[1:]), np.float32)
    if baseline is not None:
        starts = checked_ecgs(estimator, baseline)
    attributions = np.empty(X.shape, np.float32)
    for rows, x, present in batches(X):
        attributions[rows] = _attributions(estimator, x, present, starts, n_steps)
    absent = np.isnan(X[:, :, :1])
    from_starts = [
        log_risk(estimator, np.where(absent, X, start)) for start in _centred(starts)
    ]
    result = IntegratedGradients(
        estimator.leads_in_,
        attributions,
        log_risk(estimator, X),
        np.mean(from_starts, axis=0),
        starts if baseline is not None else None,
        int(n_steps),
    )
    _check_completeness(result)
    return result


def _centred(signals):
    """Leads without their means; absent leads are flat lines."""
    return np.nan_to_num(signals - signals.mean(axis=-1, keepdims=True))


def _attributions(estimator, x, present, starts, n_steps):
    """Attributions (B, L, T) by Gauss-Legendre quadrature, NaN in absent leads."""
    end = torch.from_numpy(_centred(x.numpy()))
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    total = torch.zeros_like(end)
    for start in torch.from_numpy(_centred(starts)):
        away = (end - start) * present.unsqueeze(-1)
        for node, weight in zip((nodes + 1) / 2, weights / 2):
            step = log_risk_gradient(estimator, start + float(node) * away, present)
            total += float(weight) * step.nan_to_num(0.0) * away
    attributions = (total / len(starts)).numpy()
    return np.where(present.numpy()[:, :, None], attributions, np.float32(np.nan))


def _check_scaling(estimator, X):
    """Raise if the network does not distinguish an ECG from one of half its voltage."""
    _, x, _ = next(batches(X[:1]))
    encoder, device = encoders(estimator)[0]
    x = x.to(device)
    if torch.allclose(encoder.scaled(x), encoder.scaled(x / 2), rtol=1e-3):
        raise ValueError(
            "Integrated gradients need a network that sees voltage, but this one "
            "scales each lead by itself, so that every ECG on the way from a flat line "
            "looks the same. Use lead_occlusion or segment_occlusion."
        )


def _check_completeness(result):
    """Warn if the attributions do not add up."""
    total = np.abs(result.log_risk - result.baseline_log_risk).sum()
    missed = result.completeness_error.sum() / max(total, np.finfo(np.float32).tiny)
    if missed > _LARGEST_ERROR:
        warn(
            f"The attributions miss {missed:.0%} of the differences in log risk. Raise "
            f"n_steps, now {result.n_steps}.",
        )

"""Calibration at a time: do predicted risks agree with observed risks?"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import norm
from sklearn.utils import check_consistent_length

from ..records._leads_and_ids import patient_groups
from ._checks import check_cause, check_probability, check_times
from ._incidence import pseudo_values

# The complementary log-log scale has no place for 0 and 1.
_SMALLEST_RISK = 1e-9


@dataclass(frozen=True)
class Calibration:
    """Predicted against observed risks, as `calibration` returns them.

    Attributes
    ----------
    predicted, observed : ndarray of shape (n_bins,)
        Mean predicted and observed probability of the event by the time.
    low, high : ndarray of shape (n_bins,)
        95 % interval of `observed`; NaN if nobody or everybody in the bin had the
        event.
    n_samples : ndarray of shape (n_bins,)
        Samples in each bin.
    smooth : ndarray of shape (n_samples,)
        Observed probability as a smooth function of the predicted one, at each sample.
    intercept : float
        Calibration in the large on the complementary log-log scale. 0 is right; above
        0, the predicted risks are too low.
    slope : float
        Calibration slope on that scale. 1 is right; below 1, the predicted risks are
        too extreme. NaN if all predictions are equal.
    ici, e50, e90 : float
        Mean, median and 90th percentile of the distance from `smooth` to the
        predictions.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_samples: np.ndarray
    smooth: np.ndarray
    intercept: float
    slope: float
    ici: float
    e50: float
    e90: float


def calibration(y_true, y_pred, *, time, n_bins=10, cause=1, groups=None):
    """Compare predicted risks with the observed risks by a time.

    Observed risks are 1 - Kaplan-Meier or, with competing causes, Aalen-Johansen
    estimates in bins of equal size. Intercept, slope and the smooth curve come from
    regressions of pseudo-values on the predictions. All of them assume that censoring
    is independent of the predictions. If patients at high risk are followed for longer,
    or for shorter, then slope, intercept and smooth curve are biased; the bins are
    biased less, because each compares patients of similar risk.

    Parameters
    ----------
    y_true : structured array of shape (n_samples,)
        Fields (event, time). The event may hold 0 for censored and 1, 2, ... for
        competing causes.
    y_pred : array-like of shape (n_samples,)
        Predicted probability of the event by `time`: 1 - survival, or the cumulative
        incidence of `cause`.
    time : float
        Horizon, in the unit of `y_true`.
    n_bins : int, default=10
        Number of bins; there are fewer if predictions are tied.
    cause : int, default=1
        The cause whose risk was predicted.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each sample, for the intervals of the bins. None means that each
        sample is a patient.

    Returns
    -------
    Calibration
        The curve in bins, the smooth curve, and its summaries.

    Raises
    ------
    ValueError
        If `time` lies beyond the follow-up, if `cause` never occurs, or if `y_pred`
        holds values that are no probabilities.

    References
    ----------
    Austin, Harrell and van Klaveren (2020), Statistics in Medicine 39, 2714-2742 (ICI,
    E50, E90); van Geloven et al. (2022), BMJ 377, e069249 (pseudo-values).

    Examples
    --------
    >>> import numpy as np
    >>> from sksurv.util import Surv
    >>> from ecgdan_sk.metrics import calibration
    >>> rng = np.random.default_rng(0)
    >>> hazard = rng.uniform(0.05, 0.5, 2000)
    >>> event_time, censoring = rng.exponential(1 / hazard), rng.uniform(1, 5, 2000)
    >>> y = Surv.from_arrays(event_time <= censoring, np.minimum(event_time, censoring))
    >>> result = calibration(y, 1 - np.exp(-2 * hazard), time=2.0)
    >>> abs(result.slope - 1) < 0.15, result.ici < 0.03
    (True, True)
    """
    causes, times = check_cause(y_true, cause)
    horizon = check_times(time, times)[0]
    risk = check_probability(y_pred, times.shape, "probabilities of the event")
    _, pseudo = pseudo_values(causes, times, horizon, cause)
    log_hazard = _cloglog(risk)
    slope = np.nan
    if np.ptp(log_hazard) > 0:
        slope = _regress(pseudo, np.c_[np.ones(len(risk)), log_hazard])[1]
    intercept = _regress(pseudo, np.ones((len(risk), 1)), offset=log_hazard)[0]
    smooth = _smooth(pseudo, log_hazard)
    error = np.abs(smooth - risk)
    bins = _bins(risk, n_bins)
    owner = np.arange(len(risk)) if groups is None else patient_groups(groups)
    check_consistent_length(risk, owner)
    observed = [
        _observed(causes[rows], times[rows], horizon, cause, owner[rows])
        for rows in bins
    ]
    return Calibration(
        np.array([risk[rows].mean() for rows in bins]),
        *np.transpose(observed),
        n_samples=np.array([len(rows) for rows in bins]),
        smooth=smooth,
        intercept=float(intercept),
        slope=float(slope),
        ici=float(error.mean()),
        e50=float(np.median(error)),
        e90=float(np.quantile(error, 0.9)),
    )


def _bins(risk, n_bins):
    """Positions of the samples in bins of equal size; equal risks share a bin."""
    if not 1 <= n_bins <= len(risk):
        raise ValueError(
            f"Expected n_bins from 1 to the {len(risk)} samples, got {n_bins}."
        )
    edges = np.unique(np.quantile(risk, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bin_of = np.searchsorted(edges, risk, side="left")
    return [np.flatnonzero(bin_of == k) for k in np.unique(bin_of)]


def _observed(causes, times, horizon, cause, owner):
    """Observed probability and its interval, made on the log-log scale."""
    incidence, pseudo = pseudo_values(causes, times, horizon, cause)
    # The sum of a patient's pseudo-values varies as one.
    patients = np.unique(owner, return_inverse=True)[1]
    moved = np.bincount(patients, pseudo - pseudo.mean())
    if not 0 < incidence < 1 or len(moved) < 2:
        return incidence, np.nan, np.nan
    survival = 1 - incidence
    error = np.sqrt((moved**2).sum() * len(moved) / (len(moved) - 1)) / len(times)
    width = norm.ppf(0.975) * error / (survival * -np.log(survival))
    low, high = _cloglog(incidence) + np.array([-width, width])
    return incidence, _inverse_cloglog(low), _inverse_cloglog(high)


def _smooth(pseudo, log_hazard):
    """Observed probability as a natural cubic spline of the predicted one."""
    knots = np.unique(np.quantile(log_hazard, [0.1, 0.5, 0.9]))
    columns = [np.ones(len(log_hazard))]
    if np.ptp(log_hazard) > 0:
        centred = (log_hazard - log_hazard.mean()) / log_hazard.std()
        columns.append(centred)
    if len(knots) == 3:
        columns.append(_natural_spline(log_hazard, *knots))
    design = np.stack(columns, axis=1)
    return _inverse_cloglog(design @ _regress(pseudo, design))


def _natural_spline(x, first, middle, last):
    """The bent column of a natural cubic spline (Harrell, 2015), on the scale of 1."""
    width = last - first

    def cubed(knot):
        return np.clip((x - knot) / width, 0, None) ** 3

    bend = (last - middle) / width
    return cubed(first) - cubed(middle) / bend + cubed(last) * (1 - bend) / bend


def _regress(pseudo, design, offset=0.0):
    """Coefficients of pseudo-values on the complementary log-log scale."""
    start = np.zeros(design.shape[1])
    if np.ndim(offset) == 0:
        start[0] = _cloglog(pseudo.mean())

    def residual(coef):
        return _inverse_cloglog(design @ coef + offset) - pseudo

    def slope(coef):
        log_hazard = np.clip(design @ coef + offset, -50, 50)
        return np.exp(log_hazard - np.exp(log_hazard))[:, None] * design

    # MINPACK needs more samples than coefficients.
    method = "lm" if len(pseudo) >= len(start) else "trf"
    return least_squares(residual, start, slope, x_scale="jac", method=method).x


def _cloglog(probability):
    """Log cumulative hazard that gives the probability."""
    inside = np.clip(probability, _SMALLEST_RISK, 1 - _SMALLEST_RISK)
    return np.log(-np.log1p(-inside))


def _inverse_cloglog(log_hazard):
    """Probability of an event at a log cumulative hazard."""
    return -np.expm1(-np.exp(np.clip(log_hazard, -50, 50)))

"""Sample size: the patients and events that a study needs (Riley and colleagues)."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.utils import check_random_state
from sksurv.util import Surv

from ..metrics import calibration, concordance_index, net_benefit

__all__ = ["SampleSize", "development", "external_validation"]

_Z = norm.ppf(0.975)
# Simulated studies, and the patients of each, from which precision is read off.
_N_STUDIES, _PILOT = 200, 2000


@dataclass(frozen=True)
class SampleSize:
    """Patients and events that a study needs.

    Attributes
    ----------
    n_samples : int
        The smallest number of patients that meets every criterion.
    n_events : int
        Events expected among them.
    criteria : DataFrame
        One row for each criterion: `n_samples`, `n_events` and, in `reached`, the value
        of the criterion with the `n_samples` patients that meet all criteria.
    """

    n_samples: int
    n_events: int
    criteria: pd.DataFrame


def development(
    n_parameters,
    *,
    event_rate,
    follow_up,
    horizon,
    c_index=None,
    cox_snell_r2=None,
    shrinkage=0.9,
    optimism=0.05,
    margin=0.05,
):
    """Number of patients for the development of a survival model.

    There are three criteria: a uniform shrinkage factor of at least `shrinkage`, a
    small optimism of R2, and a precise overall risk at `horizon`. They apply to models
    with a known number of parameters, such as a Cox model on the features of an
    encoder. For a deep network they are a lower bound.

    Parameters
    ----------
    n_parameters : int
        Candidate parameters of the model.
    event_rate : float
        Events per person and per unit of time.
    follow_up : float
        Mean follow-up, in that unit.
    horizon : float
        Time of the prediction, in that unit.
    c_index : float or None, default=None
        Expected concordance index of the model, from which R2 is derived.
    cox_snell_r2 : float or None, default=None
        Expected Cox-Snell R2, if it is known. Give one of the two.
    shrinkage : float, default=0.9
        Smallest acceptable uniform shrinkage factor.
    optimism : float, default=0.05
        Largest acceptable difference between apparent and adjusted R2, as a share of
        the largest possible R2.
    margin : float, default=0.05
        Largest acceptable half-width of the 95 % interval of the overall risk at
        `horizon`.

    Returns
    -------
    SampleSize
        With the criteria "shrinkage", "optimism" and "overall risk".

    Raises
    ------
    ValueError
        Unless exactly one of `c_index` and `cox_snell_r2` is given, or if a number is
        out of its range.

    References
    ----------
    Riley et al. (2019), Statistics in Medicine 38, 1276-1296; Riley et al. (2020), BMJ
    368, m441. R2 from the concordance index: Jinks, Royston and Parmar (2015), BMC
    Medical Research Methodology 15, 82.

    Examples
    --------
    >>> from ecgdan_sk.validation import sample_size
    >>> needed = sample_size.development(
    ...     25, event_rate=0.065, follow_up=2.07, horizon=2, cox_snell_r2=0.051
    ... )
    >>> needed.n_samples, needed.n_events
    (4286, 577)
    """
    _check_positive(
        n_parameters=n_parameters,
        event_rate=event_rate,
        follow_up=follow_up,
        horizon=horizon,
    )
    _check_between_0_and_1(shrinkage=shrinkage, optimism=optimism, margin=margin)
    if (c_index is None) == (cox_snell_r2 is None):
        raise ValueError(
            "Expected one of c_index and cox_snell_r2, got "
            f"c_index={c_index!r} and cox_snell_r2={cox_snell_r2!r}."
        )
    events_per_patient = event_rate * follow_up
    largest = 1 - np.exp(2 * events_per_patient * (np.log(events_per_patient) - 1))
    r2 = cox_snell_r2
    if r2 is None:
        r2 = _cox_snell_of(c_index, events_per_patient)
    if not 0 < r2 < min(largest, shrinkage):
        raise ValueError(
            f"Expected a Cox-Snell R2 above 0 and below {min(largest, shrinkage):.3g}, "
            f"the largest at this event rate and follow-up, got {r2:.3g}."
        )

    def n_for(factor):
        return n_parameters / ((factor - 1) * np.log1p(-r2 / factor))

    found = {
        "shrinkage": n_for(shrinkage),
        "optimism": n_for(r2 / (r2 + optimism * largest)),
        "overall risk": _n_for_overall_risk(event_rate, follow_up, horizon, margin),
    }
    n_samples = ceil(max(found.values()))
    factor = brentq(lambda s: n_for(s) - n_samples, r2 * (1 + 1e-9), 1 - 1e-12)
    reached = [
        factor,
        r2 * (1 / factor - 1) / largest,
        _risk_margin(n_samples, event_rate, follow_up, horizon),
    ]
    found = {name: ceil(n) for name, n in found.items()}
    return _sample_size(found, events_per_patient, reached)


def external_validation(
    *,
    c_index,
    risk,
    censored=0.0,
    threshold=None,
    width_c_index=0.1,
    width_slope=0.4,
    width_observed_expected=0.4,
    width_net_benefit=0.2,
    random_state=None,
):
    """Number of patients for a precise external validation of a survival model.

    It simulates studies in which the model is right, with a normal linear predictor,
    constant hazards and exponential censoring. They have the given concordance index
    and risk. The variation of each measure between studies gives the number of patients
    at which its 95 % interval is narrow enough.

    Parameters
    ----------
    c_index : float
        Expected concordance index, above 0.5.
    risk : float
        Mean risk of the event by the time of the prediction, which is the end of
        follow-up.
    censored : float, default=0.0
        Share of patients who would be censored before that time if they had no event.
    threshold : float or None, default=None
        Risk at which treatment would start, for the net benefit. None means `risk`.
    width_c_index : float, default=0.1
        Width of the interval of the concordance index.
    width_slope : float, default=0.4
        Width of the interval of the calibration slope.
    width_observed_expected : float, default=0.4
        Width of the interval of observed over expected events, around 1.
    width_net_benefit : float, default=0.2
        Width of the interval of the standardised net benefit (net benefit divided by
        risk).
    random_state : int, RandomState instance or None, default=None
        Determines the simulated studies.

    Returns
    -------
    SampleSize
        With the criteria "C-index", "calibration slope", "observed / expected" and
        "net benefit"; `reached` is the width of each interval.

    Raises
    ------
    ValueError
        If a number lies outside of its range.

    References
    ----------
    Riley et al. (2022), Statistics in Medicine 41, 1280-1295. Spread of the linear
    predictor from the concordance index: Jinks, Royston and Parmar (2015), BMC Medical
    Research Methodology 15, 82.

    Examples
    --------
    >>> from ecgdan_sk.validation import sample_size
    >>> needed = sample_size.external_validation(
    ...     c_index=0.7, risk=0.1, random_state=0
    ... )
    >>> needed.criteria["n_samples"].idxmax()
    'calibration slope'
    """
    threshold = risk if threshold is None else threshold
    _check_between_0_and_1(risk=risk, threshold=threshold)
    if not 0 <= censored < 1:
        raise ValueError(f"Expected censored from 0 to below 1, got {censored!r}.")
    rng = check_random_state(random_state)
    spread = _predictor_spread(c_index)
    rate = _baseline_rate(spread, risk)
    drawn = [
        _simulated_study(rng, spread, rate, risk, censored, threshold)
        for _ in range(_N_STUDIES)
    ]
    errors = np.std(drawn, axis=0, ddof=1)
    widths = {
        "C-index": width_c_index,
        "calibration slope": width_slope,
        # An interval on the log scale, from 1 / x to x.
        "observed / expected": 2 * np.arcsinh(width_observed_expected / 2),
        "net benefit": width_net_benefit,
    }
    _check_positive(**widths)
    found = {
        name: ceil(_PILOT * (2 * _Z * error / width) ** 2)
        for (name, width), error in zip(widths.items(), errors)
    }
    reached = 2 * _Z * errors * np.sqrt(_PILOT / max(found.values()))
    reached[2] = 2 * np.sinh(reached[2] / 2)
    # Patients lost to follow-up have no observed event, and half of their time.
    return _sample_size(found, risk * (1 - censored / 2), reached)


def _simulated_study(rng, spread, rate, risk, censored, threshold):
    """C-index, slope, log of observed over expected, and net benefit of one study."""
    predictor = rng.normal(0, spread, _PILOT)
    hazard = rate * np.exp(predictor)
    event_time = rng.exponential(1 / hazard)
    # Follow-up ends just after the time of the prediction, so that it can be scored.
    end = np.full(_PILOT, np.nextafter(1, 2))
    if censored:
        end = np.minimum(end, rng.exponential(-1 / np.log1p(-censored), _PILOT))
    y = Surv.from_arrays(event_time <= end, np.minimum(event_time, end))
    predicted = -np.expm1(-hazard)
    result = calibration(y, predicted, time=1.0, n_bins=1)
    benefit = net_benefit(y, predicted, time=1.0, threshold=threshold)
    return (
        concordance_index(y, predictor),
        result.slope,
        np.log(result.observed[0] / result.predicted[0]),
        float(benefit) / risk,
    )


def _predictor_spread(c_index):
    """Standard deviation of a normal linear predictor with that concordance index."""
    return _royston_d(c_index) / np.sqrt(8 / np.pi)


def _royston_d(c_index):
    """Royston's D of a concordance index, by the regression of Jinks et al. (2015)."""
    if not 0.5 < c_index < 1:
        raise ValueError(f"Expected a c_index above 0.5 and below 1, got {c_index!r}.")
    return 5.50 * (c_index - 0.5) + 10.26 * (c_index - 0.5) ** 3


def _cox_snell_of(c_index, events_per_patient):
    """Cox-Snell R2 by way of Royston's and O'Quigley's (Riley et al., 2019)."""
    explained = np.pi / 8 * _royston_d(c_index) ** 2
    r2_d = explained / (np.pi**2 / 6 + explained)
    r2_events = np.pi**2 / 6 * r2_d / (1 + (np.pi**2 / 6 - 1) * r2_d)
    return -np.expm1(events_per_patient * np.log1p(-r2_events))


def _baseline_rate(spread, risk):
    """Hazard at a linear predictor of 0 that gives the mean risk after one horizon."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    weights = weights / weights.sum()

    def excess(log_rate):
        return weights @ -np.expm1(-np.exp(log_rate + spread * nodes)) - risk

    return np.exp(brentq(excess, -30, 10))


def _risk_margin(n_samples, event_rate, follow_up, horizon):
    """Half-width of the 95 % interval of the overall risk at the horizon."""
    error = _Z * np.sqrt(event_rate / (n_samples * follow_up))
    low, mid, high = (
        -np.expm1(-max(rate, 0) * horizon)
        for rate in (event_rate - error, event_rate, event_rate + error)
    )
    return max(high - mid, mid - low)


def _n_for_overall_risk(event_rate, follow_up, horizon, margin):
    """Patients from which the overall risk is known as precisely as wanted."""

    def excess(log_n):
        return _risk_margin(np.exp(log_n), event_rate, follow_up, horizon) - margin

    return 1 if excess(0.0) <= 0 else np.exp(brentq(excess, 0.0, 40.0))


def _sample_size(found, events_per_patient, reached):
    """The table of criteria, and the largest of them."""
    criteria = pd.DataFrame({"n_samples": found})
    criteria["n_events"] = np.ceil(criteria["n_samples"] * events_per_patient)
    criteria = criteria.astype(int).assign(reached=reached)
    largest = criteria.loc[criteria["n_samples"].idxmax()]
    return SampleSize(int(largest["n_samples"]), int(largest["n_events"]), criteria)


def _check_positive(**numbers):
    """Raise unless all are positive."""
    for name, number in numbers.items():
        if not (np.isfinite(number) and number > 0):
            raise ValueError(f"Expected {name} above 0, got {number!r}.")


def _check_between_0_and_1(**numbers):
    """Raise unless all lie between."""
    for name, number in numbers.items():
        if not 0 < number < 1:
            raise ValueError(f"Expected {name} between 0 and 1, got {number!r}.")

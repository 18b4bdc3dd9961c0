"""Follow-up of patients whose log risk is known."""

import numpy as np
from sklearn.utils import check_random_state, column_or_1d
from sksurv.util import Surv

_DAYS_PER_YEAR = 365.25
# Times stay positive even where an extreme log risk makes the event immediate.
_SHORTEST = 1 / 86_400


def simulate_follow_up(
    log_risk,
    *,
    event_rate=0.1,
    weibull_shape=1.2,
    longest_follow_up=3652.5,
    dropout_rate=0.02,
    random_state=None,
):
    """Simulate times to an event from known log risks.

    The hazard is proportional, with a Weibull baseline:
    ``h(t | x) = exp(log_risk) * shape * t ** (shape - 1) / scale ** shape``. Patients
    enter evenly over the first half of a study that ends on one day (administrative
    censoring) and leave it early at a constant rate (random censoring). The scale of
    the baseline is the one at which the asked number of events falls within follow-up.

    Parameters
    ----------
    log_risk : array-like of shape (n_samples,)
        Log hazard ratio of each patient; a constant added to all changes nothing.
    event_rate : float, default=0.1
        Share of patients whose event is observed, above 0 and at most 1. It is met
        exactly, up to rounding to a whole number of events, of which there is at least
        one.
    weibull_shape : float, default=1.2
        Shape of the Weibull baseline: above 1 the hazard rises with time.
    longest_follow_up : float, default=3652.5
        Length of the study in days; administrative censoring falls evenly between its
        half and its whole.
    dropout_rate : float, default=0.02
        Share of patients lost to follow-up per year, at least 0 and below 1.
    random_state : int, RandomState instance or None, default=None
        Determines the follow-up. Pass an int for the same outcomes at each call.

    Returns
    -------
    y : structured ndarray of shape (n_samples,)
        Fields `event` (bool) and `time` (float64, days, positive) as made by
        `sksurv.util.Surv`.

    Raises
    ------
    ValueError
        If a log risk is not finite, or an argument is out of its range.

    References
    ----------
    Bender R, Augustin T, Blettner M. Generating survival times to simulate Cox
    proportional hazards models. Statistics in Medicine 24:1713-1723 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.datasets import simulate_follow_up
    >>> y = simulate_follow_up(np.linspace(-1, 1, 200), event_rate=0.05, random_state=0)
    >>> int(y["event"].sum())
    10
    """
    log_risk = _checked_log_risk(log_risk)
    _check_arguments(event_rate, weibull_shape, longest_follow_up, dropout_rate)
    rng = check_random_state(random_state)
    n_samples = len(log_risk)
    censored_at = longest_follow_up * rng.uniform(0.5, 1.0, n_samples)
    if dropout_rate > 0:
        yearly_hazard = -np.log1p(-dropout_rate)
        lost_at = rng.exponential(_DAYS_PER_YEAR / yearly_hazard, n_samples)
        censored_at = np.minimum(censored_at, lost_at)
    # Log of a Weibull time at scale 1: the log of an exponential is a mirrored Gumbel.
    log_time = (-rng.gumbel(size=n_samples) - log_risk) / weibull_shape
    log_time += _log_scale(np.log(censored_at) - log_time, event_rate)
    event = log_time <= np.log(censored_at)
    time = np.where(event, np.exp(np.minimum(log_time, 700.0)), censored_at)
    return Surv.from_arrays(event, np.maximum(time, _SHORTEST), "event", "time")


def _log_scale(largest, event_rate):
    """Log scale of the baseline between the last event wanted and the next one.

    A patient's event is observed as long as the log scale is not above `largest`.
    """
    n_events = max(1, round(event_rate * len(largest)))
    descending = np.sort(largest)[::-1]
    if n_events == len(largest):
        return descending[-1] - 1e-6
    return (descending[n_events - 1] + descending[n_events]) / 2


def _checked_log_risk(log_risk):
    """Finite log risks, one per patient."""
    log_risk = column_or_1d(log_risk).astype(np.float64)
    if not len(log_risk):
        raise ValueError("log_risk is empty; give the log risk of one patient or more.")
    if not np.isfinite(log_risk).all():
        wrong = ~np.isfinite(log_risk)
        raise ValueError(
            f"log_risk must be finite, but {wrong.sum()} of {len(wrong)} values are "
            f"NaN or infinite; the first is sample {np.argmax(wrong)}. Impute what "
            "they are computed from."
        )
    return log_risk


def _check_arguments(event_rate, weibull_shape, longest_follow_up, dropout_rate):
    """Raise unless every argument lies in its range."""
    for name, value, allowed, expected in [
        ("event_rate", event_rate, 0 < event_rate <= 1, "above 0 and at most 1"),
        ("weibull_shape", weibull_shape, 0 < weibull_shape < np.inf, "positive"),
        (
            "longest_follow_up",
            longest_follow_up,
            0 < longest_follow_up < np.inf,
            "a positive number of days",
        ),
        ("dropout_rate", dropout_rate, 0 <= dropout_rate < 1, "at least 0 and below 1"),
    ]:
        if not allowed:
            raise ValueError(f"{name} must be {expected}, got {value!r}.")

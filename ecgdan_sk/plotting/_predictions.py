"""Predictions of a fitted estimator, for the displays."""

from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from ..metrics._scorers import survival_curves


def predicted_survival(estimator, X, times):
    """Probability (n_samples, n_times) of being free of the event at each time."""
    _check_predicts_survival(estimator)
    return survival_curves(estimator, X)(times)


def predicted_event(estimator, X, time):
    """Probability (n_samples,) of the event by a time."""
    return 1 - predicted_survival(estimator, X, [time])[:, 0]


def last_predicted_time(estimator, X):
    """The last time at which the curves of the estimator step."""
    _check_predicts_survival(estimator)
    return estimator.predict_survival_function(_safe_indexing(X, [0]))[0].x[-1]


def _check_predicts_survival(estimator):
    """Raise unless the estimator is fitted and predicts curves."""
    check_is_fitted(estimator)
    if not hasattr(estimator, "predict_survival_function"):
        raise TypeError(
            f"{type(estimator).__name__} has no predict_survival_function, so there "
            "are no probabilities to draw. Take an estimator of survival that has, or "
            "wrap one that predicts log risks: CalibratedSurvival(estimator), from "
            "ecgdan_sk.calibration."
        )

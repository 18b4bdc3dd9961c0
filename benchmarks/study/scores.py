"""Scores of the predictions for the patients of one test fold."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from ecgdan_sk.metrics import CensoringKaplanMeier, survival_scorers
from ecgdan_sk.metrics._scorers import survival_curves

from .cohorts import YEAR

YEARS = (1, 3, 5)
TIMES = YEAR * np.array(YEARS)


@dataclass
class Prediction:
    """Predictions of a fitted method for the test patients, and its cost."""

    risk: np.ndarray
    curves: np.ndarray
    seconds: float
    n_parameters: float

    def survival(self, times):
        """Probability of no event by each time, of shape (n_samples, n_times)."""
        return survival_curves(_Predicted(self), None)(times)


class _Predicted:
    """Ready predictions in the shape of an estimator, as the scorers want one."""

    def __init__(self, prediction, censoring=None):
        self.prediction, self.censoring_ = prediction, censoring

    def predict(self, X):
        return self.prediction.risk

    def predict_survival_function(self, X):
        return self.prediction.curves


def scored(prediction, y_train, y_test, log_risk=None):
    """Scores of one fold by name; `log_risk` is the true one, if it is known.

    All folds are scored at the same times; NaN stands where a fold does not reach one.
    """
    censoring = CensoringKaplanMeier().fit(y_train["event"], y_train["time"])
    first, last = _scorable(y_test, censoring)
    reached = (first <= TIMES) & (last >= TIMES)
    times = TIMES[reached] if reached.any() else [first]
    found = survival_scorers(times)(_Predicted(prediction, censoring), None, y_test)
    scores = {
        "c_index": found["concordance_index"],
        "uno_c": found["concordance_index_ipcw"],
        "integrated_brier": np.nan,
    }
    if _horizon(y_train, y_test) in TIMES[reached]:
        scores["integrated_brier"] = -found["neg_integrated_brier"]
    for years, days in zip(YEARS, TIMES):
        scores[f"auc_{years}y"] = found.get(f"auc_{days:g}", np.nan)
    if log_risk is not None:
        is_constant = np.ptp(prediction.risk) == 0
        rank = 0.0 if is_constant else spearmanr(prediction.risk, log_risk).statistic
        scores["rank_correlation"] = float(rank)
    scores["seconds"] = prediction.seconds
    scores["n_parameters"] = prediction.n_parameters
    return scores


def _scorable(y, censoring):
    """From when to when there are events before, and patients in view after."""
    in_view = y["time"][y["time"] < y["time"].max()]
    return y["time"][y["event"]].min(), min(in_view.max(initial=0.0), censoring.end_)


def _horizon(*parts):
    """The last of the times within the follow-up of the cohort, alike for all folds."""
    longest = max(part["time"].max() for part in parts)
    return max((t for t in TIMES if t < longest), default=np.nan)


def n_parameters(model):
    """Numbers that a fitted network or Cox model learned; NaN for other models."""
    steps = model.steps if hasattr(model, "steps") else [("", model)]
    model = getattr(steps[-1][1], "best_estimator_", steps[-1][1])
    if hasattr(model, "steps"):
        return n_parameters(model)
    if hasattr(model, "nets_"):
        return sum(p.numel() for net in model.nets_ for p in net.module_.parameters())
    return int(np.size(model.coef_)) if hasattr(model, "coef_") else np.nan

"""Scorers: what cross-validation calls with an estimator, X and y."""

import numpy as np
from sklearn.metrics import make_scorer

from .._outcomes import check_survival
from ._at_times import brier_score, cumulative_dynamic_auc, integrated_brier_score
from ._concordance import concordance_index, concordance_index_ipcw

concordance_scorer = make_scorer(concordance_index)

_N_GRID = 100


def survival_scorers(times):
    """All scores of a survival model, from one fit and one prediction.

    Parameters
    ----------
    times : float or array-like of shape (n_times,)
        When to score AUC and Brier score, in the unit of the target. In a fold whose
        follow-up, or whose censoring curve, does not reach as far, a score is taken
        where it ends; one before the first event of the fold, at that event.

    Returns
    -------
    callable
        `scorers(estimator, X, y)` -> dict, to be given as `scoring` to
        `cross_validate` or, with `refit`, to a search. Its keys are
        ``concordance_index``, ``concordance_index_ipcw``, ``auc_<time>`` and, for
        estimators that predict survival functions, ``neg_brier_<time>`` and
        ``neg_integrated_brier`` (from 0 to the last of the times). Higher is better.

    Raises
    ------
    ValueError
        If a time is not a positive number.

    See Also
    --------
    WithCensoring : For estimators that do not keep their censoring distribution.

    Examples
    --------
    >>> from sklearn.model_selection import cross_validate
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.metrics import WithCensoring, survival_scorers
    >>> from ecgdan_sk.model_selection import EventKFold
    >>> X, y = load_whas500()
    >>> scores = cross_validate(
    ...     WithCensoring(CoxPHSurvivalAnalysis()),
    ...     X.astype(float),
    ...     y,
    ...     scoring=survival_scorers(times=[365, 1825]),
    ...     cv=EventKFold(5, random_state=0),
    ... )
    >>> print(scores["test_auc_365"].mean().round(2))
    0.81
    """
    times = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if times.ndim != 1 or not (np.isfinite(times) & (times > 0)).all():
        raise ValueError(f"Expected positive, finite times to score at, got {times}.")
    return _SurvivalScorers(times)


class _SurvivalScorers:
    """The callable of `survival_scorers`; a class, so that it can be pickled."""

    def __init__(self, times):
        self.times = times

    def __repr__(self):
        return f"survival_scorers(times={self.times.tolist()})"

    def __call__(self, estimator, X, y):
        censoring = _censoring_of(estimator)
        risk = estimator.predict(X)
        scores = {"concordance_index": concordance_index(y, risk)}
        # The last event that counts is the one at the end of the curve.
        tau = np.nextafter(censoring.end_, np.inf)
        scores["concordance_index_ipcw"] = concordance_index_ipcw(
            y, risk, censoring=censoring, tau=tau
        )
        at = _times_within(self.times, y, censoring)
        auc = cumulative_dynamic_auc(y, risk, times=at, censoring=censoring)
        scores |= {f"auc_{t:g}": float(score) for t, score in zip(self.times, auc)}
        if hasattr(estimator, "predict_survival_function"):
            scores |= self._brier_scores(survival_curves(estimator, X), y, censoring)
        return scores

    def _brier_scores(self, curves, y, censoring):
        """Brier scores at the times, and integrated up to the last of them."""
        at = _times_within(self.times, y, censoring)
        brier = brier_score(y, curves(at), times=at, censoring=censoring)
        scores = {f"neg_brier_{t:g}": -float(s) for t, s in zip(self.times, brier)}
        grid = np.linspace(0, at.max(), _N_GRID + 1)[1:]
        scores["neg_integrated_brier"] = -integrated_brier_score(
            y, curves(grid), times=grid, censoring=censoring
        )
        return scores


def _times_within(times, y, censoring):
    """Times moved to where cases, controls and the censoring distribution exist."""
    event, time = check_survival(y)
    first = time[event].min()
    last = min(time[time < time.max()].max(initial=0.0), censoring.end_)
    if first > last:
        raise ValueError(
            f"The first event of these {len(time)} samples is at time {first:g}, but "
            f"scores are defined up to {last:g} only, where follow-up here or in the "
            "training set ends. Use fewer folds, so that each holds more events."
        )
    return np.clip(times, first, last)


def _censoring_of(estimator):
    """The censoring distribution that a fitted estimator, or the one inside, keeps."""
    if hasattr(estimator, "censoring_"):
        return estimator.censoring_
    if hasattr(estimator, "best_estimator_"):
        return _censoring_of(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return _censoring_of(estimator[-1])
    raise ValueError(
        f"{type(estimator).__name__} keeps no censoring distribution of its training "
        "set, which these scores need. Wrap it: WithCensoring(estimator), from "
        "ecgdan_sk.metrics."
    )


def survival_curves(estimator, X):
    """A function of times that gives survival of shape (n_samples, n_times).

    1 before the first known time of a step function, its last value after the last.
    """
    curves = estimator.predict_survival_function(X)

    def survival(times):
        return np.stack(
            [
                np.where(times < curve.x[0], 1.0, curve(np.clip(times, *curve.domain)))
                for curve in curves
            ]
        )

    return survival

"""Scorers: functions of an estimator, X and y, for cross-validation."""

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils.metadata_routing import MetadataRequest

from .._outcomes import check_survival
from .._warnings import warn
from ._at_times import brier_score, cumulative_dynamic_auc, integrated_brier_score
from ._concordance import concordance_index, concordance_index_ipcw

concordance_scorer = make_scorer(concordance_index)

_N_GRID = 100


def survival_scorers(times):
    """All scores of a survival model, from one fit and one prediction.

    Parameters
    ----------
    times : float or array-like of shape (n_times,)
        Times of the AUC and the Brier score, in the unit of the target. Choose times
        that every fold reaches. If the follow-up or the censoring curve of a fold ends
        earlier, the score is taken at that end, under the same name and with a warning;
        a time before the first event of a fold is moved to that event.

    Returns
    -------
    callable
        `scorers(estimator, X, y, *, entry=None, strata=None)` -> dict. Give it as
        `scoring` to `cross_validate` or, with `refit`, to a search. Metadata routing
        passes times of entry and strata on to the metrics; predicted survival is then
        divided by the survival at entry. The keys are ``concordance_index``,
        ``concordance_index_ipcw``, ``auc_<time>`` and, for estimators that predict
        survival functions, ``neg_brier_<time>`` and ``neg_integrated_brier`` (from 0 to
        the last of the times). Higher is better.

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

    def get_metadata_routing(self):
        """Metadata that cross-validation should pass on."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="entry", alias=True)
        request.score.add_request(param="strata", alias=True)
        return request

    def __call__(self, estimator, X, y, *, entry=None, strata=None):
        given = {"censoring": _censoring_of(estimator), "entry": entry}
        risk = estimator.predict(X)
        scores = {
            "concordance_index": concordance_index(y, risk, strata=strata, entry=entry),
            "concordance_index_ipcw": concordance_index_ipcw(
                y, risk, tau=_last_event(**given), strata=strata, **given
            ),
        }
        at = _times_within(self.times, y, **given)
        auc = cumulative_dynamic_auc(y, risk, times=at, strata=strata, **given)
        scores |= {f"auc_{t:g}": float(score) for t, score in zip(self.times, auc)}
        if hasattr(estimator, "predict_survival_function"):
            scores |= self._brier_scores(
                survival_curves(estimator, X, entry), y, at, **given
            )
        return scores

    def _brier_scores(self, curves, y, at, *, censoring, entry):
        """Brier scores at the times, and integrated up to the last of them."""
        given = {"censoring": censoring, "entry": entry}
        brier = brier_score(y, curves(at), times=at, **given)
        scores = {f"neg_brier_{t:g}": -float(s) for t, s in zip(self.times, brier)}
        start = 0 if entry is None else np.min(entry)
        grid = np.linspace(start, at.max(), _N_GRID + 1)[1:]
        scores["neg_integrated_brier"] = -integrated_brier_score(
            y, curves(grid), times=grid, **given
        )
        return scores


def _last_event(censoring, entry):
    """Where to stop, so that the event at the end of the curve still counts."""
    # With entry, each sample has an end of its own.
    return np.nextafter(censoring.end_, np.inf) if entry is None else None


def _times_within(times, y, censoring, entry):
    """Times moved to where cases, controls and the censoring distribution exist."""
    event, time = check_survival(y)
    first, last = time[event].min(), time[time < time.max()].max(initial=0.0)
    if entry is None:
        last = min(last, censoring.end_)
    if first > last:
        raise ValueError(
            f"The first event of these {len(time)} samples is at time {first:g}, but "
            f"scores are defined up to {last:g} only, where follow-up here or in the "
            "training set ends. Use fewer folds, so that each holds more events."
        )
    within = np.clip(times, first, last)
    if (within != times).any():
        pairs = zip(times[within != times], within[within != times])
        warn(
            f"These {len(time)} samples can be scored from time {first:g} to {last:g}: "
            f"{', '.join(f'time {t:g} was scored at {at:g}' for t, at in pairs)}. "
            "Scores of folds at different times are not to be averaged: choose times "
            "that every fold reaches, or fewer folds.",
        )
    return within


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


def survival_curves(estimator, X, entry=None):
    """A function of times that gives survival of shape (n_samples, n_times).

    1 before the first known time of a step function, its last value after the last.
    With times of entry, given that there was no event until then.
    """
    curves = estimator.predict_survival_function(X)

    def alive(curve, times):
        return np.where(times < curve.x[0], 1.0, curve(np.clip(times, *curve.domain)))

    def survival(times):
        if entry is None:
            return np.stack([alive(curve, times) for curve in curves])
        # Nobody who entered with a survival of 0 there is left to divide by it.
        return np.stack(
            [
                np.minimum(alive(curve, times) / max(alive(curve, start), 1e-300), 1.0)
                for curve, start in zip(curves, np.asarray(entry, float))
            ]
        )

    return survival

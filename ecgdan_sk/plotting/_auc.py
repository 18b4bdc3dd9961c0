"""Discrimination of risks over time."""

from functools import partial

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._outcomes import check_survival, unit_told
from ..metrics import bootstrap_ci, cumulative_dynamic_auc
from ._axes import COLORS, GREY, new_axes, tidy

_DECILES = np.linspace(0.1, 0.9, 9)
_ENOUGH = 10  # events by a time, so that hardly any bootstrap sample is without


class TimeDependentAUCDisplay:
    """Area under the ROC curve at each time, with a pointwise 95 % interval.

    The dashed line shows chance.

    Parameters
    ----------
    times : array-like of shape (n_times,)
        Increasing times.
    auc, low, high : array-like of shape (n_times,)
        AUC at each time, and its interval.
    name : str or None, default=None
        Name of the model, for the legend.
    time_unit : str, default="days"
        Unit of `times`. More than two years of days are shown as years.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        The last drawing.

    See Also
    --------
    ecgdan_sk.metrics.cumulative_dynamic_auc : The values of the curve.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from ecgdan_sk.plotting import TimeDependentAUCDisplay
    >>> X, y = load_whas500()
    >>> display = TimeDependentAUCDisplay.from_predictions(
    ...     y, X["age"], n_resamples=20, random_state=0
    ... )
    >>> bool((display.low < display.auc).all())
    True
    """

    def __init__(self, times, auc, low, high, *, name=None, time_unit="days"):
        self.times = np.asarray(times, dtype=np.float64)
        self.auc, self.low, self.high = (np.asarray(v) for v in (auc, low, high))
        self.name = name
        self.time_unit = time_unit

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        times=None,
        censoring=None,
        groups=None,
        n_resamples=200,
        random_state=None,
        name=None,
        time_unit="days",
        ax=None,
    ):
        """Score risks at each time, and draw.

        Parameters
        ----------
        y_true : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        y_pred : array-like of shape (n_samples,)
            Predicted risk, on any scale.
        times : array-like of shape (n_times,) or None, default=None
            Increasing times in the unit of `y_true`. None means the deciles of the
            event times, from the tenth event on: before, a bootstrap sample may hold
            no event.
        censoring : CensoringKaplanMeier, structured array or None, default=None
            Censoring distribution, see `ecgdan_sk.metrics.cumulative_dynamic_auc`.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample, if patients have several samples. None means that
            each sample is a patient.
        n_resamples : int, default=200
            Bootstrap samples, for percentile intervals.
        random_state : int, RandomState instance or None, default=None
            Determines the bootstrap samples.
        name : str or None, default=None
            Name of the model, for the legend.
        time_unit : str, default="days"
            Unit of `y_true`.
        ax : Axes or None, default=None
            Axes for the drawing; several models can share one. None makes a figure.

        Returns
        -------
        TimeDependentAUCDisplay
        """
        event, time = check_survival(y_true)
        if times is None:
            times = _default_times(time[event])
        times = np.atleast_1d(np.asarray(times, dtype=np.float64))
        intervals = [
            bootstrap_ci(
                partial(_auc_at, time=t, censoring=censoring),
                y_true,
                y_pred,
                groups=groups,
                method="percentile",
                n_resamples=n_resamples,
                random_state=random_state,
            )
            for t in times
        ]
        scores = np.array(intervals).T
        return cls(times, *scores, name=name, time_unit=time_unit).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        times=None,
        groups=None,
        n_resamples=200,
        random_state=None,
        name=None,
        time_unit="days",
        ax=None,
    ):
        """Predict risks, score them at each time, and draw.

        Parameters
        ----------
        estimator : object
            Fitted survival estimator. The censoring distribution is that of its
            training set (`censoring_`), if it has one, else that of `y`.
        X : array-like of shape (n_samples, ...) or ECGRecords
            Patients that it was not trained on.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        times : array-like of shape (n_times,) or None, default=None
            Increasing times in the unit of `y`. None means the deciles of the event
            times, from the tenth event on.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample. None takes the `patient_ids` of `X`, if there are
            any.
        n_resamples : int, default=200
            Bootstrap samples, for percentile intervals.
        random_state : int, RandomState instance or None, default=None
            Determines the bootstrap samples.
        name : str or None, default=None
            Name of the model. None means the name of its class.
        time_unit : str, default="days"
            Unit of `y`.
        ax : Axes or None, default=None
            Axes for the drawing; several models can share one. None makes a figure.

        Returns
        -------
        TimeDependentAUCDisplay
        """
        check_is_fitted(estimator)
        return cls.from_predictions(
            y,
            estimator.predict(X),
            times=times,
            censoring=getattr(estimator, "censoring_", None),
            groups=getattr(X, "patient_ids", None) if groups is None else groups,
            n_resamples=n_resamples,
            random_state=random_state,
            name=type(estimator).__name__ if name is None else name,
            time_unit=time_unit,
            ax=ax,
        )

    def plot(self, ax=None):
        """Draw the AUC over time.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing; several models can share one. None makes a figure.

        Returns
        -------
        TimeDependentAUCDisplay
            Itself.
        """
        ax = new_axes(ax)
        scale, unit = unit_told(self.times[-1], self.time_unit)
        times = self.times / scale
        n_before = sum(not line.get_label().startswith("_") for line in ax.lines)
        color = COLORS[n_before % len(COLORS)]
        ax.plot(times, self.auc, "o-", ms=3, color=color, label=self.name or "AUC")
        ax.fill_between(times, self.low, self.high, color=color, alpha=0.15, lw=0)
        if n_before == 0:
            ax.axhline(0.5, color=GREY, ls="--", lw=1)
        lowest = min(ax.get_ylim()[0], self.low.min() - 0.02, 0.45)
        ax.set(ylim=(max(0, lowest), 1), xlabel=f"Time ({unit})")
        ax.set(ylabel="AUC for the event by that time")
        tidy(ax)
        if self.name or n_before:
            ax.legend(fontsize="small", edgecolor="none", loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _auc_at(y_true, y_pred, time, censoring):
    """AUC at one time."""
    return cumulative_dynamic_auc(y_true, y_pred, times=time, censoring=censoring)


def _default_times(time):
    """Deciles of the event times, from the tenth event on."""
    first = np.sort(time)[min(_ENOUGH, len(time)) - 1]
    deciles = np.unique(np.quantile(time, _DECILES))
    return deciles[deciles >= first] if deciles[-1] >= first else [first]

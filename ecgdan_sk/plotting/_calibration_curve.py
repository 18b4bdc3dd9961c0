"""Calibration: predicted against observed risks."""

import numpy as np

from .._outcomes import time_told
from ..metrics import calibration
from ._axes import COLORS, GREY, new_axes, tidy
from ._predictions import predicted_event


class CalibrationDisplay:
    """Predicted against observed risk at a time, in bins and as a smooth curve.

    The points are bins of equal size with 95 % intervals. The line is the smooth curve.
    The bars below show the distribution of the predictions. Perfect predictions lie on
    the dashed diagonal. Use patients that the model was not trained on.

    Parameters
    ----------
    y_pred : array-like of shape (n_samples,)
        Predicted probability of the event by the time.
    result : Calibration
        Result of `ecgdan_sk.metrics.calibration` for these predictions.
    time : float
        Horizon, in the unit of `y_true`.
    time_unit : str, default="days"
        Unit of `y_true`.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        The last drawing.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.plotting import CalibrationDisplay
    >>> X, y = load_whas500()
    >>> cox = CoxPHSurvivalAnalysis().fit(X[:250].astype(float), y[:250])
    >>> display = CalibrationDisplay.from_estimator(
    ...     cox, X[250:].astype(float), y[250:], time=365
    ... )
    >>> round(display.result.slope, 1)
    0.7
    """

    def __init__(self, y_pred, result, time, *, time_unit="days"):
        self.y_pred = np.asarray(y_pred, dtype=np.float64)
        self.result = result
        self.time = time
        self.time_unit = time_unit

    @classmethod
    def from_predictions(
        cls, y_true, y_pred, *, time, n_bins=10, cause=1, time_unit="days", ax=None
    ):
        """Compare predicted risks with observed risks, and draw.

        Parameters
        ----------
        y_true : structured array of shape (n_samples,)
            Fields (event, time). The event may hold 0 for censored and 1, 2, ... for
            competing causes.
        y_pred : array-like of shape (n_samples,)
            Predicted probability of the event by `time`: 1 - survival, or the
            cumulative incidence of `cause`.
        time : float
            Horizon, in the unit of `y_true`.
        n_bins : int, default=10
            Number of bins; there are fewer if predictions are tied.
        cause : int, default=1
            The cause whose risk was predicted.
        time_unit : str, default="days"
            Unit of `y_true`.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        CalibrationDisplay
        """
        result = calibration(y_true, y_pred, time=time, n_bins=n_bins, cause=cause)
        return cls(y_pred, result, time, time_unit=time_unit).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, time, n_bins=10, time_unit="days", ax=None
    ):
        """Predict risks, compare them with observed risks, and draw.

        Parameters
        ----------
        estimator : object
            Fitted survival estimator with `predict_survival_function`.
        X : array-like of shape (n_samples, ...) or ECGRecords
            Patients that it was not trained on.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        time : float
            Horizon, in the unit of `y`.
        n_bins : int, default=10
            Number of bins; there are fewer if predictions are tied.
        time_unit : str, default="days"
            Unit of `y`.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        CalibrationDisplay
        """
        risk = predicted_event(estimator, X, time)
        return cls.from_predictions(
            y, risk, time=time, n_bins=n_bins, time_unit=time_unit, ax=ax
        )

    def plot(self, ax=None):
        """Draw points, curve and the distribution of the predictions.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        CalibrationDisplay
            Itself.
        """
        ax = new_axes(ax, (6.4, 4.6))
        result, order = self.result, self.y_pred.argsort()
        shown = [self.y_pred, result.observed, result.high[np.isfinite(result.high)]]
        top = min(1.0, 1.03 * max(values.max(initial=0.01) for values in shown))
        ax.plot([0, top], [0, top], "--", color=GREY, lw=1, label="Perfect")
        risk, smooth = self.y_pred[order], result.smooth[order]
        ax.plot(risk, smooth, color=COLORS[0], label="Smooth curve")
        away = np.abs([result.low, result.high] - result.observed)
        ax.errorbar(
            result.predicted,
            result.observed,
            np.nan_to_num(away),
            fmt="o",
            ms=4,
            lw=1,
            color=COLORS[1],
            label="Bins, 95 % interval",
        )
        self._draw_spread(ax, top)
        by = f"by {time_told(self.time, self.time_unit)}"
        ax.set(xlabel=f"Predicted risk {by}", ylabel=f"Observed risk {by}")
        ax.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        said = f"Slope {_known(result.slope, '.2f')}\n"
        said += f"Intercept {_known(result.intercept, '+.2f')}\n"
        said += f"ICI {100 * result.ici:.1f}%"
        legend = {"fontsize": "small", "title_fontsize": "small", "frameon": False}
        beside = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        ax.legend(title=said, alignment="left", **beside, **legend)
        tidy(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_spread(self, ax, top):
        """A histogram of the predictions along the bottom."""
        counts, edges = np.histogram(self.y_pred, bins=40, range=(0, top))
        height = 0.1 * top * counts / counts.max()
        ax.bar(edges[:-1], height, np.diff(edges), align="edge", color=GREY, alpha=0.4)


def _known(value, form):
    """A formatted number, or "not defined", for instance if all risks are equal."""
    return f"{value:{form}}" if np.isfinite(value) else "not defined"

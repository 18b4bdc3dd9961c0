"""Predicted survival of some patients, compared with a cohort."""

import numpy as np

from .._outcomes import unit_told
from ..metrics._checks import check_probability
from ._axes import COLORS, GREY, new_axes, tidy, within_unit
from ._predictions import last_predicted_time, predicted_survival

_MOST_CURVES = len(COLORS)
_N_TIMES = 200
_BANDS = ((0.05, 0.95), (0.25, 0.75))


class SurvivalCurveDisplay:
    """Predicted survival of some patients, with quantiles of a cohort behind.

    Light grey shows the middle 90 % of the cohort at each time, dark grey the middle
    half. The dashed line is the median.

    Parameters
    ----------
    times : array-like of shape (n_times,)
        Increasing times.
    survival : array-like of shape (n_samples, n_times)
        Predicted probability of no event until each time, for at most seven patients.
    cohort : array-like of shape (n_cohort, n_times) or None, default=None
        The same for a cohort.
    labels : sequence of str or None, default=None
        Name of each patient. None numbers them from 0.
    time_unit : str, default="days"
        Unit of `times`. More than two years of days are shown as years.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        The last drawing.

    Raises
    ------
    ValueError
        If there are more than seven patients, or if values are not probabilities.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.plotting import SurvivalCurveDisplay
    >>> X, y = load_whas500()
    >>> X = X.astype(float)
    >>> cox = CoxPHSurvivalAnalysis().fit(X, y)
    >>> display = SurvivalCurveDisplay.from_estimator(cox, X[:2], cohort=X)
    >>> display.ax_.get_xlabel()
    'Time (years)'
    """

    def __init__(self, times, survival, cohort=None, *, labels=None, time_unit="days"):
        self.times = np.asarray(times, dtype=np.float64)
        self.survival = _checked(survival, self.times, "survival of the patients")
        self.cohort = None
        if cohort is not None:
            self.cohort = _checked(cohort, self.times, "survival of the cohort")
        if len(self.survival) > _MOST_CURVES:
            raise ValueError(
                f"At most {_MOST_CURVES} curves can be told apart, got "
                f"{len(self.survival)}. Choose some, and pass all as `cohort`."
            )
        numbers = [f"Patient {i}" for i in range(len(self.survival))]
        self.labels = numbers if labels is None else [str(label) for label in labels]
        if len(self.labels) != len(self.survival):
            raise ValueError(
                f"Expected one label for each of the {len(self.survival)} patients, "
                f"got {len(self.labels)}."
            )
        self.time_unit = time_unit

    @classmethod
    def from_estimator(
        cls, estimator, X, *, cohort=None, labels=None, time_unit="days", ax=None
    ):
        """Predict survival and draw it.

        Parameters
        ----------
        estimator : object
            Fitted survival estimator with `predict_survival_function`.
        X : array-like of shape (n_samples, ...) or ECGRecords
            At most seven patients.
        cohort : array-like of shape (n_cohort, ...), ECGRecords or None, default=None
            Patients for comparison, if possible not from the training data.
        labels : sequence of str or None, default=None
            Name of each patient. None numbers them from 0.
        time_unit : str, default="days"
            Unit of the target of `fit`.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        SurvivalCurveDisplay
        """
        times = np.linspace(0, last_predicted_time(estimator, X), _N_TIMES)
        behind = None
        if cohort is not None:
            behind = predicted_survival(estimator, cohort, times)
        curves = predicted_survival(estimator, X, times)
        display = cls(times, curves, behind, labels=labels, time_unit=time_unit)
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        SurvivalCurveDisplay
            Itself.
        """
        ax = new_axes(ax, (7.0, 4.0))
        scale, unit = unit_told(self.times[-1], self.time_unit)
        times = self.times / scale
        if self.cohort is not None:
            for low, high in _BANDS:
                edges = np.quantile(self.cohort, (low, high), axis=0)
                label = f"Middle {high - low:.0%} of the cohort".replace("%", " %")
                alpha = 0.18 if low < 0.1 else 0.3
                ax.fill_between(
                    times,
                    *edges,
                    step="post",
                    color=GREY,
                    alpha=alpha,
                    lw=0,
                    label=label,
                )
            median = np.median(self.cohort, axis=0)
            ax.step(times, median, where="post", color=GREY, ls="--", lw=1)
        for curve, label, color in zip(self.survival, self.labels, COLORS):
            line = ax.step(times, curve, where="post", color=color, label=label)[0]
            within_unit(line)
        ax.set(xlim=(0, times[-1]), xlabel=f"Time ({unit})")
        ax.set_ylabel("Predicted free of the event")
        ax.yaxis.set_major_formatter("{x:.0%}")
        tidy(ax)
        beside = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        ax.legend(fontsize="small", frameon=False, **beside)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _checked(survival, times, what):
    """Probabilities of shape (n, n_times)."""
    survival = np.atleast_2d(survival)
    return check_probability(survival, (len(survival), len(times)), what)

"""Survival of patients of low and of high predicted risk."""

import numpy as np
from sklearn.utils import check_random_state
from sksurv.compare import compare_survival
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from .._outcomes import check_survival, unit_told
from ..metrics._checks import check_risk
from ..model_selection import out_of_fold
from ._axes import GREY, new_axes, sequential, tidy, within_unit

# The axis ends where fewer than this share is at risk (Pocock et al., 2002).
_LEAST_AT_RISK = 0.1
_FIRST_LINE, _LINE, _LABELS = -38, 12, -25  # points, of the table below the axis


class KaplanMeierDisplay:
    """Kaplan-Meier curves of groups of predicted risk, with the numbers at risk.

    Bands are pointwise 95 % intervals on the log-log scale. The axis ends when less
    than a tenth of the samples is at risk (Pocock et al., 2002, Lancet 359, 1686-1689).

    **The risks must come from models that were not trained on the patient**: risks of
    training patients separate the groups even on pure noise. `from_estimator` computes
    out-of-fold risks by cross-validation. The log-rank test is valid for one model on
    test patients. It is not valid for out-of-fold risks, because the models of
    different folds share patients: on pure noise about one p-value in ten is below
    0.05. `from_estimator` therefore gives no p-value unless it permutes the outcomes
    (Simon et al., 2011).

    Parameters
    ----------
    y : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    group : array-like of int of shape (n_samples,)
        Group of each sample, 0 for the lowest risk.
    labels : sequence of str
        Name of each group.
    time_unit : str, default="days"
        Unit of `y`. Days are shown as years where follow-up is longer than two years.

    Attributes
    ----------
    p_value : float or None
        Of the log-rank test of all groups, or of its permutation. None for out-of-fold
        risks without permutations.
    ax_, figure_ : Axes, Figure
        The last drawing.

    Raises
    ------
    ValueError
        If there is one group only, or a group of one sample.

    References
    ----------
    Kaplan and Meier (1958), Journal of the American Statistical Association 53,
    457-481; Mantel (1966), Cancer Chemotherapy Reports 50, 163-170 (log-rank test);
    Simon et al. (2011), Briefings in Bioinformatics 12, 203-214 (permutation).

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.plotting import KaplanMeierDisplay
    >>> X, y = load_whas500()
    >>> cox = CoxPHSurvivalAnalysis()
    >>> display = KaplanMeierDisplay.from_estimator(cox, X.astype(float), y)
    >>> display.labels
    ('Lowest 33 %', '33 to 67 %', 'Highest 33 %')
    """

    def __init__(self, y, group, labels, *, time_unit="days"):
        self.event, self.time = check_survival(y)
        self.group = np.asarray(group)
        self.labels = tuple(labels)
        self.time_unit = time_unit
        sizes = np.bincount(self.group, minlength=len(self.labels))
        if len(sizes) < 2 or sizes.min() < 2:
            raise ValueError(
                "Expected two or more groups of two or more samples, got the sizes "
                f"{dict(zip(self.labels, sizes.tolist()))}. Choose fewer groups; many "
                "equal risks cannot be divided."
            )
        outcome = Surv.from_arrays(self.event, self.time)
        self._chi2, self.p_value = map(float, compare_survival(outcome, self.group))
        self._test = "Log-rank"

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        quantiles=(1 / 3, 2 / 3),
        pooled_folds=False,
        time_unit="days",
        ax=None,
    ):
        """Draw the curves of given risks.

        Parameters
        ----------
        y_true : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        y_pred : array-like of shape (n_samples,)
            Risk of each sample on any scale, from a model that was not trained on it,
            such as the risks of `ecgdan_sk.model_selection.out_of_fold`.
        quantiles : sequence of float, default=(1 / 3, 2 / 3)
            Quantiles of the risk that divide the groups: (0.9,) separates the highest
            tenth.
        pooled_folds : bool, default=False
            Whether the risks come from the models of several folds. The log-rank test
            is then not valid, and no p-value is given.
        time_unit : str, default="days"
            Unit of `y_true`.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        KaplanMeierDisplay
        """
        _, time = check_survival(y_true)
        risk = check_risk(y_pred, len(time))
        cuts = _checked_quantiles(quantiles)
        group = _group(risk, cuts)
        display = cls(y_true, group, _labels(cuts), time_unit=time_unit)
        if pooled_folds:
            display.p_value = None
        return display.plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        cv=5,
        groups=None,
        n_jobs=None,
        quantiles=(1 / 3, 2 / 3),
        n_permutations=0,
        random_state=None,
        time_unit="days",
        ax=None,
    ):
        """Draw the curves of out-of-fold risks, from clones of the estimator.

        Parameters
        ----------
        estimator : object
            Survival estimator; a clone is fitted to each training set.
        X : array-like of shape (n_samples, ...) or ECGRecords
            ECGs in the form that the estimator takes.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        cv : int or splitter, default=5
            An int means `EventKFold` with so many folds, `random_state=0`.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample, passed to the splitter.
        n_jobs : int or None, default=None
            Number of processes; None means 1.
        quantiles : sequence of float, default=(1 / 3, 2 / 3)
            Quantiles of the risk that divide the groups.
        n_permutations : int, default=0
            Number of permutations of the outcomes, each with a new cross-validation,
            for an exact p-value. 0 gives no p-value.
        random_state : int, RandomState instance or None, default=None
            Determines the permutations.
        time_unit : str, default="days"
            Unit of `y`.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        KaplanMeierDisplay
        """
        y, cuts = np.asarray(y), _checked_quantiles(quantiles)
        groups = getattr(X, "patient_ids", None) if groups is None else groups
        if n_permutations and groups is not None and len(np.unique(groups)) < len(y):
            raise ValueError(
                "Outcomes cannot be permuted where a patient has several samples: they "
                "belong together. Keep one sample of each, or n_permutations=0."
            )

        def display_of(outcome):
            risk = out_of_fold(estimator, X, outcome, cv, groups=groups, n_jobs=n_jobs)
            return cls(outcome, _group(risk, cuts), _labels(cuts), time_unit=time_unit)

        display, rng = display_of(y), check_random_state(random_state)
        display.p_value = None
        if n_permutations:
            permuted = [display_of(rng.permutation(y)) for _ in range(n_permutations)]
            n_larger = sum(p._chi2 >= display._chi2 for p in permuted)
            display.p_value = (1 + n_larger) / (1 + n_permutations)
            display._test = "Permutation"
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw the curves and the numbers at risk below them.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        KaplanMeierDisplay
            Itself.
        """
        ax = new_axes(ax, (6.0, 4.8))
        end = np.quantile(self.time, 1 - _LEAST_AT_RISK)
        scale, unit = unit_told(self.time.max(), self.time_unit)
        colors = sequential(len(self.labels))
        for k, (label, color) in enumerate(zip(self.labels, colors)):
            self._draw_curve(ax, self.group == k, scale, color=color, label=label)
        ax.set(
            xlim=(0, end / scale),
            xlabel=f"Time ({unit})",
            ylabel="Free of the event",
        )
        ax.yaxis.set_major_formatter("{x:.0%}")
        tidy(ax)
        self._draw_at_risk(ax, scale, colors)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_curve(self, ax, rows, scale, *, color, label):
        """One curve in its band."""
        times, survival, band = kaplan_meier_estimator(
            self.event[rows], self.time[rows], conf_type="log-log"
        )
        times = np.append(0, times / scale)
        low, high = (np.append(1, edge) for edge in band)
        survival = np.append(1, survival)
        curve = ax.step(times, survival, where="post", color=color, label=label)[0]
        fill = {"color": color, "alpha": 0.15, "lw": 0}
        band = ax.fill_between(times, low, high, step="post", **fill)
        within_unit(curve, band)

    def _draw_at_risk(self, ax, scale, colors):
        """Numbers at risk at each tick; the table is also the legend."""
        ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= ax.get_xlim()[1]]
        head = {"color": GREY, "y": _FIRST_LINE}
        _below(ax, 0, "Predicted risk", x_offset=_LABELS, ha="right", **head)
        _below(ax, 0, "At risk", ha="left", x_offset=-8, **head)
        if self.p_value is not None:
            said = f"{self._test} {_p_text(self.p_value)}"
            _below(ax, ax.get_xlim()[1], said, ha="right", **head)
        for k, (label, color) in enumerate(zip(self.labels, colors)):
            y = _FIRST_LINE - (k + 1) * _LINE
            _below(ax, 0, label, y=y, x_offset=_LABELS, ha="right")
            _below(ax, 0, "\u2501", y=y, x_offset=-17, ha="center", color=color)
            followed = self.time[self.group == k]
            for tick in ticks:
                _below(ax, tick, f"{(followed >= tick * scale).sum()}", y=y)


def _below(ax, x, text, *, y, x_offset=0, ha="center", **style):
    """Text below the axis, offsets in points, which do not change with the layout."""
    where = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
    style = {"fontsize": 8, "ha": ha, "va": "top", **style}
    ax.annotate(text, (x, 0), (x_offset, y), **where, **style)


def _p_text(p):
    """A p-value as journals print it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _checked_quantiles(quantiles):
    """Increasing quantiles inside (0, 1)."""
    cuts = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    inside = (cuts > 0) & (cuts < 1)
    if (
        cuts.ndim != 1
        or not cuts.size
        or not inside.all()
        or (np.diff(cuts) <= 0).any()
    ):
        raise ValueError(
            "Expected increasing quantiles inside (0, 1), such as (0.5, 0.9), got "
            f"{quantiles}."
        )
    return cuts


def _group(risk, cuts):
    """Group of each sample, from 0 for the lowest risks; equal risks share one."""
    return np.searchsorted(np.quantile(risk, cuts), risk, side="right")


def _labels(cuts):
    """Names of the groups between the quantiles."""
    percent = [f"{100 * cut:.3g}" for cut in np.round(cuts, 2)]
    middle = [f"{a} to {b} %" for a, b in zip(percent, percent[1:])]
    highest = f"{100 - 100 * np.round(cuts[-1], 2):.3g}"
    return (f"Lowest {percent[0]} %", *middle, f"Highest {highest} %")

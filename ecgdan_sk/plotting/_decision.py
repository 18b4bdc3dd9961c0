"""Decision curves: the net benefit of acting on predicted risks."""

import numpy as np

from ..metrics import net_benefit
from ..metrics._checks import check_probability
from ._axes import COLORS, GREY, new_axes, tidy
from ._predictions import predicted_event

_N_THRESHOLDS = 100
_TREAT_ALL, _TREAT_NONE = "Treat all", "Treat none"


class DecisionCurveDisplay:
    """Net benefit of a model at each risk threshold, against treating all or nobody.

    Parameters
    ----------
    thresholds : array-like of shape (n_thresholds,)
        Risk thresholds for treatment, inside (0, 1).
    benefit, treat_all : array-like of shape (n_thresholds,)
        Net benefit of the model, and of treating everybody.
    name : str, default="Model"
        Name of the model, for the legend.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        The last drawing.

    See Also
    --------
    ecgdan_sk.metrics.net_benefit : The values of the curves.

    References
    ----------
    Vickers and Elkin (2006), Medical Decision Making 26, 565-574.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.plotting import DecisionCurveDisplay
    >>> X, y = load_whas500()
    >>> cox = CoxPHSurvivalAnalysis().fit(X[:250].astype(float), y[:250])
    >>> display = DecisionCurveDisplay.from_estimator(
    ...     cox, X[250:].astype(float), y[250:], time=365
    ... )
    >>> bool((display.benefit >= display.treat_all).mean() > 0.8)
    True
    """

    def __init__(self, thresholds, benefit, treat_all, *, name="Model"):
        self.thresholds = np.asarray(thresholds, dtype=np.float64)
        self.benefit = np.asarray(benefit, dtype=np.float64)
        self.treat_all = np.asarray(treat_all, dtype=np.float64)
        self.name = name

    @classmethod
    def from_predictions(
        cls, y_true, y_pred, *, time, thresholds=None, cause=1, name="Model", ax=None
    ):
        """Compute net benefits of predicted risks, and draw.

        Parameters
        ----------
        y_true : structured array of shape (n_samples,)
            Fields (event, time). The event may hold 0 for censored and 1, 2, ... for
            competing causes.
        y_pred : array-like of shape (n_samples,)
            Predicted probability of the event by `time`.
        time : float
            Horizon within which the event is to be prevented, in the unit of `y_true`.
        thresholds : array-like of shape (n_thresholds,) or None, default=None
            Risk thresholds for treatment, inside (0, 1). None means from 0 to the 95th
            percentile of the predictions.
        cause : int, default=1
            The event that the treatment prevents.
        name : str, default="Model"
            Name of the model, for the legend.
        ax : Axes or None, default=None
            Axes for the drawing; several models can share one. None makes a figure.

        Returns
        -------
        DecisionCurveDisplay
        """
        risk = check_probability(y_pred, np.shape(y_true), "probabilities of the event")
        if thresholds is None:
            highest = np.clip(np.quantile(risk, 0.95), 0.01, 0.99)
            thresholds = np.linspace(0, highest, _N_THRESHOLDS + 1)[1:]
        thresholds = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
        benefit, treat_all = (
            net_benefit(y_true, r, time=time, threshold=thresholds, cause=cause)
            for r in (risk, np.ones(len(risk)))
        )
        return cls(thresholds, benefit, treat_all, name=name).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, time, thresholds=None, name=None, ax=None
    ):
        """Predict risks, compute their net benefits, and draw.

        Parameters
        ----------
        estimator : object
            Fitted survival estimator with `predict_survival_function`.
        X : array-like of shape (n_samples, ...) or ECGRecords
            Patients that it was not trained on.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        time : float
            Horizon within which the event is to be prevented, in the unit of `y`.
        thresholds : array-like of shape (n_thresholds,) or None, default=None
            Risk thresholds for treatment, inside (0, 1). None means from 0 to the 95th
            percentile of the predictions.
        name : str or None, default=None
            Name of the model. None means the name of its class.
        ax : Axes or None, default=None
            Axes for the drawing; several models can share one. None makes a figure.

        Returns
        -------
        DecisionCurveDisplay
        """
        risk = predicted_event(estimator, X, time)
        name = type(estimator).__name__ if name is None else name
        return cls.from_predictions(
            y, risk, time=time, thresholds=thresholds, name=name, ax=ax
        )

    def plot(self, ax=None):
        """Draw the curves; the curves of treating all and nobody once on each Axes.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing; several models can share one. None makes a figure.

        Returns
        -------
        DecisionCurveDisplay
            Itself.
        """
        ax = new_axes(ax)
        drawn = [line.get_label() for line in ax.lines]
        if _TREAT_ALL not in drawn:
            treat_all = {"color": GREY, "lw": 1, "label": _TREAT_ALL}
            ax.plot(self.thresholds, self.treat_all, **treat_all)
            ax.axhline(0, color="black", lw=1, ls="--", label=_TREAT_NONE)
        n_models = len(set(drawn) - {_TREAT_ALL, _TREAT_NONE})
        color = COLORS[n_models % len(COLORS)]
        ax.plot(self.thresholds, self.benefit, color=color, label=self.name)
        # Treating all soon falls far below zero, out of the interesting range.
        top = max(0.01, *(np.max(line.get_ydata()) for line in ax.lines))
        ax.set(ylim=(-0.15 * top, 1.05 * top), ylabel="Net benefit")
        ax.set(xlabel="Risk from which one would treat")
        ax.set_xlim(0, max(self.thresholds[-1], ax.get_xlim()[1] if n_models else 0))
        ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        ax.legend(fontsize="small", edgecolor="none")
        tidy(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

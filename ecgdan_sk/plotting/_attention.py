"""Attention of the network, on the ECG itself and from lead to lead."""

import numpy as np

from ..explain import attention_maps
from ._axes import COLORS, GREY, checked_map, draw_matrix, pyplot, tidy
from ._page import ROW, draw_page, page_for
from ._paper import MM_PER_S, one_ecg, paper_axes, paper_figure

_PANELS = ("temporal", "cross_lead", "lead_importance")
_LOWER = 105  # mm, of the panels below the ECG
_LEAST_WASH = 1.5  # times the mean: attention that stays below is nearly even


class AttentionDisplay:
    """Attention of a network to one ECG: over time, across leads, and to each lead.

    The colour behind the traces shows attention over time: a deeper blue means more
    attention within the lead, and no colour means at most the mean of the lead. The
    matrix shows the attention from lead to lead. The bars show the attention that each
    lead receives, with the standard deviation between the networks; the dashed line is
    the value if all leads were equal.

    Attention shows where the network looked. It does not show which part changed the
    risk; see `ecgdan_sk.explain`.

    Parameters
    ----------
    leads : sequence of str of shape (n_leads,)
        Leads, in the order of the maps.
    temporal : array-like of shape (n_leads, n_times) or None, default=None
        Weight of each sample within its lead.
    cross_lead : array-like of shape (n_leads, n_leads) or None, default=None
        Weight that the lead of a row gives to the lead of a column.
    lead_importance, lead_importance_sd : array-like of shape (n_leads,) or None, \
default=None
        Weight that each lead receives, and its standard deviation.
    ecg : array-like of shape (12, n_times) or None, default=None
        The ECG in mV, with leads in the order of `LEADS`; needed for `temporal`.
    sampling_rate : float or None, default=None
        Sampling rate of the ECG, in Hz.

    Attributes
    ----------
    axes_ : dict of Axes
        Axes of the last drawing, by the name of the panel.
    figure_ : Figure
        The figure of these axes.

    See Also
    --------
    ecgdan_sk.explain.attention_maps : The maps that are drawn.
    GroupDifferenceDisplay : How the attention of two groups of patients differs.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.plotting import AttentionDisplay
    >>> display = AttentionDisplay(("I", "II"), lead_importance=[0.3, 0.7]).plot()
    >>> list(display.axes_)
    ['lead_importance']
    """

    def __init__(
        self,
        leads,
        *,
        temporal=None,
        cross_lead=None,
        lead_importance=None,
        lead_importance_sd=None,
        ecg=None,
        sampling_rate=None,
    ):
        self.leads = tuple(leads)
        n = len(self.leads)
        n_times = None if ecg is None else np.shape(ecg)[-1]
        self.temporal = checked_map(temporal, (n, n_times), "temporal")
        self.cross_lead = checked_map(cross_lead, (n, n), "cross_lead")
        self.lead_importance = checked_map(lead_importance, (n,), "lead_importance")
        self.lead_importance_sd = checked_map(lead_importance_sd, (n,), "its deviation")
        self.ecg = ecg
        self.sampling_rate = sampling_rate
        if not self._panels():
            raise ValueError(
                "There is nothing to draw: give temporal (with ecg and sampling_rate), "
                "cross_lead or lead_importance."
            )
        if temporal is not None and None in (n_times, sampling_rate):
            raise ValueError(
                "Attention over time is drawn behind the ECG: give ecg and "
                "sampling_rate with temporal."
            )

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        i=0,
        *,
        maps=("cross_lead", "temporal"),
        sampling_rate=None,
        panel=None,
        ax=None,
    ):
        """Compute the attention of a fitted estimator to an ECG, and draw it.

        Parameters
        ----------
        estimator : DualAttentionSurvival
            Fitted.
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, as for `predict`.
        i : int, default=0
            Position of the ECG in `X`.
        maps : sequence of str, default=("cross_lead", "temporal")
            Maps to draw; leave out a map whose attention was switched off.
        sampling_rate : float or None, default=None
            Samples per second, in Hz. None takes that of `ECGRecords`.
        panel : str or None, default=None
            See `plot`.
        ax : Axes or None, default=None
            See `plot`.

        Returns
        -------
        AttentionDisplay
        """
        ecg, rate = one_ecg(X, i, sampling_rate, "AttentionDisplay")
        one = X[[i]] if hasattr(X, "shape") else np.asarray(X)[[i]]
        explanation = attention_maps(estimator, one, maps=maps)
        return cls(ecg=ecg, sampling_rate=rate, **_maps_of(explanation, 0)).plot(
            ax, panel=panel
        )

    @classmethod
    def from_explanation(
        cls, explanation, X, i=0, *, sampling_rate=None, panel=None, ax=None
    ):
        """Draw one of the ECGs of an explanation.

        Parameters
        ----------
        explanation : AttentionMaps
            Result of `ecgdan_sk.explain.attention_maps` for `X`; heads are averaged.
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            The explained ECGs, in mV.
        i : int, default=0
            Position of the ECG in `X`.
        sampling_rate : float or None, default=None
            Samples per second, in Hz. None takes that of `ECGRecords`.
        panel : str or None, default=None
            See `plot`.
        ax : Axes or None, default=None
            See `plot`.

        Returns
        -------
        AttentionDisplay
        """
        ecg, rate = one_ecg(X, i, sampling_rate, "AttentionDisplay")
        display = cls(ecg=ecg, sampling_rate=rate, **_maps_of(explanation, i))
        return display.plot(ax, panel=panel)

    def plot(self, ax=None, *, panel=None):
        """Draw all panels on a new figure, or one of them on an Axes.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the panel. None makes a figure, with the ECG in true size.
        panel : {"temporal", "cross_lead", "lead_importance"} or None, default=None
            The panel. None draws all.

        Returns
        -------
        AttentionDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is no such panel, or if `ax` is given without `panel`.
        """
        there = self._panels()
        if panel is None and ax is not None and len(there) > 1:
            raise ValueError(
                f"An Axes holds one panel, but there are {', '.join(there)}. Name one "
                "with panel=..., or leave ax None."
            )
        if panel not in (None, *there):
            raise ValueError(f"Expected a panel of {', '.join(there)}, got {panel!r}.")
        wanted = there if panel is None else [panel]
        if ax is not None:
            self.axes_ = {wanted[0]: ax}
        else:
            self.axes_ = self._new_axes(wanted)
        for name, place in self.axes_.items():
            getattr(self, f"_draw_{name}")(place)
        self.figure_ = next(iter(self.axes_.values())).figure
        return self

    def _panels(self):
        """Names of the panels for which there is a map."""
        return [name for name in _PANELS if getattr(self, name) is not None]

    def _new_axes(self, wanted):
        """Axes by panel: the ECG of true size above, the others side by side below."""
        below = [name for name in wanted if name != "temporal"]
        if "temporal" not in wanted:
            size = (4.6 * len(below), 4.0)
            plt = pyplot()
            _, row = plt.subplots(1, len(below), figsize=size, layout="constrained")
            return dict(zip(below, np.atleast_1d(row)))
        width, height = self._page().size
        lower = _LOWER if below else 0
        figure = paper_figure(width, height + lower)
        axes = {"temporal": paper_axes(figure, 0, lower, width, height)}
        step = width / 2
        for k, name in enumerate(below):
            axes[name] = paper_axes(figure, 20 + k * step, 18, step - 45 + 15 * k, 80)
        return axes

    def _page(self):
        """The page that the ECG needs."""
        return page_for(np.asarray(self.ecg)[None], self.sampling_rate, "3x4")

    def _draw_temporal(self, ax):
        """The ECG on its paper with a wash of colour behind."""
        from matplotlib.colors import LinearSegmentedColormap, to_rgba

        blue = to_rgba(COLORS[0])
        ends = [(1, 1, 1, 0), (*blue[:3], 0.75)]
        wash = LinearSegmentedColormap.from_list("wash", ends)
        # One is the mean of a lead, so that leads, and short and long ECGs, compare.
        ratio = self.temporal / self.temporal.mean(axis=1, keepdims=True)
        highest = np.nanmax(ratio, initial=1)
        most = max(_LEAST_WASH, highest)
        scale = {"cmap": wash, "vmin": 1, "vmax": most}
        placed = draw_page(ax, self._page(), self.ecg, self.sampling_rate)
        limits = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim()}
        for strip in placed:
            if strip.lead not in self.leads:
                continue
            row = ratio[self.leads.index(strip.lead)]
            image = _draw_wash(ax, strip, row, self.sampling_rate, scale)
        ax.set(aspect="equal", **limits)
        right = limits["xlim"][1]
        bar = ax.inset_axes([right - 99, 5, 40, 2.5], transform=ax.transData)
        bar.set_zorder(5)
        ax.figure.colorbar(image, cax=bar, orientation="horizontal")
        bar.tick_params(labelsize=6, length=2, pad=1)
        said = "times the mean attention of the lead"
        if highest < _LEAST_WASH:
            said = "times the mean of the lead: nearly even"
        ax.text(right - 57, 5.2, said, fontsize=7)

    def _draw_cross_lead(self, ax):
        """The matrix from lead to lead."""
        scale = {"cmap": "cividis", "vmin": 0}
        draw_matrix(ax, self.cross_lead, self.leads, "Attention weight", **scale)

    def _draw_lead_importance(self, ax):
        """A bar for each lead."""
        places = np.arange(len(self.leads))
        ax.bar(places, np.nan_to_num(self.lead_importance), color=COLORS[0])
        sd = self.lead_importance_sd
        if sd is not None and np.isfinite(sd).any():
            bar = {"fmt": "none", "color": "black", "lw": 1}
            ax.errorbar(places, self.lead_importance, sd, **bar)
        n_present = np.isfinite(self.lead_importance).sum()
        ax.axhline(1 / n_present, color=GREY, ls="--", lw=1)
        for k in np.flatnonzero(np.isnan(self.lead_importance)):
            ax.text(k, 0, " absent", color=GREY, rotation=90, ha="center", fontsize=8)
        ax.set_xticks(places, self.leads, fontsize=8)
        ax.tick_params(axis="x", length=0)
        ax.set(ylabel="Attention received", ylim=(0, None))
        tidy(ax)


def _maps_of(explanation, i):
    """Maps of one ECG by name, averaged over heads where these are apart."""
    names = ("cross_lead", "lead_importance", "lead_importance_sd", "temporal")
    maps = {"leads": explanation.leads}
    for name, heads in zip(names, (0, 0, 0, 1)):
        values = getattr(explanation, name)
        if values is None:
            continue
        per_head = values.ndim == (3 if name.startswith("lead") else 4)
        maps[name] = values[i].mean(axis=heads) if per_head else values[i]
    return maps


def _draw_wash(ax, strip, ratio, rate, scale):
    """Colour behind one strip; returns the image, for the colour bar."""
    first, last = (round(edge * rate) for edge in (strip.start, strip.stop))
    width = (min(last, len(ratio)) - first) / rate * MM_PER_S
    half = ROW["3x4"] / 2
    extent = (strip.x, strip.x + width, strip.y - half, strip.y + half)
    return ax.imshow(ratio[None, first:last], extent=extent, zorder=1, **scale)

"""Onsets and offsets of the waves of a median beat."""

import numpy as np

from .._beats._detection import RATE
from ..measurements._delineated import delineated
from ..measurements._parameters import parameters
from ..records import LEADS
from ._axes import COLORS
from ._paper import (
    MARGIN,
    MM_PER_MV,
    PULSE,
    Strip,
    draw_paper,
    draw_pulse,
    draw_strip,
    one_ecg,
    paper_axes,
    paper_figure,
)

_MM_PER_S = 50.0
_ROW, _HEADER, _FOOTER = 30, 15, 15  # mm
_LEAD_WIDTH = 60  # mm, of a beat of 1.2 s
_WAVES = (
    ("P", "p_onset", "p_offset", COLORS[2]),
    ("QRS", "qrs_onset", "qrs_offset", COLORS[0]),
    ("ST-T", "qrs_offset", "t_offset", COLORS[4]),
)
_SAID = (
    ("Heart rate", "heart_rate_bpm", "bpm"),
    ("P", "p_duration_ms", "ms"),
    ("PR", "pr_interval_ms", "ms"),
    ("QRS", "qrs_duration_ms", "ms"),
    ("QT", "qt_interval_ms", "ms"),
    ("QTc (Fridericia)", "qtc_fridericia_ms", "ms"),
)


class MeasurementDisplay:
    """The median beat of an ECG in all leads, with its fiducial points.

    Drawn at 50 mm/s and 10 mm/mV, on paper of true size. Bands reach from the onset to
    the offset of P and of QRS, and from there to the end of T. They are global: from
    the earliest onset to the latest offset of any lead. The intervals are written
    above, with "-" for an interval that cannot be measured; the reasons are written
    below.

    Parameters
    ----------
    beat : Delineated
        Median beat and fiducial points.
    reasons : list of str
        Reasons why values are missing or doubtful.

    Attributes
    ----------
    measurements : dict
        All of `ecgdan_sk.measurements.ECGMeasurements`, by name.
    ax_, figure_ : Axes, Figure
        The last drawing. Positions are in mm.

    See Also
    --------
    ecgdan_sk.measurements.ECGMeasurements : The measurements themselves.

    Examples
    --------
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.plotting import MeasurementDisplay
    >>> cohort = make_ecg_cohort(1, sampling_rate=250, random_state=0)
    >>> display = MeasurementDisplay.from_signals(cohort.X, sampling_rate=250)
    >>> 60 < display.measurements["qrs_duration_ms"] < 140
    True
    """

    def __init__(self, beat, reasons):
        self.beat = beat
        self.reasons = reasons
        with np.errstate(all="ignore"):
            self.measurements = parameters(beat)

    @classmethod
    def from_signals(cls, X, i=0, *, sampling_rate=None, ax=None):
        """Measure an ECG, and draw its median beat.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        i : int, default=0
            Position of the ECG in `X`.
        sampling_rate : float or None, default=None
            Samples per second, in Hz. None takes that of `ECGRecords`.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure of true size.

        Returns
        -------
        MeasurementDisplay

        Raises
        ------
        ValueError
            If no beat can be found.
        """
        ecg, rate = one_ecg(X, i, sampling_rate, "MeasurementDisplay")
        reasons = []
        beat = delineated(ecg, rate, reasons)
        if beat is None:
            raise ValueError(
                f"ECG {i} cannot be measured: {'; '.join(reasons)}. Look at it with "
                "ECGDisplay."
            )
        return cls(beat, reasons).plot(ax)

    def plot(self, ax=None):
        """Draw the beat in all leads.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure of true size.

        Returns
        -------
        MeasurementDisplay
            Itself.
        """
        width = 2 * MARGIN + PULSE + 4 * _LEAD_WIDTH
        height = _HEADER + 3 * _ROW + _FOOTER
        if ax is None:
            ax = paper_axes(paper_figure(width, height), 0, 0, width, height)
        draw_paper(ax, width, height)
        for k, (lead, signal) in enumerate(zip(LEADS, self.beat.beat)):
            column, row = divmod(k, 3)
            x = MARGIN + PULSE + column * _LEAD_WIDTH
            y = _FOOTER + _ROW / 2 + (2 - row) * _ROW
            self._draw_lead(ax, Strip(lead, 0.0, len(signal) / RATE, x, y), signal)
            if column == 0:
                draw_pulse(ax, y)
        ax.text(MARGIN, height - 6, self._intervals(), fontsize=9)
        said = f"{_MM_PER_S:g} mm/s   {MM_PER_MV:g} mm/mV   median beat"
        ax.text(MARGIN, 3, "   ".join([said, *self.reasons]), fontsize=7)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_lead(self, ax, strip, signal):
        """The beat in one lead, over the bands of its waves."""
        below, above = strip.y - _ROW / 2, strip.y + _ROW / 2
        for name, first, last, color in _WAVES:
            edges = [getattr(self.beat.at, edge) for edge in (first, last)]
            if not np.isfinite(edges).all():
                continue
            x = strip.x + np.array(edges) / RATE * _MM_PER_S
            ax.fill_between(x, below, above, color=color, alpha=0.16, lw=0, zorder=1)
            ax.vlines(x, below, above, color=color, lw=0.6, zorder=2)
            if strip.lead in LEADS[::3]:
                ax.text(
                    x.mean(), above + 0.8, name, fontsize=7, ha="center", color=color
                )
        # The delineation sets the beat to zero at the onset of the QRS.
        draw_strip(ax, strip, signal, RATE, _MM_PER_S, baseline=0.0)

    def _intervals(self):
        """The main measurements in a line."""
        found = [
            (name, self.measurements.get(key, np.nan), unit)
            for name, key, unit in _SAID
        ]
        return "     ".join(
            f"{name} {value:.0f} {unit}" if np.isfinite(value) else f"{name} -"
            for name, value, unit in found
        )

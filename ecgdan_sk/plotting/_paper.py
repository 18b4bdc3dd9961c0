"""ECG paper: a drawing in millimetres, of true size unless an Axes is given.

Positions are in mm from the lower left corner of the paper; a small square is 1 mm wide
and high, a large one 5 mm.
"""

from typing import NamedTuple

import numpy as np

from ..records import LEADS
from ..records._records import as_records
from ..records._signal_checks import check_amplitude, known_rate
from ._axes import GREY, pyplot

MM_PER_MV = 10.0
MM_PER_S = 25.0
MM_PER_INCH = 25.4
MARGIN, PULSE = 5, 10  # mm, on each side, and for the calibration pulse

_SMALL, _LARGE = "#f7d9d9", "#eaa9a9"
_TRACE_WIDTH = 0.8  # points, which is 0.3 mm
_DPI = 150


class Strip(NamedTuple):
    """A piece of a lead on the paper.

    Attributes
    ----------
    lead : str
        Its name.
    start, stop : float
        The piece, in s from the beginning of the ECG.
    x, y : float
        Where it starts, and its baseline, in mm.
    """

    lead: str
    start: float
    stop: float
    x: float
    y: float


def checked_records(X, sampling_rate, owner):
    """`ECGRecords` whose signals can be drawn, and their sampling rate in Hz."""
    records = as_records(X)
    if not len(records):
        raise ValueError(f"{owner} got no ECG: X is empty. Give at least one.")
    return records, known_rate(sampling_rate, records.sampling_rate, owner)


def one_ecg(X, i, sampling_rate, owner):
    """Signals (12, T) of ECG `i`, the leads in the order of `LEADS`, and the rate."""
    records, rate = checked_records(X, sampling_rate, owner)
    if not -len(records) <= i < len(records):
        raise ValueError(f"There is no ECG {i} among {len(records)}, counted from 0.")
    return drawable(records[[i]].select_leads(LEADS).signals)[0], rate


def drawable(signals):
    """Signals (n_samples, L, T) in float32; NaN is allowed, infinity and volts not."""
    signals = np.asarray(signals, dtype=np.float32)
    if np.isinf(signals).any():
        raise ValueError(
            "X holds infinity, which cannot be drawn. Make gaps in a lead NaN."
        )
    check_amplitude(signals)
    return signals


def paper_figure(width, height):
    """A figure of so many mm, and nothing in it."""
    return pyplot().figure(
        figsize=(width / MM_PER_INCH, height / MM_PER_INCH), dpi=_DPI
    )


def paper_axes(figure, left, bottom, width, height):
    """An Axes on the figure at its true size, all in mm."""
    page = figure.get_size_inches() * MM_PER_INCH
    box = np.array([left, bottom, width, height]) / np.tile(page, 2)
    return figure.add_axes(box)


def draw_paper(ax, width, height):
    """The grid of small and large squares."""
    from matplotlib.collections import LineCollection

    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal", facecolor="white")
    for step, color, line in [(1, _SMALL, 0.25), (5, _LARGE, 0.5)]:
        upright = [[(x, 0), (x, height)] for x in np.arange(0, width + 1, step)]
        level = [[(0, y), (width, y)] for y in np.arange(0, height + 1, step)]
        ax.add_collection(
            LineCollection(upright + level, colors=color, linewidths=line, zorder=0)
        )
    ax.axis("off")


def draw_strip(ax, strip, signal, rate, mm_per_s=MM_PER_S, baseline=None):
    """The trace (T,) of a strip above its baseline, with the name of the lead.

    The default baseline, in mV, is the median of the lead, because electrodes have
    offsets.
    """
    if not np.isfinite(signal).any():
        _name(ax, strip, f"{strip.lead}  absent", color=GREY)
        return
    _name(ax, strip, strip.lead)
    first, last = (round(edge * rate) for edge in (strip.start, strip.stop))
    shown = np.arange(first, min(last + 1, len(signal)))
    x = strip.x + (shown / rate - strip.start) * mm_per_s
    baseline = np.nanmedian(signal) if baseline is None else baseline
    y = strip.y + (signal[shown] - baseline) * MM_PER_MV
    ax.plot(x, y, color="black", lw=_TRACE_WIDTH, solid_joinstyle="round", zorder=3)
    edge = np.array([-2.5, 2.5])
    ax.plot([strip.x] * 2, strip.y + edge, color="black", lw=0.4, zorder=3)


def _name(ax, strip, text, color="black"):
    """Name a strip above its start, over a trace that is in its way."""
    ground = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
    at = strip.x + 1, strip.y + 0.8 * MM_PER_MV
    ax.text(*at, text, fontsize=8, color=color, zorder=3.5, bbox=ground)


def draw_pulse(ax, y):
    """The calibration pulse: 1 mV high and 0.2 s wide, before the traces."""
    x = MARGIN + np.array([1.5, 2.5, 2.5, 7.5, 7.5, 8.5])
    height = np.array([0, 0, 1, 1, 0, 0]) * MM_PER_MV
    ax.plot(x, y + height, color="black", lw=_TRACE_WIDTH, zorder=3)

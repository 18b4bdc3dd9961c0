"""Waves that were delineated, as bands behind the traces of an ECG on paper."""

import numpy as np

from ._axes import COLORS
from ._paper import MM_PER_S

_COLOR = {"P": COLORS[2], "QRS": COLORS[0], "T": COLORS[4]}
_HALF = 8.0  # mm, a band above and below the baseline


def checked_waves(waves):
    """Return the table, or raise with the names of missing columns."""
    needed = ("ecg", "lead", "wave", "onset_ms", "peak_ms", "offset_ms")
    missing = [name for name in needed if name not in waves]
    if missing:
        raise ValueError(
            f"waves lacks the columns {', '.join(missing)}; expected a table as "
            "ecgdan_sk.measurements.delineate returns it."
        )
    return waves


def draw_waves(ax, strips, waves):
    """Bands from onset to offset, or from the peak if there is no onset."""
    begin = waves["onset_ms"].fillna(waves["peak_ms"]) / 1000
    spans = waves.assign(begin=begin, end=waves["offset_ms"] / 1000)
    for strip in strips:
        own = spans[spans["lead"] == strip.lead]
        own = own[(own["end"] > strip.start) & (own["begin"] < strip.stop)]
        for wave, first, last in zip(own["wave"], own["begin"], own["end"]):
            x = np.clip([first, last], strip.start, strip.stop) - strip.start
            ax.fill_between(
                strip.x + x * MM_PER_S,
                strip.y - _HALF,
                strip.y + _HALF,
                color=_COLOR[wave],
                alpha=0.2,
                lw=0,
                zorder=1.5,
            )

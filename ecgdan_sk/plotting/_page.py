"""A page of ECG paper, with the position of each lead."""

from typing import NamedTuple

import numpy as np

from ..records import LEADS
from ._paper import (
    MARGIN,
    MM_PER_MV,
    MM_PER_S,
    PULSE,
    Strip,
    draw_paper,
    draw_pulse,
    draw_strip,
)

ROW = {"3x4": 30, "12x1": 20}  # mm from one baseline to the next
_LONGEST = 10.0  # s that a page shows
_LEAST_TO_CUT = 6.0  # s; a shorter ECG is not divided among four columns
_COLUMN = 2.5  # s, of such an ECG
_HEADING = 8  # mm
_LEAST_HEADER, _MOST_HEADER, _FOOTER = 15, 60, 15  # mm, above and below the rows


class Page(NamedTuple):
    """Content of a page, for ECGs of one length.

    Attributes
    ----------
    layout : {"3x4", "12x1"}
        Three rows of four leads and a rhythm strip, or twelve rows.
    duration : float
        Seconds shown.
    header : float
        Room above the first row, in mm.
    """

    layout: str
    duration: float
    header: float

    @property
    def size(self):
        """Width and height in mm."""
        seconds = self.duration
        if self.layout == "3x4":
            seconds = max(seconds, 4 * self.piece)
        width = 2 * MARGIN + PULSE + _to_large_square(seconds * MM_PER_S)
        n_rows = 4 if self.layout == "3x4" else 12
        return width, self.header + n_rows * ROW[self.layout] + _FOOTER

    @property
    def piece(self):
        """Seconds of a lead in one of four columns."""
        if self.duration >= _LEAST_TO_CUT:
            return self.duration / 4
        return min(self.duration, _COLUMN)

    def strips(self, rhythm_lead):
        """`Strip` of every lead, and of the rhythm lead."""
        row, left = ROW[self.layout], MARGIN + PULSE
        top = self.size[1] - self.header - row / 2
        if self.layout == "12x1":
            return [
                Strip(lead, 0.0, self.duration, left, top - k * row)
                for k, lead in enumerate(LEADS)
            ]
        # Of a long ECG the columns follow each other in time, as the rhythm strip does.
        step = self.piece if self.duration >= _LEAST_TO_CUT else 0.0
        cut = []
        for k, lead in enumerate(LEADS):
            column, line = divmod(k, 3)
            x, y = left + column * self.piece * MM_PER_S, top - line * row
            start = column * step
            cut.append(Strip(lead, start, start + self.piece, x, y))
        return [*cut, Strip(rhythm_lead, 0.0, self.duration, left, top - 3 * row)]


def page_for(signals, rate, layout):
    """`Page` for ECGs (n_samples, 12, T) in mV, high enough for their first row."""
    if layout not in ROW:
        raise ValueError(f"Expected layout '3x4' or '12x1', got {layout!r}.")
    first = signals[:, ::3] if layout == "3x4" else signals[:, :1]
    known = np.isfinite(first).any(axis=2)
    peak = 0.0
    if known.any():
        ecgs = first[known]
        peak = float(np.nanmax(ecgs - np.nanmedian(ecgs, axis=1, keepdims=True)))
    needed = _to_large_square(peak * MM_PER_MV - ROW[layout] / 2 + _HEADING)
    header = np.clip(needed, _LEAST_HEADER, _MOST_HEADER)
    return Page(layout, min(signals.shape[2] / rate, _LONGEST), float(header))


def draw_page(ax, page, ecg, rate, heading=""):
    """Draw one ECG (12, T) on its paper; returns the strips."""
    width, height = page.size
    draw_paper(ax, width, height)
    present = np.isfinite(ecg).any(axis=1)
    rhythm_lead = "II" if present[1] else LEADS[int(present.argmax())]
    strips = page.strips(rhythm_lead)
    for strip in strips:
        draw_strip(ax, strip, ecg[LEADS.index(strip.lead)], rate)
    for y in sorted({strip.y for strip in strips}):
        draw_pulse(ax, y)
    ax.text(MARGIN, height - 6, heading, fontsize=10, weight="bold", zorder=4)
    said = f"{MM_PER_S:g} mm/s   {MM_PER_MV:g} mm/mV   {rate:g} Hz"
    total = ecg.shape[1] / rate
    if total > page.duration:
        said += f"   first {page.duration:g} s of {total:.1f} s"
    ax.text(MARGIN, 3, said, fontsize=7)
    return strips


def _to_large_square(mm):
    """The next multiple of 5 mm."""
    return 5 * float(np.ceil(mm / 5 - 1e-9))

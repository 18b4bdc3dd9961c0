"""An ECG on paper as SVG: 25 mm/s, 10 mm/mV; one unit of the drawing is one mm.

Each lead's trace and its wash of attention are drawn once, and used in its cell and in
the long strip.
"""

import numpy as np

from ...._html import number, tag
from ....records import LEADS

_MM_PER_S, _MM_PER_MV = 25.0, 10.0
_MARGIN, _PULSE, _ROW, _FOOTER = 5, 10, 30, 10  # mm
_LEAST_HEADER, _MOST_HEADER = 5, 60  # mm
_NAME, _NAME_WIDTH, _NAME_BELOW = 8, 9, 11  # mm from the baseline, and across
_LONGEST, _LEAST_TO_CUT, _COLUMN = 10.0, 6.0, 2.5  # s
_BIN = 0.04  # s of the wash, 1 mm
_N_SHADES, _DARKEST = 8, 0.65
LEAST_SCALE = 1.5  # times the mean: attention that stays below is nearly even


def ecg_svg(signals, rate, temporal):
    """Drawing of an ECG (12, T) in mV.

    `temporal` maps leads to attention (T,) that sums to one, and may be empty. Rows of
    four leads and the long strip follow the habits of ECG machines; an ECG of less than
    six seconds shows its first 2.5 s in each column.
    """
    duration = min(signals.shape[1] / rate, _LONGEST)
    piece = duration / 4 if duration >= _LEAST_TO_CUT else min(duration, _COLUMN)
    header = _header(signals)
    shown = max(duration, 4 * piece) * _MM_PER_S
    width = 2 * _MARGIN + _PULSE + _to_large_square(shown)
    height = header + 4 * _ROW + _FOOTER
    present = [lead for lead, ecg in zip(LEADS, signals) if np.isfinite(ecg).all()]
    strip = "II" if "II" in present else present[0]
    said = f"{_MM_PER_S:g} mm/s   {_MM_PER_MV:g} mm/mV   {rate:g} Hz"
    if signals.shape[1] / rate > duration:
        said += f"   first {duration:g} s of {signals.shape[1] / rate:.1f} s"
    return tag(
        "svg",
        tag("title", "ECG on paper, 25 mm/s and 10 mm/mV"),
        _definitions(signals, rate, temporal, present, piece, duration, strip),
        *_paper(width, height),
        *_cells(signals, rate, present, piece, duration, header),
        *_long_strip(strip, header),
        *[_pulse(header + _ROW * (line + 0.5)) for line in range(4)],
        tag("text", said, x=_MARGIN, y=number(height - 3), class_="small-print"),
        class_="ecg",
        role="img",
        aria_label="Twelve-lead electrocardiogram with a long strip",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=f"{number(width)}mm",
        height=f"{number(height)}mm",
    )


def wash_scale(temporal):
    """Times the mean attention of a lead at which the wash is darkest."""
    ratios = [weights * weights.size for weights in temporal.values()]
    if not ratios:
        return LEAST_SCALE
    return max(LEAST_SCALE, float(np.quantile(np.concatenate(ratios), 0.99)))


def _definitions(signals, rate, temporal, present, piece, duration, strip):
    """Traces, washes and the cut-out of a column."""
    scale = wash_scale(temporal)
    traces = [
        tag(
            "path",
            d=_trace(signals[LEADS.index(lead)], rate, duration),
            transform="scale(.01)",
            class_="trace",
            id=f"trace-{lead}",
        )
        for lead in present
    ]
    washes = [
        tag("g", *_wash(temporal[lead], rate, scale), id=f"wash-{lead}", class_="wash")
        for lead in present
        if lead in temporal
    ]
    column = tag("rect", x=0, y=-60, width=number(piece * _MM_PER_S), height=120)
    return tag("defs", tag("clipPath", column, id="column"), *traces, *washes)


def _trace(ecg, rate, duration):
    """Path of a lead (T,) above its median, in steps of whole hundredths of a mm."""
    ecg = ecg[: round(duration * rate)]
    x = np.rint(np.arange(len(ecg)) / rate * _MM_PER_S * 100).astype(int)
    y = np.rint((np.median(ecg) - ecg) * _MM_PER_MV * 100).astype(int)
    steps = np.stack([np.diff(x), np.diff(y)], axis=1).ravel()
    return f"M{x[0]} {y[0]}l" + " ".join(map(str, steps))


def _wash(weights, rate, scale):
    """Rectangles where attention (T,) exceeds the mean of its lead."""
    time = np.arange(len(weights)) / rate
    bins = (time / _BIN + 1e-9).astype(int)
    ratio = np.bincount(bins, weights * len(weights)) / np.bincount(bins)
    share = np.clip((ratio - 1) / (scale - 1), 0, 1)
    shade = np.rint(share * _N_SHADES).astype(int)[: round(_LONGEST / _BIN)]
    starts = np.flatnonzero(np.diff(shade, prepend=-1))
    ends = np.append(starts[1:], len(shade))
    millimetres = _BIN * _MM_PER_S
    return [
        tag(
            "rect",
            x=number(start * millimetres),
            y=-_ROW / 2 + 1,
            width=number((end - start) * millimetres),
            height=_ROW - 2,
            opacity=number(_DARKEST * shade[start] / _N_SHADES),
        )
        for start, end in zip(starts, ends)
        if shade[start]
    ]


def _cells(signals, rate, present, piece, duration, header):
    """Each lead in its place; columns follow each other in time where it is long."""
    step = piece if duration >= _LEAST_TO_CUT else 0.0
    for k, (lead, ecg) in enumerate(zip(LEADS, signals)):
        column, line = divmod(k, 3)
        x = _MARGIN + _PULSE + column * piece * _MM_PER_S
        y = header + (line + 0.5) * _ROW
        shift = f"translate({number(-column * step * _MM_PER_S)} 0)"
        here = lead in present
        uses = [
            tag("use", href=f"#{what}-{lead}", transform=shift)
            for what in ("wash", "trace")
            if here
        ]
        name = lead if here else f"{lead} absent"
        level = _beside(ecg, rate, column * step) if here else -_NAME
        yield tag(
            "g",
            tag("g", *uses, clip_path="url(#column)"),
            tag("path", d="M0 -2.5v5", class_="tick"),
            tag("text", name, x=1, y=level, class_="lead" if here else "absent"),
            transform=f"translate({number(x)} {number(y)})",
        )


def _beside(ecg, rate, start):
    """Height of a lead's name: below the trace (T,) where an R wave is in its way."""
    first = round(start * rate)
    near = ecg[first : first + max(1, round(_NAME_WIDTH / _MM_PER_S * rate))]
    millimetres = (near - np.median(ecg)) * _MM_PER_MV
    is_free = millimetres.min() > 1 - _NAME
    return _NAME_BELOW if millimetres.max() > _NAME - 1 and is_free else -_NAME


def _long_strip(lead, header):
    """The whole of one lead, which the page lets choose."""
    x, y = _MARGIN + _PULSE, header + 3.5 * _ROW
    yield tag(
        "g",
        tag("use", href=f"#wash-{lead}", id="strip-wash"),
        tag("use", href=f"#trace-{lead}", id="strip-trace"),
        tag("path", d="M0 -2.5v5", class_="tick"),
        tag("text", lead, x=1, y=-_NAME, class_="lead", id="strip-name"),
        transform=f"translate({number(x)} {number(y)})",
    )


def _paper(width, height):
    """Squares of 1 and 5 mm."""
    yield tag("rect", width=number(width), height=number(height), class_="paper")
    for step, name in [(1, "small-squares"), (5, "large-squares")]:
        upright = "".join(f"M{x} 0V{height:g}" for x in range(0, int(width) + 1, step))
        level = "".join(f"M0 {y}H{width:g}" for y in range(0, int(height) + 1, step))
        yield tag("path", d=upright + level, class_=name)


def _pulse(y):
    """The calibration pulse, 1 mV high and 0.2 s wide."""
    path = f"M{_MARGIN + 1.5:g} {y:g}h1v-10h5v10h1"
    return tag("path", d=path, class_="pulse")


def _header(signals):
    """Room above the first row, for the highest R wave in it; in mm."""
    first = signals[::3]
    first = first[np.isfinite(first).all(axis=1)]
    peak = 0.0
    if len(first):
        peak = float((first - np.median(first, axis=1, keepdims=True)).max())
    needed = _to_large_square(peak * _MM_PER_MV - _ROW / 2 + _NAME)
    return min(max(needed, _LEAST_HEADER), _MOST_HEADER)


def _to_large_square(millimetres):
    """The next multiple of 5 mm."""
    return 5 * int(np.ceil(millimetres / 5 - 1e-9))

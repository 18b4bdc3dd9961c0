"""Charts of a study: C-indices, survival by risk, effects of leads."""

import numpy as np

from .._html import number, tag
from ..validation._charts import Frame, line, svg
from ._scores import THIRDS

_WIDTH, _HEIGHT = 640, 400
_ROW = 46
_LEFT, _RIGHT = 20, 110
_STYLES = dict(zip(THIRDS, ("low", "mid", "high")))


def c_index_svg(table, said):
    """A row for each model: its C-index with the interval, between 0.5 and the top."""
    low = min(0.5, 0.05 * np.floor(table["low"].min() / 0.05))
    high = min(1.0, 0.05 * np.ceil(table["high"].max() / 0.05))
    height = _ROW * len(table) + 40

    def x(value):
        share = (np.asarray(value) - low) / (high - low)
        return number(_LEFT + (_WIDTH - _LEFT - _RIGHT) * share)

    parts = []
    for tick in np.round(
        np.arange(low, high + 0.01, 0.1 if high - low > 0.3 else 0.05), 2
    ):
        parts.append(tag("path", d=f"M{x(tick)} 8V{height - 28}", class_="rule"))
        place = {"x": x(tick), "y": height - 8, "text_anchor": "middle"}
        parts.append(tag("text", f"{tick:g}", **place))
    for row, one in enumerate(table.itertuples()):
        y = _ROW * row + 36
        style = "patient" if row == 0 else "axis"
        parts.append(tag("text", one.model, x=_LEFT, y=y - 14, class_="name"))
        span = f"M{x(one.low)} {y}H{x(one.high)}"
        parts.append(tag("path", d=span, class_=style, stroke_width=3))
        dot = {"cx": x(one.c_index), "cy": y, "r": 6}
        parts.append(tag("circle", class_="marker" if row == 0 else "dot", **dot))
        parts.append(tag("text", f"{one.c_index:.3f}", x=_WIDTH - _RIGHT + 14, y=y + 5))
    return svg(parts, said, height)


def survival_svg(table, end, said):
    """Kaplan-Meier curves of thirds of the risk, with their intervals."""
    years = table["time"] / 365.25
    right = end / 365.25
    shown = table[years <= right]
    bottom = 0.1 * np.floor(10 * max(0.0, shown["low"].min() - 0.02))
    frame = Frame(right, 1.0, bottom=min(bottom, 0.9))
    ticks = [t for t in np.round(np.arange(0, 1.01, 0.1), 1) if t >= frame.bottom]
    parts = [
        *frame.axes(
            "Years after the ECG",
            "",
            ticks,
            lambda value: f"{100 * value:.0f} %",
            lambda value: f"{value:g}",
        )
    ]
    for name, curve in shown.groupby("risk", sort=False):
        at = np.append(curve["time"].to_numpy(), end) / 365.25
        low, high, middle = (
            np.append(curve[k].to_numpy(), curve[k].iloc[-1])
            for k in ("low", "high", "survival")
        )
        x, upper = _steps(at, np.maximum(high, frame.bottom))
        _, lower = _steps(at, np.maximum(low, frame.bottom))
        band = line(
            frame.x(np.append(x, x[::-1])), frame.y(np.append(upper, lower[::-1]))
        )
        style = _STYLES[name]
        parts.append(tag("path", d=band + "Z", class_=f"band {style}"))
        x, y = _steps(at, middle)
        parts.append(tag("path", d=line(frame.x(x), frame.y(y)), class_=f"km {style}"))
    for row, name in enumerate(table["risk"].unique()):
        y = _HEIGHT - 76 - 22 * (len(THIRDS) - 1 - row)
        key = f"M{number(frame.x(0) + 12)} {y}h26"
        parts.append(tag("path", d=key, class_=f"km {_STYLES[name]}"))
        parts.append(tag("text", name, x=number(frame.x(0) + 46), y=y + 5))
    return svg(parts, said, _HEIGHT)


def leads_svg(table, said):
    """A bar for each lead, or group of leads."""
    height = 26 * len(table) + 34
    most = table["mean_change"].max() or 1.0
    left, right = 70, _WIDTH - 70

    def width(value):
        return (right - left) * value / most

    parts = []
    for row, one in enumerate(table.itertuples()):
        y = 26 * row + 6
        parts.append(tag("text", one.name, x=left - 8, y=y + 15, text_anchor="end"))
        box = {"x": left, "y": y, "height": 19}
        box["width"] = number(max(1.0, width(one.mean_change)))
        parts.append(tag("rect", class_="bar", **box))
        place = {"x": number(left + width(one.mean_change) + 6), "y": y + 15}
        parts.append(tag("text", f"{one.mean_change:.2f}", class_="name", **place))
    place = {"x": left, "y": height - 8, "class_": "name"}
    parts.append(tag("text", "Mean change of the log risk", **place))
    return svg(parts, said, height)


def _steps(x, y):
    """Points of a function that holds each value until the next."""
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]

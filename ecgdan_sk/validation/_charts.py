"""Drawings of a validation: calibration, decision curve, risks by outcome."""

import numpy as np

from .._html import nice_ticks, number, tag

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 30, 16, 54
_NAMES = {"model": "this model", "all": "treat all", "reference": "reference"}


class Frame:
    """Axes from 0, or from below, to the highest values."""

    def __init__(self, right, top, bottom=0.0, height=_HEIGHT):
        self.right, self.top, self.bottom, self.height = right, top, bottom, height

    def x(self, value):
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * np.asarray(value) / self.right

    def y(self, value):
        share = (np.asarray(value) - self.bottom) / (self.top - self.bottom)
        return self.height - _BOTTOM - (self.height - _BOTTOM - _TOP) * share

    def axes(self, below, beside, y_ticks, y_text, x_text=None):
        """Rules, ticks with their numbers, and names."""
        floor = self.y(self.bottom)
        for value in y_ticks:
            at = number(self.y(value))
            yield tag("path", d=f"M{_LEFT} {at}H{_WIDTH - _RIGHT}", class_="rule")
            place = {"x": _LEFT - 8, "y": number(self.y(value) + 5)}
            yield tag("text", y_text(value), text_anchor="end", **place)
        for value in nice_ticks(self.right, 5):
            at = number(self.x(value))
            yield tag("path", d=f"M{at} {number(floor)}v5", class_="axis")
            place = {"x": at, "y": number(floor + 21)}
            yield tag("text", (x_text or percent)(value), text_anchor="middle", **place)
        middle = {"x": number((_LEFT + _WIDTH - _RIGHT) / 2), "y": self.height - 6}
        yield tag("text", below, text_anchor="middle", **middle)
        if beside:
            yield tag("text", beside, x=_LEFT, y=_TOP - 3, class_="name")


def calibration_svg(result, risks, said):
    """Observed against predicted risk, in bins with intervals and as a smooth curve."""
    highs = np.nan_to_num(result.high)
    top = min(1.0, 1.05 * max(result.predicted.max(), result.observed.max(), *highs))
    frame = Frame(top, top)
    ticks = nice_ticks(top, 5)
    parts = [*frame.axes("Predicted risk", "Observed risk", ticks, percent)]
    ends = frame.x([0, top]), frame.y([0, top])
    parts.append(tag("path", d=line(*ends), class_="median"))
    order = np.argsort(risks)
    kept = order[(risks[order] <= top) & (result.smooth[order] <= top)]
    if len(kept) > 1:
        kept = kept[np.unique(np.linspace(0, len(kept) - 1, 100).astype(int))]
        smooth = line(frame.x(risks[kept]), frame.y(result.smooth[kept]))
        parts.append(tag("path", d=smooth, class_="smooth"))
    for p, o, low, high in zip(
        result.predicted, result.observed, result.low, result.high
    ):
        x = number(frame.x(p))
        if np.isfinite(low):
            bar = f"M{x} {number(frame.y(low))}V{number(frame.y(min(high, top)))}"
            parts.append(tag("path", d=bar, class_="zero"))
        dot = tag("circle", cx=x, cy=number(frame.y(o)), r=5, class_="marker")
        parts.append(dot)
    return svg(parts, said, _HEIGHT)


def decision_svg(curves, said):
    """Net benefit over the thresholds, one line for each way to decide."""
    at = curves.index.to_numpy()
    top = max(1.1 * curves.to_numpy().max(), 1e-3)
    frame = Frame(at.max(), top, bottom=-0.3 * top)
    ticks = nice_ticks(top, 4)
    parts = [
        *frame.axes("Threshold of risk", "Net benefit", ticks, lambda v: f"{v:.3g}")
    ]
    nobody = line(frame.x([0, at.max()]), frame.y([0, 0]))
    parts.append(tag("path", d=nobody, class_="zero"))
    for name in curves:
        inside = curves[name].to_numpy() >= frame.bottom
        path = line(frame.x(at[inside]), frame.y(curves[name].to_numpy()[inside]))
        style = {"model": "patient", "reference": "smooth"}.get(name, "median")
        parts.append(tag("path", d=path, class_=style))
    for row, name in enumerate(curves):
        style = {"model": "patient-name", "reference": "smooth-name"}.get(name, "name")
        place = {"x": _WIDTH - _RIGHT - 4, "y": _TOP + 18 + 20 * row}
        parts.append(
            tag("text", _NAMES[name], text_anchor="end", class_=style, **place)
        )
    return svg(parts, said, _HEIGHT)


def distribution_svg(table, said):
    """Quantiles of the risk, one row for each outcome."""
    height = 52 * len(table) + _TOP + _BOTTOM
    right = max(1e-3, 1.02 * table["q95"].max())
    frame = Frame(right, 1.0, height=height)
    parts = [*frame.axes("Predicted risk", "", (), percent)]
    for k, (name, row) in enumerate(table.iterrows()):
        y = _TOP + 52 * k + 34
        spans = (("q05", "q95", 8, "wide"), ("q25", "q75", 14, "narrow"))
        for low, high, thick, style in spans:
            left, width = frame.x(row[low]), frame.x(row[high]) - frame.x(row[low])
            box = {"x": number(left), "width": number(max(width, 1))}
            box |= {"y": y - thick // 2, "height": thick}
            parts.append(tag("rect", class_=style, **box))
        dot = tag("circle", cx=number(frame.x(row["median"])), cy=y, r=5)
        dot.set("class", "marker")
        said_of = f"{name} (n = {int(row['n']):,})"
        parts += [dot, tag("text", said_of, x=_LEFT, y=y - 14, class_="name")]
    return svg(parts, said, height)


def svg(parts, said, height):
    """A drawing with a description for screen readers."""
    return tag(
        "svg",
        tag("title", said),
        *parts,
        class_="chart",
        role="img",
        aria_label=said,
        viewBox=f"0 0 {_WIDTH} {height}",
    )


def line(x, y):
    """A path through points."""
    points = zip(np.atleast_1d(x), np.atleast_1d(y))
    return "M" + "L".join(f"{number(a, 1)} {number(b, 1)}" for a, b in points)


def percent(value):
    """A share as text."""
    return f"{100 * value:.3g} %"

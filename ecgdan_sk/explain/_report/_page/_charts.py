"""Charts: risk over time, place in the cohort, contributions to the risk."""

import numpy as np

from ...._html import nice_ticks, number, tag

_WIDTH, _HEIGHT = 640, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 156, 14, 46
_BAR_ROW, _BAR_LEFT, _BAR_RIGHT = 26, 62, 176
_LABEL_GAP = 20
_LEAST_BAR = 0.1  # of log risk at the ends, so that small changes look small


def risk_svg(table, unit, said):
    """Curves of `RiskReport.risk_over_time`, its times already in `unit`."""
    times = table.index.to_numpy()
    top = _top(table)
    x = lambda t: _LEFT + (_WIDTH - _LEFT - _RIGHT) * t / times[-1]  # noqa: E731
    y = lambda p: _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * p / top  # noqa: E731
    parts = []
    if table["q50"].notna().all():
        for low, high, name in [("q10", "q90", "wide"), ("q25", "q75", "narrow")]:
            there = _steps(x(times), y(table[high].to_numpy()))
            back = _steps(x(times), y(table[low].to_numpy()))[::-1]
            parts.append(tag("path", d=_path(there + back) + "Z", class_=name))
        median = _path(_steps(x(times), y(table["q50"].to_numpy())))
        parts.append(tag("path", d=median, class_="median"))
    own = _path(_steps(x(times), y(table["patient"].to_numpy())))
    parts.append(tag("path", d=own, class_="patient"))
    return tag(
        "svg",
        tag("title", said),
        *_axes(x, y, times[-1], top, unit),
        *parts,
        *_end_labels(table.iloc[-1], x(times[-1]) + 6, y),
        class_="chart",
        role="img",
        aria_label=said,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
    )


def place_svg(percentile, said):
    """Where the patient stands between the lowest and the highest risk."""
    left, right, y = 24, _WIDTH - 24, 34
    at = left + (right - left) * percentile / 100
    ticks = [
        tag(
            "g",
            tag("path", d=f"M{number(left + (right - left) * p / 100)} {y}v7"),
            tag(
                *("text", f"{p}"),
                x=number(left + (right - left) * p / 100),
                y=y + 22,
                text_anchor="middle",
            ),
            class_="axis",
        )
        for p in (0, 25, 50, 75, 100)
    ]
    return tag(
        "svg",
        tag("title", said),
        tag("rect", x=left, y=y - 8, width=right - left, height=8, class_="wide"),
        *ticks,
        tag("path", d=f"M{number(at)} {y - 4}l-8 -16h16Z", class_="marker"),
        class_="chart",
        role="img",
        aria_label=said,
        viewBox=f"0 0 {_WIDTH} 62",
    )


def bars_svg(changes, said):
    """Bars to the right for contributions that raise the risk, else to the left.

    `changes` maps names to changes of the log risk. NaN is labelled as absent.
    """
    values = np.array([*changes.values()], dtype=float)
    most = max(np.nanmax(np.abs(values), initial=0.0), _LEAST_BAR)
    width = _WIDTH - _BAR_LEFT - _BAR_RIGHT
    zero = _BAR_LEFT + width / 2
    rows = [
        _bar(name, value, k * _BAR_ROW + 4, zero, width / 2 / most)
        for k, (name, value) in enumerate(changes.items())
    ]
    height = len(rows) * _BAR_ROW + 8
    return tag(
        "svg",
        tag("title", said),
        *rows,
        tag("path", d=f"M{number(zero)} 0v{height}", class_="zero"),
        class_="chart",
        role="img",
        aria_label=said,
        viewBox=f"0 0 {_WIDTH} {height}",
    )


def signed(value, digits=2):
    """A number with its sign, and a true minus."""
    value = round(value, digits)
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}{abs(value):.{digits}f}"


def percent(probability):
    """A probability in per cent, for readers."""
    value = 100 * probability
    if 0 < value < 0.1:
        return "< 0.1 %"
    if value > 99:  # no model is that sure
        return "> 99 %"
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def _bar(name, value, top, zero, per_unit):
    """One row: the name, the bar, the change and the factor that it is worth."""
    middle = top + _BAR_ROW / 2
    label = tag("text", name, x=_BAR_LEFT - 8, y=number(middle + 4), text_anchor="end")
    at = {"x": _WIDTH - _BAR_RIGHT + 10, "y": number(middle + 4)}
    if np.isnan(value):
        return tag("g", label, tag("text", "absent", class_="absent", **at))
    length = abs(value) * per_unit
    bar = tag(
        "rect",
        x=number(zero if value > 0 else zero - length),
        y=number(top + 4),
        width=number(length),
        height=_BAR_ROW - 8,
        class_="raises" if value > 0 else "lowers",
    )
    text = f"{signed(value)}  (× {np.exp(value):.2f})"
    return tag("g", label, bar, tag("text", text, **at))


def _top(table):
    """Upper end of the axis of probability."""
    highest = max(np.nanmax(table[["patient", "q90"]].to_numpy()), 1e-4)
    unit = 10.0 ** np.floor(np.log10(highest))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return min(next(unit * m for m in steps if unit * m >= highest), 1.0)


def _axes(x, y, end, top, unit):
    """Ticks, their numbers and faint lines."""
    for t in nice_ticks(end):
        place = {"x": number(x(t)), "y": number(y(0) + 18)}
        yield tag("path", d=f"M{number(x(t))} {number(y(0))}v5", class_="axis")
        yield tag("text", f"{t:g}", text_anchor="middle", **place)
    for p in nice_ticks(top, 5):
        yield tag("path", d=f"M{_LEFT} {number(y(p))}H{number(x(end))}", class_="rule")
        place = {"x": _LEFT - 8, "y": number(y(p) + 4)}
        yield tag("text", f"{100 * p:.3g} %", text_anchor="end", **place)
    place = {"x": number(x(end / 2)), "y": _HEIGHT - 6}
    yield tag("text", f"Time from the ECG, {unit}", text_anchor="middle", **place)


def _end_labels(last, x, y):
    """Names at the ends of the curves, far enough from each other to be read."""
    wanted = [("this patient", last["patient"], "patient-name")]
    if np.isfinite(last["q50"]):
        wanted += [
            ("90th percentile", last["q90"], "name"),
            ("median", last["q50"], "name"),
            ("10th percentile", last["q10"], "name"),
        ]
    wanted.sort(key=lambda label: label[1])
    places = np.array([float(y(value)) for _, value, _ in wanted])
    for k in range(1, len(places)):
        places[k] = min(places[k], places[k - 1] - _LABEL_GAP)
    # Whoever was pushed out above comes back, and pushes down the others.
    for k in reversed(range(len(places))):
        limit = _TOP if k == len(places) - 1 else places[k + 1] + _LABEL_GAP
        places[k] = max(places[k], limit)
    for (name, _, style), place in zip(wanted, places):
        yield tag("text", name, x=number(x), y=number(place + 4), class_=style)


def _steps(x, y):
    """Corners of a curve that steps up at each of its times."""
    corners = [(x[0], y[0])]
    for k in range(1, len(x)):
        corners += [(x[k], y[k - 1]), (x[k], y[k])]
    return corners


def _path(corners):
    return "M" + "L".join(f"{number(x, 1)} {number(y, 1)}" for x, y in corners)

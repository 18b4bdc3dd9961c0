"""ECGRecords in a notebook: three of the ECGs, the layout, covariates at a glance."""

import numpy as np
import pandas as pd

from .._html import fragment, number, tag

_N_SHOWN = 3
_SECONDS = 2.5
_WIDTH, _ROW, _MARGIN = 260, 26, 34  # pixels, of a panel and of a lead
_ROW_MV = 3.0  # what a row is high
_N_POINTS = 400
_N_LEADS, _N_COLUMNS, _N_VALUES, _N_LETTERS = 15, 12, 3, 60


def glance(records):
    """HTML of `records`, in which every text is escaped."""
    columns = list(records.covariates.columns) if records.covariates is not None else []
    rows = [_row(records.covariates, name) for name in columns[:_N_COLUMNS]]
    left = len(columns) - len(rows)
    covariates = tag(
        "table",
        tag("thead", tag("tr", *[tag("th", x) for x in ("covariate", "", "missing")])),
        tag("tbody", *rows),
    )
    return fragment(
        tag(
            "div",
            tag("p", tag("strong", repr(records))),
            tag("p", _layout(records)),
            _pictures(records),
            covariates if rows else None,
            tag("p", f"and {left} more covariates") if left else None,
        )
    )


def _layout(records):
    """Leads, length, patients and where the signals are, in a sentence."""
    n_times, rate = records.shape[2], records.sampling_rate
    length = f"{n_times / rate:g} s each" if rate else f"{n_times} samples each"
    parts = [f"Leads {', '.join(records.leads)}", length]
    if records.patient_ids is not None:
        known = pd.Series(records.patient_ids, dtype=object).dropna()
        missing = len(records) - len(known)
        parts.append(
            f"{known.nunique()} patients"
            + (f", {missing} recordings without one" if missing else "")
        )
    in_memory = isinstance(records.signals, np.ndarray)
    parts.append("in memory" if in_memory else "read from where they are stored")
    return "; ".join(parts) + "."


def _pictures(records):
    """Panels of the first recordings side by side; why not, where one is not read."""
    names = range(len(records)) if records.ids is None else records.ids
    try:
        signals = np.asarray(records.signals[:_N_SHOWN], np.float64)
    except (OSError, ValueError) as error:  # a file that was changed or is gone
        return tag("p", f"The signals cannot be read: {error}")
    seconds = records.sampling_rate and _SECONDS
    n_times = int(seconds * records.sampling_rate) if seconds else records.shape[2]
    panels = [
        tag(
            "figure",
            tag("figcaption", _short(name)),
            _panel(ecg[:_N_LEADS, : max(n_times, 1)], records.leads),
            style="margin: 0 12px 0 0; display: inline-block",
        )
        for name, ecg in zip(names, signals)
    ]
    span = f"The first {_SECONDS:g} s. " if seconds else ""
    note = tag("p", f"{span}A row is {_ROW_MV:g} mV high, and taller waves are cut.")
    return tag("div", *panels, note) if panels else None


def _panel(signals, leads):
    """One ECG as SVG, a row for each lead."""
    height = _ROW * len(signals)
    parts = []
    for i, (lead, row) in enumerate(zip(leads, signals)):
        middle = _ROW * (i + 0.5)
        parts.append(tag("text", _short(lead), x=2, y=number(middle + 4), font_size=11))
        for path in _lines(row, middle):
            line = {"fill": "none", "stroke": "currentColor", "stroke_width": 0.8}
            parts.append(tag("path", d=path, **line))
    return tag(
        *("svg", *parts),
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
        role="img",
        aria_label=f"{len(signals)} leads of an ECG",
        fill="currentColor",
    )


def _lines(row, middle):
    """Paths of the stretches of a lead that are known."""
    if len(row) > _N_POINTS:
        row = _outline(row)
    known = np.isfinite(row)
    if not known.any():
        return
    x = _MARGIN + np.arange(len(row)) * (_WIDTH - _MARGIN) / max(len(row) - 1, 1)
    height = (row - np.median(row[known])) / _ROW_MV * _ROW
    y = middle - height.clip(-_ROW / 2, _ROW / 2)
    edges = np.flatnonzero(np.diff(np.r_[False, known, False].astype(int)))
    for first, last in edges.reshape(-1, 2):
        points = zip(x[first:last], y[first:last])
        yield "M" + "L".join(f"{number(a, 1)} {number(b, 1)}" for a, b in points)


def _outline(row):
    """The lowest and highest value of each part of a long lead, in turn."""
    parts = np.array_split(row, _N_POINTS // 2)
    return np.array([f(part) for part in parts for f in (np.min, np.max)])


def _row(table, name):
    """A covariate: its range, or its most frequent values."""
    column = table[name].replace("", None)
    missing = int(column.isna().sum())
    return tag(
        "tr",
        tag("th", _short(name), style="text-align: left"),
        tag("td", _short(_values(column.dropna())), style="text-align: left"),
        tag("td", str(missing) if missing else ""),
    )


def _values(known):
    """Short description of a covariate."""
    if known.empty:
        return "unknown"
    is_number = pd.api.types.is_numeric_dtype(known)
    if is_number and not pd.api.types.is_bool_dtype(known) and known.nunique() > 2:
        low, middle, high = known.quantile([0, 0.5, 1])
        return f"median {middle:g} ({low:g} to {high:g})"
    if pd.api.types.is_datetime64_any_dtype(known):
        return f"{known.min():%Y-%m-%d} to {known.max():%Y-%m-%d}"
    known = known.map("{:g}".format) if is_number else known.astype(str)
    counts = known.value_counts()
    shown = [f"{value}: {n}" for value, n in counts.iloc[:_N_VALUES].items()]
    more = f"; {len(counts) - _N_VALUES} other" if len(counts) > _N_VALUES else ""
    return "; ".join(shown) + more


def _short(text):
    """A text of bearable length."""
    text = str(text)
    return text if len(text) <= _N_LETTERS else text[: _N_LETTERS - 3] + "..."

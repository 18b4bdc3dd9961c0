"""Measurements, tests of the explanations, and the model card, as tables."""

import numpy as np

from ...._html import definitions, note, section, table, tag
from ._charts import signed

_TESTS = (
    "deletion",
    "insertion",
    "weight randomisation",
    "stability between networks",
    "stability under noise",
)
_SAME, _DIFFERENT = 0.7, 0.3  # rank correlations
_STATUS = {
    "below": "▼ below",
    "above": "▲ above",
    "above for women": "▲ above, if a woman",
    "above for men": "▲ above, if a man",
}


def measurements(report):
    """Measurements beside published normal limits."""
    rows = [
        tag(
            "tr",
            tag("th", row.label, scope="row"),
            tag("td", _value(row), class_="number"),
            tag("td", f"{row.range} {row.unit}" if row.range else "none"),
            tag("td", row.group),
            tag("td", _STATUS.get(row.status, row.status), class_=_class(row.status)),
            tag("td", row.source, class_="source"),
        )
        for row in report.measurements.itertuples()
    ]
    names = ("Measurement", "Value", "Normal limits", "Of", "Result", "Source")
    return section(
        "Measurements",
        table("Measurements", names, rows, class_="wide-table"),
        note(f"Of the ECG: {report.unmeasured}.") if report.unmeasured else None,
        note(
            "Limits of Mason et al. are the 2nd to 98th percentile of 46,129 people "
            "with a very low probability of cardiovascular disease, those of "
            "Rautaharju et al. 2013 of 36,299 healthy women; the others are limits of "
            "the publications named. If age or sex is not known, limits of all adults "
            "are shown. QTc (Rautaharju) is QT times (120 + heart rate) / 180."
        ),
    )


def faithfulness(report):
    """One row for each explanation, one column for each test."""
    title = "Is the explanation true of the network?"
    if report.faithfulness is None:
        return section(title, note("Not tested: it takes two or more ECGs."))
    rows = [
        tag(
            "tr",
            tag("th", f"{explanation}: {level}", scope="row"),
            *[_test_cell(group, test) for test in _TESTS],
        )
        for (explanation, level), group in report.faithfulness.groupby(
            level=[0, 1], sort=False
        )
    ]
    names = ("Explanation", *[test.capitalize() for test in _TESTS])
    return section(
        title,
        table(title, names, rows, class_="wide-table"),
        note(
            "Means over ECGs of the cohort, 95 % intervals. Deletion, insertion: how "
            "much better than random order, in log risk; above 0 is faithful. Weight "
            "randomisation: rank correlation with the explanation of a network of "
            f"shuffled weights; below {_DIFFERENT} it depends on what was learned. "
            f"Stability: rank correlations; above {_SAME} it is stable. ✓ and ✗ "
            "where the whole interval lies on one side, ? where it does not."
        ),
    )


def card(report):
    """Model card: the model and its intended use."""
    return section("Model card", definitions(report.card.items(), "card"))


def _value(row):
    if np.isnan(row.value):
        return "\N{EN DASH}"
    digits = 2 if row.unit == "mV" else 0
    return f"{row.value:.{digits}f} {row.unit}".replace("-", "\N{MINUS SIGN}")


def _class(status):
    return "outside" if status in _STATUS else None


def _test_cell(group, test):
    """Value, interval and verdict of one test."""
    row = group[group.index.get_level_values(2) == test]
    if not len(row) or np.isnan(row["value"].iloc[0]):
        return tag("td", "\N{EN DASH}", class_="number")
    value, low, high, expected = row.iloc[0]
    return tag(
        "td",
        f"{_verdict(low, high, expected)} {signed(value)}",
        tag("br"),
        tag("small", f"{signed(low)} to {signed(high)}"),
        class_="number",
    )


def _verdict(low, high, expected):
    """Whether the whole interval lies where a faithful explanation has it."""
    if expected == "above 0":
        holds, fails = low > 0, high <= 0
    elif expected == "near 0":
        holds, fails = high < _DIFFERENT, low >= _DIFFERENT
    else:
        holds, fails = low > _SAME, high <= _SAME
    return "✓" if holds else "✗" if fails else "?"

"""The page of a validation: all that a reviewer asks for, in one document."""

import csv
from importlib.resources import files

import numpy as np
import pandas as pd

from .._html import definitions, document, note, section, table, tag
from .._outcomes import counted, time_told, unit_told
from ._charts import calibration_svg, decision_svg, distribution_svg

_TO_WRITE = "to be written by you"
STYLE = """
.smooth { fill: none; stroke: var(--lowers); stroke-width: 2.5; }
svg.chart .smooth-name { fill: var(--lowers); font-weight: 600; }
main > section { grid-column: 1 / -1; }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { color: var(--soft); font-size: 13.5px; margin-top: 6px; }
.open { color: var(--raises); }
@media screen and (max-width: 800px) {
  .charts { grid-template-columns: minmax(0, 1fr); }
}
@media print {
  .charts { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 4mm; }
  svg.chart text { font-size: 18px; }
  section { break-inside: auto; }
  tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""


def page(report, title):
    """The whole page of a `ValidationReport` as text."""
    parts = [
        _heading(report, title),
        _measures(report),
        *(figures(report, time) for time in report.calibration),
        *([] if report.table_one is None else [table_one(report)]),
        _checklist(report),
    ]
    return document(title, parts, style=STYLE)


def _heading(report, title):
    facts = cohort_told(report).items()
    warnings = [tag("p", text, class_="warning") for text in report.notes]
    return tag("header", tag("h1", title), *warnings, definitions(facts, "facts"))


def _measures(report):
    level = f"{100 * report.confidence_level:g} % interval"
    compares = "difference" in report.table
    names = ["Measure", "Time", "Value", level]
    if compares:
        names += ["Reference", "Difference", level]
    rows = []
    for (time, name), row in report.table.iterrows():
        cells = [
            tag("th", name, scope="row"),
            tag("td", horizon_told(report, time)),
            *_numbers(row, "value", ""),
        ]
        if compares:
            cells.append(tag("td", told(row["reference"]), class_="number"))
            cells += _numbers(row, "difference", "difference_")
        rows.append(tag("tr", *cells))
    return section(
        "Discrimination, calibration, overall performance, net benefit",
        table("Measures", names, rows),
        note(
            "Intervals come from resampling patients. Ideal are 1 for observed over "
            "expected events and for the calibration slope, and 0 for its intercept."
        ),
    )


def _numbers(row, name, prefix):
    """Cells of a value and of its interval."""
    yield tag("td", told(row[name]), class_="number")
    text = ""
    if f"{prefix}low" in row.index:
        text = f"{told(row[f'{prefix}low'])} to {told(row[f'{prefix}high'])}"
    yield tag("td", text, class_="number")


def figures(report, time):
    """The three drawings at one horizon."""
    at = horizon_told(report, time)
    result = report.calibration[time]
    curve = report.decision_curve.loc[time]
    outcome = report.distribution.loc[time]
    drawn = [
        (
            calibration_svg(result, report.risks[time], f"Calibration at {at}"),
            "Dots: observed risk in tenths of the predicted risk, with 95 % intervals. "
            "Line: smooth. Dashes: where both are the same.",
        ),
        (
            decision_svg(curve, f"Decision curve at {at}"),
            "Net benefit of treating those above a threshold. Useful where the model "
            "lies above treating all and above 0, which is treating nobody.",
        ),
        (
            distribution_svg(outcome, f"Predicted risks by outcome at {at}"),
            "Median, middle half and middle 90 % of the predicted risks, by outcome.",
        ),
    ]
    shown = [tag("figure", drawing, tag("figcaption", text)) for drawing, text in drawn]
    return section(f"At {at}", tag("div", *shown, class_="charts"))


def horizon_told(report, time):
    """A horizon in words, "" for measures without one."""
    return "" if np.isnan(time) else time_told(time, report.time_unit)


def cohort_told(report):
    """Facts on the cohort, in words."""
    row = report.cohort.iloc[0]
    facts = {name: told(value) for name, value in row.items()}
    scale, unit = unit_told(row["median follow-up"], report.time_unit)
    if not np.isnan(row["median follow-up"]):
        facts["median follow-up"] = counted(row["median follow-up"] / scale, unit)
    return facts


def table_one(report):
    rows = [
        tag(
            "tr",
            tag("th", str(name), scope="row"),
            *(tag("td", str(v), class_="number") for v in row),
        )
        for name, row in report.table_one.iterrows()
    ]
    names = ["Characteristic", *report.table_one]
    return section(
        "Characteristics of the cohort",
        table("Characteristics", names, rows),
        note("Mean (standard deviation), or number (per cent) of two values."),
    )


def _checklist(report):
    known = _known(report)
    rows = []
    for item, part, asked in _items():
        text = known.get(item)
        answer = tag("td", text) if text else tag("td", _TO_WRITE, class_="open")
        row = (tag("th", item, scope="row"), tag("td", part), tag("td", asked), answer)
        rows.append(tag("tr", *row))
    return section(
        "TRIPOD+AI",
        table("TRIPOD+AI", ["Item", "Section", "Asked for", "Here"], rows),
        note("Items of Collins et al. (2024), BMJ 385, e078378, in short words."),
    )


def _items():
    """Number, section and question of each item."""
    source = files(__package__).joinpath("tripod_ai.csv")
    with source.open(encoding="utf-8") as file:
        yield from list(csv.reader(file))[1:]


def _known(report):
    """Answers from the report itself."""
    row = report.cohort.iloc[0]
    times = ", ".join(horizon_told(report, t) for t in report.calibration)
    n = f"{told(row['recordings'])} recordings of {told(row['patients'])} patients"
    known = {
        "4": "An existing model is evaluated.",
        "10": f"{n} with {told(row['events'])} events. " + " ".join(report.notes),
        "12": "C-indices of Harrell and Uno, AUC, observed over expected events, "
        "calibration intercept, slope and ICI, Brier score and IPA, net benefit; "
        "intervals by resampling patients.",
        "15": f"Risk of the event by {times}.",
        "21": f"{n}; {told(row['events'])} events.",
        "23": "See the table of measures and the figures above.",
    }
    if report.table_one is not None:
        known["20"] = "See the table of characteristics; the flow is yours to draw."
    return known


def characteristics(covariates, had_event):
    """Table 1: each column for all patients, and by observed event."""
    groups = {"All": np.ones(len(had_event), bool)}
    groups |= {"Event": had_event, "No event": ~had_event}
    rows = {"n": {name: f"{rows.sum():,}" for name, rows in groups.items()}}
    for name in covariates:
        column = covariates[name]
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.notna().sum() < column.notna().sum():
            continue  # words, such as names, do not belong on a page
        binary = numbers.dropna().isin([0, 1]).all()
        rows[f"{name} = 1" if binary else str(name)] = {
            group: _summary(numbers[rows_of], binary)
            for group, rows_of in groups.items()
        }
        if numbers.isna().any():
            rows[f"{name} missing"] = {
                group: f"{numbers[rows_of].isna().sum():,}"
                for group, rows_of in groups.items()
            }
    return pd.DataFrame(rows).T


def _summary(numbers, binary):
    known = numbers.dropna()
    if not len(known):
        return ""
    if binary:
        return f"{int(known.sum()):,} ({100 * known.mean():.1f} %)"
    return f"{known.mean():.1f} ({known.std():.1f})"


def told(value):
    """A number with three digits behind its point, a count as it is."""
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return "not defined"
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"
    return f"{int(value):,}" if isinstance(value, int | np.integer) else str(value)

"""Page of a study: first the answer, then the evidence."""

from .._html import definitions, document, note, section, table, tag
from .._outcomes import time_told
from ..validation._page import STYLE, figures, table_one, told
from ._charts import c_index_svg, leads_svg, survival_svg

_STYLE = (
    STYLE
    + """
.answer { font-size: 17px; max-width: 80ch; margin: 0 0 10px; }
.km { fill: none; stroke-width: 2.5; }
.km.low { stroke: var(--lowers); } .km.mid { stroke: var(--median); }
.km.high { stroke: var(--raises); }
.band { opacity: .16; } .band.low { fill: var(--lowers); }
.band.mid { fill: var(--median); } .band.high { fill: var(--raises); }
.bar { fill: var(--lowers); }
.dot { fill: var(--soft); }
"""
)
_YEAR = 365.25


def page(report, title, notes):
    """The whole page of a `StudyReport` as text."""
    parts = [
        _heading(report, title, notes),
        _answer(report),
        _risk(report),
        *(figures(report.validation, time) for time in _times(report)),
        _calibration(report),
        _leads(report),
        _cohort(report),
        *(
            []
            if report.validation.table_one is None
            else [table_one(report.validation)]
        ),
        _method(report),
    ]
    return document(title, parts, style=_STYLE)


def _times(report):
    return report.validation.calibration


def _heading(report, title, notes):
    cohort = report.validation.cohort.iloc[0]
    facts = [
        ("ECGs", told(cohort["recordings"])),
        ("Patients", told(cohort["patients"])),
        (f"Patients with {report.facts['outcome']}", told(cohort["events"])),
        ("Median follow-up", f"{cohort['median follow-up'] / _YEAR:.1f} years"),
        ("Risks are told by", time_told(report.horizon, "days")),
    ]
    said = [*notes, *report.checks.problems, *_few(report)]
    warnings = [tag("p", text, class_="warning") for text in said]
    return tag("header", tag("h1", title), *warnings, definitions(facts, "facts"))


def _few(report):
    """Notes of the validation, and that rows were lost."""
    yield from report.validation.notes
    first, last = report.flow["remaining"].iloc[[0, -1]]
    if last < 0.95 * first:
        yield (
            f"{first - last:,} of {first:,} ECGs were left out; the table of the "
            "cohort says why."
        )


def _answer(report):
    """C-index of the network, and differences from each model."""
    found = report.discrimination
    network = found.iloc[0]
    sentences = [
        f"Of two patients, the network gives the one with the earlier event the higher "
        f"risk in {100 * network.c_index:.0f} of 100 pairs (C-index "
        f"{network.c_index:.3f}, 95 % interval {network.low:.3f} to "
        f"{network.high:.3f})."
    ]
    for row in found.iloc[1:].itertuples():
        if row.difference_low > 0:
            verdict = "the network is better"
        elif row.difference_high < 0:
            verdict = "the network is worse"
        else:
            verdict = "the interval holds 0, so that neither is shown to be better"
        sentences.append(
            f"Its lead over the {row.model} is {row.difference:+.3f} "
            f"({row.difference_low:+.3f} to {row.difference_high:+.3f}): {verdict}."
        )
    rows = [
        tag(
            "tr",
            tag("th", row.model, scope="row"),
            *_cells(row.c_index, row.low, row.high, ""),
            *_cells(row.difference, row.difference_low, row.difference_high, "+"),
        )
        for row in found.itertuples()
    ]
    names = ["Model", "C-index", "95 % interval", "Network ahead by", "95 % interval"]
    return section(
        "The answer",
        *(tag("p", text, class_="answer") for text in sentences),
        tag(
            "div",
            tag("figure", c_index_svg(found, "C-index of each model")),
            table("C-indices", names, rows),
            class_="charts",
        ),
        note(
            "All models meet the same folds, which keep the ECGs of a patient "
            "together. Intervals are corrected for overlapping training sets (Nadeau "
            "and Bengio, 2003), each by itself; discrimination.csv has p-values of all "
            "comparisons together (Holm, 1979). 0.5 is chance. The PREVENT equation is "
            "compared on the patients whom it is for."
        ),
    )


def _cells(value, low, high, sign):
    """Cells of a value and its interval; empty if missing."""
    if value != value:
        return [tag("td", ""), tag("td", "")]
    form = f"{sign}.3f"
    span = f"{low:{form}} to {high:{form}}"
    return [
        tag("td", f"{value:{form}}", class_="number"),
        tag("td", span, class_="number"),
    ]


def _risk(report):
    """Kaplan-Meier curves of thirds of the risk."""
    curves = report.kaplan_meier
    figure = tag(
        "figure",
        survival_svg(curves, _end(curves), "Survival of thirds of the predicted risk"),
        tag(
            "figcaption",
            "Kaplan-Meier curves of thirds of the network's risk, each patient's by "
            "networks that were not fitted to that patient; 95 % intervals.",
        ),
    )
    names = ["Risk", "Free of it", "95 % interval", "Still at risk"]
    title = f"By {time_told(report.horizon, 'days')}"
    rows = [_at_horizon(*one, report.horizon) for one in _by_risk(curves)]
    beside = tag("div", tag("h3", title), table(title, names, rows))
    return section(
        "Does the risk tell patients apart?",
        tag("div", figure, beside, class_="charts"),
    )


def _by_risk(curves):
    return curves.groupby("risk", sort=False)


def _at_horizon(name, curve, horizon):
    """A row of the table: one third of the risk at the horizon."""
    now = curve[curve["time"] <= horizon].iloc[-1]
    later = curve[curve["time"] > horizon]
    n_left = int(later["at_risk"].iloc[0]) if len(later) else 0
    cells = (
        f"{100 * now.survival:.1f} %",
        f"{100 * now.low:.1f} to {100 * now.high:.1f} %",
        f"{n_left:,}",
    )
    numbers = (tag("td", cell, class_="number") for cell in cells)
    return tag("tr", tag("th", name, scope="row"), *numbers)


def _end(table_):
    """Time to which a tenth of the first group is followed."""
    n = table_["at_risk"].iloc[0]
    followed = table_[table_["at_risk"] >= max(2, 0.1 * n)]
    return float(max(followed["time"].max(), 1.0))


def _calibration(report):
    """Calibration and net benefit in numbers."""
    rows = []
    for (time, name), row in report.validation.table.iterrows():
        span = ""
        if "low" in row.index:
            span = f"{told(row['low'])} to {told(row['high'])}"
        cells = (told(row["value"]), span)
        rows.append(
            tag(
                "tr",
                tag("th", f"{name}, {time_told(time, 'days')}", scope="row"),
                *(tag("td", cell, class_="number") for cell in cells),
            )
        )
    return section(
        "Are the risks right?",
        table("Calibration", ["Measure", "Value", "95 % interval"], rows),
        note(
            "Of risks by networks that were not fitted to the patient. Ideal are 1 for "
            "observed over expected events and for the slope, 0 for the intercept. "
            "Intervals come from resampling patients; they leave out that another "
            "division into folds would give other networks."
        ),
    )


def _leads(report):
    """Effects of single leads and groups of leads."""
    drawn = [
        tag("figure", leads_svg(rows, f"Change of the log risk by {kind}"))
        for kind, rows in report.leads.groupby("kind", sort=False)
    ]
    return section(
        "Which leads matter?",
        tag("div", *drawn, class_="charts"),
        note(
            "Left: how far the log risk moves when a lead is taken for absent, on "
            "average over unseen patients. Neighbouring leads tell much the same, so "
            "that each alone seems to matter little. Right: shares of groups of leads "
            "by Shapley values, which do not have that flaw. Large means used, not "
            "causal."
        ),
    )


def _cohort(report):
    """Flow of patients, files that were read, results of the checks."""
    columns = [
        _plain_table(
            "Who is in the study", report.flow, ["Step", "Left out", "Remain"]
        ),
        _plain_table("Checks of the ECGs", report.checks.summary, ["Finding", "ECGs"]),
    ]
    if report.facts["reading"] is not None:
        columns.append(_plain_table("Files", report.facts["reading"], ["Files", ""]))
    return section("The cohort", tag("div", *columns, class_="charts"))


def _plain_table(title, frame, names):
    """A table under a heading of its own."""
    rows = [
        tag(
            "tr",
            tag("th", str(first), scope="row"),
            *(tag("td", told(value), class_="number") for value in others),
        )
        for first, *others in frame.itertuples(index=False)
    ]
    return tag("div", tag("h3", title), table(title, names, rows))


def _method(report):
    """Methods, in enough detail to repeat the study."""
    facts = report.facts
    how = (
        f"The network starts from the encoder {facts['encoder']!r} and is "
        + (
            "a head fitted to its features"
            if facts["network"] == "frozen"
            else "trained as a whole"
        )
        + f". {facts['n_splits']} folds in {facts['n_repeats']} repeats, stratified by "
        "the event; within each, all models are fitted anew, their penalties chosen "
        "inside. What is missing is replaced by the median of the training set. The "
        f"final model is fitted to all patients; random_state={facts['random_state']}."
    )
    hidden = {"reading", "outcome", "encoder_digest"}
    told_ = [(name, str(v)) for name, v in facts.items() if name not in hidden]
    return section(
        "How it was done",
        tag("p", how),
        definitions(told_, "card"),
        note(
            "For research. Not a medical device: no decision on a patient may rest on "
            "it. What holds for this cohort holds for it alone until it is validated "
            "elsewhere."
        ),
    )

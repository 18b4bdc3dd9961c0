"""The report of a study: tables as CSV and Markdown, a figure each."""

from pathlib import Path

import matplotlib.pyplot as plt

from ecgdan_sk.study._store import write_csv, write_text

from . import figures, tables
from .leads import LEAVES_OUT, leads

_EACH = " Intervals are of each claim by itself; p by Holm is of all together."
_NO_GAP = {"line": 0.0, "low": "low", "high": "high"}


def write_report(out, cohort, scale_name, left_out=(), against=tables.REFERENCE):
    """Write everything that the finished folds tell; return the file of the report.

    `against` is the method that the others are compared with.
    """
    frame = tables.finished(out)
    frame = frame[frame["draw"] < cohort.n_draws]
    parts = [_head(cohort, scale_name, frame), *left_out]
    whole = frame[frame["share"] == 1]
    for protocol, folds in whole.groupby("protocol", sort=False):
        where = Path(out, "tables", protocol)
        parts += _of_protocol(folds, protocol, where, cohort, against)
    curve = tables.efficiency(frame)
    if len(curve):
        about = f"Data efficiency, first seed of 2-fold. {cohort.kind}."
        fig = figures.efficiency(curve, f"{cohort.name}: {cohort.kind}")
        parts += _written(curve, Path(out, "tables"), "efficiency", about, fig)
    path = Path(out, "report.md")
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def _of_protocol(folds, protocol, where, cohort, against):
    """The tables of one way of making folds."""
    n_seeds, n_draws = folds["seed"].nunique(), folds["draw"].nunique()
    design = f"{protocol} x {_count(n_seeds, 'seed')} x {_count(n_draws, 'draw')}"
    title = f"{cohort.name}, {design}\n{cohort.kind}"
    accuracy = tables.accuracy(folds, cohort.has_reports, against)
    about = f"{cohort.name}, {design}. {cohort.kind}. {_unit(n_draws)}"
    about += _conditional(accuracy)
    scores, cost = tables.further_scores(folds), tables.cost(folds)
    claims = tables.claims(folds, cohort.has_reports)
    fig = figures.intervals(
        accuracy,
        "method",
        "C-index",
        **{**_NO_GAP, "line": 0.5},
        xlabel="C-index with 95 % interval",
        title=title,
    )
    has_lead = "lead over reference" in accuracy
    note = f" Lead over {against}." if has_lead else ""
    parts = [f"## {design}"]
    parts += _written(accuracy, where, "accuracy", f"Accuracy. {about}{note}", fig)
    if n_draws == 1:
        parts += _by_patients(folds, where, against, cohort, title)
    fig = figures.auc_over_time(scores, title)
    parts += _written(scores, where, "scores", f"Further scores. {about}", fig)
    fig = figures.cost_and_accuracy(cost, accuracy, title)
    parts += _written(cost, where, "cost", f"Cost. {about}", fig)
    if len(claims):
        fig = figures.intervals(
            claims,
            "compared",
            "difference of C",
            **_NO_GAP,
            xlabel="Difference of the C-index with 95 % interval",
            title=title,
        )
        parts += _written(
            claims, where, "claims", f"The paper's claims. {about}{_EACH}", fig
        )
    fig = figures.top_risk(folds, f"{cohort.name}, first draw\n{cohort.kind}", against)
    return [*parts, _saved(fig, where, "top_risk")]


def _by_patients(folds, where, against, cohort, title):
    """The leads over one method that the test patients of a single draw tell."""
    table = leads(folds, against)
    if table.empty:
        return []
    fig = figures.intervals(
        table,
        "method",
        "difference of C",
        **_NO_GAP,
        xlabel=f"C-index over {against}, 95 % interval by test patients",
        title=title,
    )
    about = f"Lead over {against}, by test patients. {cohort.kind}. {LEAVES_OUT}"
    return _written(table, where, "leads", about, fig)


def _head(cohort, scale_name, frame):
    """Subject of the study, and missing folds."""
    folds_of = frame[frame["share"] == 1].groupby("method").size()
    missing = folds_of[folds_of < folds_of.max()]
    lines = [
        f"# Study: {cohort.name}, scale {scale_name}",
        f"{cohort.kind}. {len(frame)} finished folds of {folds_of.size} methods.",
    ]
    if len(missing):
        lines.append(
            "Not finished: "
            + ", ".join(f"{k} ({v} of {folds_of.max()})" for k, v in missing.items())
            + ". Their rows are of the folds that there are."
        )
    return "\n\n".join(lines)


def _count(n, noun):
    return f"{n} {noun}{'s' if n > 1 else ''}"


def _unit(n_draws):
    """Meaning of the intervals."""
    if n_draws > 1:
        return (
            "Intervals are of the mean over draws (t-test); the draw is the unit. SD "
            "of repeats and folds are within a draw."
        )
    return "Intervals are corrected for overlapping folds (Nadeau and Bengio, 2003)."


def _conditional(accuracy):
    """Variation that no interval includes."""
    if "conditional on" not in accuracy:
        return ""
    return (
        " Methods conditional on one encoder start from the same pretrained weights in "
        "every fold and draw: their intervals leave out what pretraining varies."
    )


def _written(table, where, name, about, fig):
    """Write a table with its figure; return their part of the report."""
    write_csv(table, where / f"{name}.csv", index=False)
    text = f"{tables.markdown(table)}\n"
    write_text(where / f"{name}.md", f"{about}\n\n{text}")
    return [f"{about}\n\n{text}", _saved(fig, where, name)]


def _saved(fig, where, name):
    """Write a figure; return the line that shows it."""
    fig.savefig(where / f"{name}.png", dpi=130)
    plt.close(fig)
    relative = where.name if where.name == "tables" else f"tables/{where.name}"
    return f"![{name}]({relative}/{name}.png)"

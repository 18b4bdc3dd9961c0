"""Sections: patient, ECG, risk over time, and contributions to it."""

import numpy as np

from ...._html import definitions, note, section, table, tag
from ....records import LEADS
from ._charts import bars_svg, percent, place_svg, risk_svg, signed
from ._ecg import LEAST_SCALE, ecg_svg, wash_scale


def heading(report):
    """Identifier, headline figures and the limits of their use."""
    last = report.risk_table.iloc[-1]
    time = f"{report.risk_table.index[-1]:g} {report.time_unit}"
    named = f"Risk of {report.outcome} within {time}"
    facts = [
        (named, "withheld" if report.is_poorly_calibrated else percent(last["patient"]))
    ]
    if report.n_cohort > 1:
        facts.append(("Place in the cohort", _place_in_words(report)))
    facts.append(("Log risk", signed(report.log_risk)))
    return tag(
        "header",
        tag("p", "ECG risk report", class_="kicker"),
        tag("h1", report.id),
        tag(
            "p",
            tag("strong", "For research only. "),
            "Not a medical device: it must not guide the care of a patient.",
            class_="warning",
        ),
        _about_calibration(report) if report.is_poorly_calibrated else None,
        definitions(facts, "facts"),
    )


def _about_calibration(report):
    """Reason why the risk is withheld, and results that remain valid."""
    return tag(
        "p",
        tag("strong", "The risks of this model are poorly calibrated here. "),
        "Read the place in the cohort, not the percentages, until the model has been "
        "recalibrated; the card below tells the figures.",
        class_="warning",
    )


def ecg(report):
    """The ECG, with attention that can be switched per lead."""
    weights = report.temporal
    present = [
        lead for lead, ecg in zip(LEADS, report.signals) if np.isfinite(ecg).all()
    ]
    shown = [lead for lead in present if lead in weights]
    return section(
        "The ECG, and where the network looked",
        _controls(shown, present),
        tag(
            "div",
            ecg_svg(report.signals, report.sampling_rate, weights),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="ECG, scrolls sideways",
        ),
        note(_about_wash(report, weights)),
        class_="sheet",
    )


def risk(report):
    """Risk over time, and its place in the cohort."""
    unit = report.time_unit
    said = (
        f"Risk of {report.outcome} over time: "
        f"{percent(report.risk_table['patient'].iloc[-1])} within "
        f"{report.risk_table.index[-1]:g} {unit}"
    )
    parts = [risk_svg(report.risk_over_time, unit, said), _risk_table(report)]
    if report.n_cohort > 1:
        words = _place_in_words(report)
        parts += [
            tag("h3", "Place in the cohort"),
            place_svg(report.percentile, words),
            note(
                f"{words}; above, the bands hold the middle half "
                "and the middle 80 % of the cohort's curves; the ends of the "
                "curves rest on few patients."
            ),
        ]
    else:
        parts.append(note("One ECG alone was given, so there is no cohort to compare."))
    return section("Risk over time", *parts)


def effects(report):
    """Which leads and segments moved the risk."""
    legend = tag(
        "p",
        tag("span", class_="key raises"),
        " raises the risk, ",
        tag("span", class_="key lowers"),
        " lowers it",
        class_="legend",
    )
    return section(
        "What moved the risk",
        legend,
        tag("h3", "Leads"),
        bars_svg(report.lead_changes.to_dict(), "Change of the log risk by lead"),
        tag("h3", "Segments of the beat"),
        bars_svg(report.segment_changes.to_dict(), "Change of the log risk by segment"),
        note(
            "Log risk of the whole ECG less that without the lead or segment; in "
            "brackets the factor of the hazard. Leads tell much the same: one of them "
            "may look idle only because its neighbours speak for it."
        ),
    )


def _controls(shown, present):
    """Buttons for attention and long strip, which the script reveals."""
    buttons = [
        tag("button", lead, type="button", data_wash=lead, aria_pressed="true")
        for lead in shown
    ]
    both = [
        tag("button", name, type="button", data_all=state)
        for name, state in (("All", "true"), ("None", "false"))
        if shown
    ]
    options = [
        tag("option", lead, value=lead, selected="" if lead == "II" else None)
        for lead in present
    ]
    label = tag("label", "Long strip ", tag("select", *options, id="strip-lead"))
    group = tag(
        "div",
        tag("span", "Attention in lead ", class_="label") if shown else None,
        *buttons,
        *both,
        role="group",
        aria_label="Attention shown, by lead",
    )
    return tag("div", group, label, class_="controls", id="controls", hidden="")


def _about_wash(report, weights):
    """Meaning of the colour, or the reason why there is none."""
    if not weights:
        return report.no_attention
    scale = wash_scale(weights)
    even = "Here it is nearly even. " if scale == LEAST_SCALE else ""
    return (
        "A deeper blue means more attention of the network to that moment: from the "
        f"mean of the lead (no colour) to {scale:.1f} times as much. {even}"
        "Attention shows where the network looked, not what changed the risk."
    )


def _risk_table(report):
    """Risks at round times."""
    names = [f"Within, {report.time_unit}", "This patient"]
    if report.n_cohort > 1:
        names += ["Cohort median", "Middle 80 %"]
    rows = []
    for time, row in report.risk_table.iterrows():
        cells = [percent(row["patient"])]
        if report.n_cohort > 1:
            cells.append(percent(row["q50"]))
            cells.append(f"{percent(row['q10'])} to {percent(row['q90'])}")
        cells = [tag("td", cell, class_="number") for cell in cells]
        rows.append(tag("tr", tag("th", f"{time:g}", scope="row"), *cells))
    return table("Risks at round times", names, rows)


def _place_in_words(report):
    n, others = report.n_cohort, report.n_cohort - 1
    if report.percentile in (0, 100):
        return f"{'Lowest' if report.percentile == 0 else 'Highest'} of {n}"
    return f"Higher than {report.percentile:.0f} % of {others} others"

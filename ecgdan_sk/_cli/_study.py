"""ecgdan-sk study."""

from pathlib import Path
from typing import Annotated

import typer

from . import _command as options
from ._command import command, say


@command(
    "study ecgs/ outcomes.csv --id file --ecg-date recorded --event-date failure "
    "--last-contact seen --out report"
)
def study(
    ecgs: options.ECGs,
    outcomes: options.Table,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    columns: dict,
    rate: options.Rate = None,
    horizon: Annotated[
        float | None, typer.Option(help="Days by which risks are told.")
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Where the network starts; see 'ecgdan-sk info'.")
    ] = "ptbxl-100hz",
    network: Annotated[
        str,
        typer.Option(help="frozen: a head on ready features; trained: all of it."),
    ] = "frozen",
    n_repeats: Annotated[int, typer.Option(min=1, help="Repeats of the folds.")] = 5,
    title: Annotated[
        str, typer.Option(help="At the head of the page.")
    ] = "Heart failure risk from ECGs",
    outcome: Annotated[str, typer.Option(help="What the risk is of.")] = "the event",
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away another study in --out.")
    ] = False,
    n_jobs: options.Jobs = -1,
    seed: options.Seed = 0,
):
    """Compare a network with Cox models on your ECGs and outcomes, and write a report.

    A column that is named as its option, such as "event", need not be given. All other
    columns become covariates. Killed, the same command goes on where it was.
    """
    from ..study import assemble, open_ecgs, read_table, run_study

    table = read_table(outcomes)
    found = open_ecgs(ecgs, sampling_rate=rate, n_jobs=n_jobs, verbose=1)
    cohort = assemble(found.X, table, **columns)
    report = run_study(
        cohort.X,
        cohort.y,
        out,
        encoder=encoder,
        network=network,
        horizon=horizon,
        n_repeats=n_repeats,
        flow=cohort.flow,
        reading=found.report,
        title=title,
        outcome=outcome,
        restart=restart,
        n_jobs=n_jobs,
        random_state=seed,
        verbose=1,
    )
    say(report)

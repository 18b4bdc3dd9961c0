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
        float | None, typer.Option(help="Horizon of the risks, in days.")
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Pretrained encoder; see 'ecgdan-sk info'.")
    ] = "ptbxl-100hz",
    network: Annotated[
        str,
        typer.Option(help="frozen: train only the head; trained: train all."),
    ] = "frozen",
    n_repeats: Annotated[int, typer.Option(min=1, help="Repeats of the folds.")] = 5,
    title: Annotated[
        str, typer.Option(help="Title of the page.")
    ] = "Heart failure risk from ECGs",
    outcome: Annotated[str, typer.Option(help="Name of the outcome.")] = "the event",
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete another study in --out.")
    ] = False,
    n_jobs: options.Jobs = -1,
    seed: options.Seed = 0,
):
    """Compare a network with Cox models on your ECGs and outcomes, and write a report.

    A column with the name of its option, such as "event", need not be given. All other
    columns become covariates. After an interruption, the same command continues.
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

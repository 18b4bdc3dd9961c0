"""ecgdan-sk validate."""

from pathlib import Path
from typing import Annotated

import typer

from . import _command as options
from ._command import command, say


@command("validate report/model ecgs/ outcomes.csv --id file --out validation.html")
def validate(
    model: options.Model,
    ecgs: options.ECGs,
    outcomes: options.Table,
    out: Annotated[Path, typer.Option(help="HTML page; replaced.")],
    columns: dict,
    rate: options.Rate = None,
    horizon: Annotated[
        float | None, typer.Option(help="Days by which risks are told.")
    ] = None,
    n_bootstrap: Annotated[
        int, typer.Option(min=0, help="Resampled cohorts for the intervals.")
    ] = 500,
    n_jobs: options.Jobs = 1,
    seed: options.Seed = 0,
):
    """Compare a fitted model with the outcomes of other patients."""
    from ..study import assemble, read_table
    from ..study._files import model_and_ecgs
    from ..validation import validate as held_against

    table = read_table(outcomes)
    fitted, found = model_and_ecgs(model, ecgs, rate, n_jobs)
    cohort = assemble(found.X, table, **columns)
    report = held_against(
        fitted,
        cohort.X,
        cohort.y,
        times=fitted.horizon if horizon is None else horizon,
        n_bootstrap=n_bootstrap,
        n_jobs=n_jobs,
        random_state=seed,
    )
    report.save_html(out)
    say(f"{report.to_markdown()}\n{cohort.flow.to_string(index=False)}\n\n{out}")

"""ecgdan-sk check and ecgdan-sk measure."""

from pathlib import Path
from typing import Annotated

import typer

from ._command import ECGs, Jobs, Rate, command, say


@command("check ecgs/ --out checks.csv")
def check(
    ecgs: ECGs,
    out: Annotated[
        Path | None, typer.Option(help="Table of findings by ECG, as CSV.")
    ] = None,
    rate: Rate = None,
    n_jobs: Jobs = 1,
):
    """Look for wrong leads and units, poor signals, and copies of the same ECG."""
    from ..study import check_ecgs, open_ecgs
    from ..study._store import write_csv

    found = open_ecgs(ecgs, sampling_rate=rate, lazy=True, n_jobs=n_jobs, verbose=1)
    result = check_ecgs(found.X)
    if out is not None:
        write_csv(result.table.rename_axis("id"), out)
    say(result)


@command("measure ecgs/ --out table.csv")
def measure(
    ecgs: ECGs,
    out: Annotated[Path, typer.Option(help="Table, as CSV; replaced.")],
    rate: Rate = None,
    n_jobs: Jobs = 1,
):
    """Measure ECGs: rate, intervals, axes, voltages, a row for each."""
    from ..study import open_ecgs
    from ..study._files import measure_ecgs
    from ..study._store import write_csv

    found = open_ecgs(ecgs, sampling_rate=rate, lazy=True, n_jobs=n_jobs, verbose=1)
    table = measure_ecgs(found.X, n_jobs=n_jobs, verbose=1)
    lost = int(table.drop(columns="reasons").isna().all(axis=1).sum())
    told = f"{len(table) - lost} of {len(table)}" if lost else f"{len(table)}"
    why = '. The column "reasons" says what is missing.' if lost else ""
    say(f"{told} ECGs are measured: {write_csv(table, out)}{why}")

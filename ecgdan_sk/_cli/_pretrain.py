"""ecgdan-sk pretrain."""

from pathlib import Path
from typing import Annotated

import typer

from ._command import ECGs, Jobs, Rate, Seed, command, say


@command("pretrain ecgs/ reports.csv --id file --text report --out encoder.safetensors")
def pretrain(
    ecgs: ECGs,
    reports: Annotated[
        Path, typer.Argument(help="Table of the reports, a row per ECG.")
    ],
    out: Annotated[Path, typer.Option(help="File of the encoder; replaced.")],
    id: Annotated[str, typer.Option(help="Column that names the ECG file.")] = "id",
    text: Annotated[str, typer.Option(help="Column of the reports.")] = "report",
    rate: Rate = 100.0,
    max_epochs: Annotated[
        int | None, typer.Option(min=1, help="Largest number of epochs.")
    ] = None,
    n_jobs: Jobs = 1,
    seed: Seed = 0,
):
    """Pretrain an encoder on your ECGs and their reports."""
    from ..study import open_ecgs, read_table
    from ..study._pretrain import pretrain_encoder

    table = read_table(reports)
    found = open_ecgs(ecgs, sampling_rate=rate, n_jobs=n_jobs, verbose=1)
    say(
        pretrain_encoder(
            found.X,
            table,
            out,
            id=id,
            text=text,
            max_epochs=max_epochs,
            random_state=seed,
            verbose=1,
        )
    )

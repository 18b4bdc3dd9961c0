"""ecgdan-sk predict."""

from pathlib import Path
from typing import Annotated

import typer

from ._command import ECGs, Jobs, Model, Rate, command, say


@command("predict report/model ecgs/ --out risks.csv")
def predict(
    model: Model,
    ecgs: ECGs,
    out: Annotated[Path, typer.Option(help="Table of the risks, as CSV; replaced.")],
    time: Annotated[
        float | None, typer.Option(help="Horizon of the risks, in days.")
    ] = None,
    rate: Rate = None,
    n_jobs: Jobs = 1,
):
    """Predict the risk of each ECG by a fitted model."""
    from ..study._files import model_and_ecgs
    from ..study._store import write_csv

    fitted, found = model_and_ecgs(model, ecgs, rate, n_jobs)
    table = fitted.risk_table(found.X, time)
    say(f"{len(table)} risks are predicted: {write_csv(table, out)}")

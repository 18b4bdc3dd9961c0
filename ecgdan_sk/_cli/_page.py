"""ecgdan-sk page."""

from pathlib import Path
from typing import Annotated

import typer

from ._command import ECGs, Jobs, Model, Rate, Seed, command, say


@command("page report/model ecgs/ --id a17 --out a17.html")
def page(
    model: Model,
    ecgs: ECGs,
    id: Annotated[str, typer.Option(help="Name of the ECG, as in its file.")],
    out: Annotated[Path | None, typer.Option(help="HTML page; replaced.")] = None,
    rate: Rate = None,
    n_jobs: Jobs = 1,
    seed: Seed = 0,
):
    """Explain the risk of one ECG among the others, on one page."""
    from ..study._files import model_and_ecgs

    fitted, found = model_and_ecgs(model, ecgs, rate, n_jobs)
    report = fitted.explain(found.X, id, random_state=seed, verbose=1)
    say(report.save_html(Path(f"{id}.html") if out is None else out))

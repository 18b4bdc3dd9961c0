"""ecgdan-sk info."""

from pathlib import Path
from typing import Annotated

import typer

from ._command import command, say


@command("info report/model")
def info(
    file: Annotated[
        Path | None,
        typer.Argument(help="ECG file, cohort, model or encoder. None: the package."),
    ] = None,
):
    """Describe a file: an ECG, a cohort, a model or an encoder."""
    from ..study._files import describe

    say(describe(file))

"""ecgdan-sk read."""

from pathlib import Path
from typing import Annotated

import typer

from ._command import ECGs, Jobs, Rate, command, say


@command("read ecgs/ --out cohort")
def read(
    ecgs: ECGs,
    out: Annotated[Path, typer.Option(help="Folder of the cohort; must not exist.")],
    rate: Rate = None,
    duration: Annotated[
        float | None, typer.Option(help="Crop or pad all to this length, in s.")
    ] = None,
    n_jobs: Jobs = 1,
):
    """Read ECG files of any mixture of formats into one cohort."""
    from ..study import open_ecgs
    from ..study._files import save_cohort

    found = open_ecgs(
        ecgs, sampling_rate=rate, duration=duration, lazy=True, n_jobs=n_jobs, verbose=1
    )
    say(save_cohort(found, out))

"""ecgdan-sk demo."""

from pathlib import Path
from typing import Annotated

import typer

from ._command import Jobs, Seed, command, say


@command("demo --out demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path(
        "ecgdan-demo"
    ),
    n_samples: Annotated[int, typer.Option(min=100, help="Simulated patients.")] = 2000,
    n_jobs: Jobs = -1,
    seed: Seed = 0,
):
    """Simulate a cohort, study it, and write its report: a first look."""
    from ..study import run_study
    from ..study._demo import demo_cohort

    cohort = demo_cohort(n_samples, random_state=seed)
    report = run_study(
        cohort.X,
        cohort.y,
        out,
        title="Demo: a simulated cohort",
        outcome="a simulated event",
        notes=(cohort.note,),
        n_jobs=n_jobs,
        random_state=seed,
        verbose=1,
    )
    say(report)

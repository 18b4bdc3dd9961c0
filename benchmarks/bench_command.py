"""Cost of the commands, and whether a study survives a kill.

`python benchmarks/bench_command.py kill` kills a study ten times at random moments
(SIGKILL), lets it go on, and compares every table with those of an unbroken run.
`python benchmarks/bench_command.py files --n 10000` writes simulated ECGs as WFDB files
and times `read`, `check` and `measure`, with the most memory that each took.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb

from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import LEADS, ECGRecords

_SAME = ("discrimination", "folds", "risks", "calibration", "leads", "measurements")


def main():
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["kill", "files"])
    parser.add_argument("--n", type=int, default=10_000, help="files")
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "kill":
            kill(Path(folder))
        else:
            files(Path(folder), options.n, options.n_jobs)


def kill(folder, n_kills=10):
    """Kill a study repeatedly, and compare its results with an unbroken run."""
    cohort = make_ecg_cohort(
        100, sampling_rate=100, duration=5, event_rate=0.4, random_state=0
    )
    names = [f"p{i}" for i in range(100)]
    ECGRecords(cohort.X, 100, ids=names).save(folder / "cohort")
    table = pd.DataFrame({"id": names, "event": cohort.y["event"]})
    table.assign(time=cohort.y["time"]).to_csv(folder / "table.csv", index=False)
    given = ["study", folder / "cohort", folder / "table.csv", "--n-jobs", 1]
    start = time.perf_counter()
    command(*given, "--out", folder / "whole").communicate()
    whole = time.perf_counter() - start
    rng, steps, n_killed = random.Random(0), folder / "killed" / "steps", 0
    n_steps = len(list((folder / "whole" / "steps").iterdir()))
    for least in sorted(rng.sample(range(1, n_steps), n_kills)):
        process = command(*given, "--out", folder / "killed")
        while process.poll() is None and len(list(steps.glob("[!.]*"))) < least:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        n_killed += process.poll() is None
        process.kill()
        process.communicate()
    process = command(*given, "--out", folder / "killed")
    process.communicate()
    print(f"unbroken run {whole:.1f} s; killed {n_killed} times before the end")
    print(f"the last run ended with exit code {process.returncode}")
    for name in _SAME:
        one, other = (
            (folder / where / "tables" / f"{name}.csv").read_bytes()
            for where in ("whole", "killed")
        )
        print(f"{name}: {'the same' if one == other else 'DIFFERENT'}")


def files(folder, n, n_jobs):
    """Time the commands on a folder of WFDB files."""
    ecgs = folder / "ecgs"
    ecgs.mkdir()
    cohort = make_ecg_cohort(min(n, 500), sampling_rate=500, random_state=0)
    counts = np.round(cohort.X * 1000).astype(np.int64)
    for i in range(n):
        wfdb.wrsamp(
            f"r{i:06d}",
            fs=500,
            units=["mV"] * 12,
            sig_name=list(LEADS),
            # Shifted in time, so that no file is a copy.
            d_signal=np.roll(counts[i % len(counts)].T, i // len(counts), axis=0),
            fmt=["16"] * 12,
            adc_gain=[1000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(ecgs),
        )
    jobs = ["--n-jobs", n_jobs]
    for name, *given in (
        ("read", ecgs, "--out", folder / "cohort", *jobs),
        ("check", folder / "cohort", *jobs),
        ("measure", folder / "cohort", "--out", folder / "table.csv", *jobs),
    ):
        start = time.perf_counter()
        process = command(name, *given)
        _, told = process.communicate()
        seconds = time.perf_counter() - start
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{name}: {n} ECGs in {seconds:.1f} s, {n / seconds:.0f} per second; at "
            f"most {most:.0f} MB in a process so far; exit code {process.returncode}"
            f"{'' if not process.returncode else told[-200:]}"
        )


def command(*arguments):
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ecgdan_sk", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()

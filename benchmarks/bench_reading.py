"""How fast read_ecg_folder reads PTB-XL at 500 Hz, beside a loop of wfdb.rdsamp.

Run: python benchmarks/bench_reading.py [--repeats 7]
Recordings are sought in the folder ECGDAN_DATA, else ../shared/data. Each repeat times
the three ways in turn, in a new order; processes are started before the first repeat,
and the time that their start takes is told apart. Ratios are medians over the repeats
with their range.
"""

import argparse
import os
from pathlib import Path
from time import perf_counter

import numpy as np
import wfdb

from ecgdan_sk.datasets import read_ecg_folder

DATA = Path(os.environ.get("ECGDAN_DATA", Path(__file__).parents[2] / "shared/data"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    folder = DATA / "ptbxl" / "records500"
    records = [str(path.with_suffix("")) for path in sorted(folder.glob("*/*.hea"))]
    if not records:
        raise SystemExit(f"No recordings of PTB-XL in {folder}; set ECGDAN_DATA.")
    ways = {
        "wfdb.rdsamp in a loop": lambda: plain_loop(records),
        "read_ecg_folder, one process": lambda: read_ecg_folder(folder, "*/*.hea"),
        "read_ecg_folder, two": lambda: read_ecg_folder(folder, "*/*.hea", n_jobs=2),
    }
    check_equal(records, ways["read_ecg_folder, one process"]().X)
    start = seconds(ways["read_ecg_folder, two"])
    times = measure(ways, arguments.repeats)
    loop, one, two = (np.array(times[way]) for way in ways)
    print(f"{len(records)} recordings, {arguments.repeats} repeats")
    print("| what | measured | aim |\n|---|---|---|")
    for way, took in times.items():
        print(f"| {way} | {np.median(took):.2f} s | |")
    print(f"| the same with the start of its processes | {start:.2f} s | |")
    row("time of one process over that of the loop", one / loop, "at most 2")
    row("time of the loop over that of two processes", loop / two, "at least 1.6")


def plain_loop(records):
    """What a user writes without the package: one array of all recordings."""
    return np.stack([wfdb.rdsamp(record)[0].T for record in records])


def check_equal(records, X):
    """Both ways must give the same ECGs."""
    np.testing.assert_allclose(X.signals, plain_loop(records), atol=1e-6)


def measure(ways, repeats):
    """Seconds of each way, repeat by repeat, in an order of its own each time."""
    rng = np.random.default_rng(0)
    times = {way: [] for way in ways}
    for _ in range(repeats):
        for way in rng.permutation(list(ways)):
            times[way].append(seconds(ways[way]))
    return times


def seconds(function):
    """How long a call takes."""
    start = perf_counter()
    function()
    return perf_counter() - start


def row(what, ratios, aim):
    """One ratio with its range over the repeats."""
    spread = f"{ratios.min():.2f} to {ratios.max():.2f}"
    print(f"| {what} | {np.median(ratios):.2f} ({spread}) | {aim} |")


if __name__ == "__main__":
    main()

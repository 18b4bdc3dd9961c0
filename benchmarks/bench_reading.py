"""How fast read_ecg_folder reads PTB-XL at 500 Hz, beside a loop of wfdb.rdsamp.

Run: python benchmarks/bench_reading.py [--repeats 7] [--simulated 10000]
With --simulated, so many simulated ECGs are written as WFDB, read into a saved cohort
in two processes, as `ecgdan-sk read` does, and the memory of the largest process told.
Recordings are sought in the folder ECGDAN_DATA, else ../shared/data. Each repeat times
the three ways in turn, in a new order; processes are started before the first repeat,
and the time that their start takes is told apart. Ratios are medians over the repeats
with their range.
"""

import argparse
import os
import resource
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import wfdb

from ecgdan_sk.datasets import make_ecg_cohort, read_ecg_folder
from ecgdan_sk.records import LEADS, ECGRecords

DATA = Path(os.environ.get("ECGDAN_DATA", Path(__file__).parents[2] / "shared/data"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--simulated", type=int, default=0, help="files instead")
    arguments = parser.parse_args()
    if arguments.simulated:
        of_files(arguments.simulated)
        return
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


def of_files(n_files):
    """Read simulated ECGs of WFDB files into a saved cohort."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_wfdb(folder / "ecgs", n_files)
        # Processes are there before the first file, and so is what they import.
        read_ecg_folder(folder / "ecgs", "ecg0000[0-9].hea", n_jobs=2, lazy=True)
        start = perf_counter()
        found = read_ecg_folder(folder / "ecgs", n_jobs=2, lazy=True)
        read = perf_counter() - start
        found.X.save(folder / "cohort")
        saved = perf_counter() - start - read
        np.testing.assert_allclose(
            np.asarray(ECGRecords.open(folder / "cohort").signals[-3:]),
            np.asarray(found.X.signals[-3:]),
            atol=0.0005,
        )
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    memory = max(resource.getrusage(one).ru_maxrss for one in who) / 1024
    print(f"Load of the machine (other programs too): {os.getloadavg()[0]:.1f}")
    print("| what | measured | aim |\n|---|---|---|")
    print(f"| report on {n_files} files | {n_files / read:.0f} files/s | |")
    print(f"| writing the cohort | {n_files / saved:.0f} files/s | |")
    both = n_files / (read + saved)
    print(f"| both | {both:.0f} files/s | at least 300 |")
    print(f"| memory of the largest process | {memory:.0f} MB | the same for any n |")


def write_wfdb(folder, n_files):
    """Simulated ECGs of 10 s at 500 Hz, 16 bits and 1 uV per count."""
    folder.mkdir()
    X = make_ecg_cohort(100, sampling_rate=500, random_state=0).X[:]
    for i in range(n_files):
        name = f"ecg{i:05d}"
        # Each differs from the others, as copies would be counted.
        counts = np.rint(X[i % len(X)] * 1000 + i // len(X)).astype("<i2")
        (folder / f"{name}.dat").write_bytes(counts.T.tobytes())
        lines = [f"{name} {len(LEADS)} 500 {counts.shape[1]}"]
        lines += [f"{name}.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS]
        (folder / f"{name}.hea").write_text("\n".join([*lines, "# Age: 60"]) + "\n")


def plain_loop(records):
    """Code that a user writes without the package: one array of all recordings."""
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

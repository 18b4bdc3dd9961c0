"""Data in: training from disk, in memory and time; `--only` chooses one part.

Run `OMP_NUM_THREADS=1 python benchmarks/bench_data.py FOLDER`, where FOLDER has 4 GB to
spare; what is written there is removed. Each measurement is a process of its own, whose
peak resident memory the system tells.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._lazy_signals import LazySignals
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import ECGRecords

N_TEMPLATES = 200
SHAPE = (12, 1000)


def template_of(templates, key):
    """An ECG like one of a few, of another amplitude."""
    return templates[key % len(templates)] * np.float32(1 + key % 7 / 10)


def write_cohort(folder, n_samples):
    """A saved cohort in int16, written from ECGs that are made as they are read."""
    templates = make_ecg_cohort(N_TEMPLATES, sampling_rate=100, random_state=0).X[:]
    signals = LazySignals(
        partial(template_of, np.asarray(templates)), range(n_samples), SHAPE
    )
    start = time.perf_counter()
    ECGRecords(signals, 100).save(folder)
    seconds = time.perf_counter() - start
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    print(
        f"wrote {n_samples:,} ECGs, {n_bytes / 1e9:.2f} GB, in {seconds:.0f} s",
        flush=True,
    )


def write_sparse(file, n_samples):
    """A file of zeros that takes no room, behind a few ECGs."""
    templates = make_ecg_cohort(N_TEMPLATES, sampling_rate=100, random_state=0).X[:]
    array = np.lib.format.open_memmap(file, "w+", np.int16, (n_samples, *SHAPE))
    array[:N_TEMPLATES] = np.asarray(templates) * 1000
    array.flush()


def outcomes(n_samples):
    """Times and events that have nothing to do with the ECGs."""
    rng = np.random.default_rng(0)
    return Surv.from_arrays(
        rng.random(n_samples) < 0.1, rng.exponential(size=n_samples)
    )


def records_of(source):
    """ECGs of a saved folder or of a sparse file; "ram:" reads them into memory."""
    in_memory = source.startswith("ram:")
    path = Path(source.removeprefix("ram:"))
    if path.suffix == ".npy":
        return ECGRecords(np.load(path, mmap_mode="r"), 100, scale=1e-3)
    records = ECGRecords.open(path)
    return ECGRecords(np.asarray(records), 100) if in_memory else records


def train(source, small):
    """Train one network for one epoch, and print what it took."""
    records = records_of(source)
    attention = {"lead_attention": False, "temporal_attention": False}
    sizes = {"n_channels": 4, "latent_dim": 8, "batch_size": 512, "crop": 0.1}
    sizes = sizes | attention if small else {}
    model = DualAttentionSurvival(
        n_members=1, max_epochs=1, device="cpu", random_state=0, **sizes
    )
    start = time.perf_counter()
    model.fit(records, outcomes(len(records)))
    seconds = time.perf_counter() - start
    # Linux tells kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps({"ms": 1e3 * seconds / len(records), "gb": peak / 1e9}))


def measured(source, small=False):
    """Time per ECG in ms and peak memory in GB of a training in another process."""
    command = [sys.executable, "-W", "ignore", __file__, "--train", str(source)]
    run = subprocess.run(
        [*command, *(["--small"] if small else [])],
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ,
    )
    return json.loads(run.stdout.splitlines()[-1])


def compare_epoch(folder, n_samples, n_sparse, n_turns):
    """Print time and memory of an epoch from disk and from RAM, in turns."""
    if shutil.disk_usage(folder).free < 1.2 * n_samples * 24_000 + 1e8:
        sys.exit(f"{folder} has no room for {n_samples:,} ECGs of 24 kB.")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cohort = Path(place) / "cohort"
        write_cohort(cohort, n_samples)
        turns = []
        for _ in range(n_turns):
            disk, ram = measured(cohort), measured(f"ram:{cohort}")
            turns.append(disk["ms"] / ram["ms"])
            print(
                f"{n_samples:,} ECGs: disk {disk['ms']:.2f} ms per ECG, peak "
                f"{disk['gb']:.2f} GB; RAM {ram['ms']:.2f} ms, {ram['gb']:.2f} GB",
                flush=True,
            )
        print(
            f"from disk takes {np.median(turns):.3f} times as long "
            f"({min(turns):.3f} to {max(turns):.3f}); bound 1.25, memory bound 1.5 GB"
        )
        for n in (n_sparse // 10, n_sparse):
            file = Path(place) / "sparse.npy"
            write_sparse(file, n)
            small = measured(file, small=True)
            print(
                f"small net, sparse file of {n:,} ECGs: {small['ms']:.3f} ms per ECG, "
                f"peak {small['gb']:.2f} GB",
                flush=True,
            )
            file.unlink()


PARTS = {"epoch": compare_epoch}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--n-samples", type=int, default=100_000)
    parser.add_argument("--n-sparse", type=int, default=1_000_000)
    parser.add_argument("--n-turns", type=int, default=3)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--small", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        train(given.train, given.small)
        return
    if given.folder is None or not given.folder.is_dir():
        parser.error("name a folder to write the cohort in")
    if given.only in (None, "epoch"):
        compare_epoch(given.folder, given.n_samples, given.n_sparse, given.n_turns)


if __name__ == "__main__":
    main()

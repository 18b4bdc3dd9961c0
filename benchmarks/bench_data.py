"""Data in: training from disk, in memory and time; `--only` chooses one part.

Run `OMP_NUM_THREADS=1 python benchmarks/bench_data.py FOLDER`, where FOLDER has 4 GB to
spare; what is written there is removed. Each measurement is a process of its own, whose
peak resident memory and processor time the system tells. Memory is that of a whole
epoch; time from disk and from RAM is compared over fewer ECGs, the same for both, drawn
over the whole file (`--n-timed`), in turns. What the system keeps of a file in memory
is let go before each run.
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
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import LEADS, ECGRecords, LazySignals

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


def records_of(source, n_timed):
    """ECGs of a saved folder or of a sparse file; "ram:" reads them into memory.

    All of them, or some that are drawn over the whole.
    """
    in_memory = source.startswith("ram:")
    path = Path(source.removeprefix("ram:"))
    for file in [path] if path.is_file() else path.iterdir():
        forget(file)
    if path.suffix == ".npy":
        records = ECGRecords(np.load(path, mmap_mode="r"), 100, scale=1e-3)
    else:
        records = ECGRecords.open(path)
    if n_timed:
        draw = np.random.default_rng(0).permutation(len(records))
        records = records[np.sort(draw[:n_timed])]
    return ECGRecords(np.asarray(records), 100) if in_memory else records


def forget(file):
    """Drop a file from the cache of the system, if it can be asked to."""
    if hasattr(os, "posix_fadvise"):
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def train(source, small, n_timed):
    """Train one network for one epoch, and print time and memory."""
    records = records_of(source, n_timed)
    network = Compact(
        n_channels=4, latent_dim=8, lead_attention=False, temporal_attention=False
    )
    sizes = {"architecture": network, "batch_size": 512, "crop": 0.1} if small else {}
    # Recordings are read whole, whatever leads are taken of them.
    records = records.select_leads(LEADS[:2]) if small else records
    model = DualAttentionSurvival(
        n_members=1, max_epochs=1, device="cpu", random_state=0, **sizes
    )
    y = outcomes(len(records))
    start, start_cpu = time.perf_counter(), time.process_time()
    model.fit(records, y)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    # Linux tells kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    ms, cpu_ms = 1e3 * seconds / len(records), 1e3 * cpu / len(records)
    print(json.dumps({"ms": ms, "cpu_ms": cpu_ms, "gb": peak / 1e9}))


def measured(source, small=False, n_timed=0):
    """Times per ECG in ms and peak memory in GB of a training in another process."""
    command = [sys.executable, "-W", "ignore", __file__, "--train", str(source)]
    run = subprocess.run(
        [*command, *(["--small"] if small else []), "--n-timed", str(n_timed)],
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ,
    )
    return json.loads(run.stdout.splitlines()[-1])


def compare_epoch(folder, given):
    """Print memory of an epoch from disk, and its time beside that from RAM."""
    if shutil.disk_usage(folder).free < 1.2 * given.n_samples * 24_000 + 1e8:
        sys.exit(f"{folder} has no room for {given.n_samples:,} ECGs of 24 kB.")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cohort = Path(place) / "cohort"
        write_cohort(cohort, given.n_samples)
        told(f"{given.n_samples:,} ECGs from disk, bound 1.5 GB", measured(cohort))
        compare_times(cohort, given.n_timed, given.n_turns)
        for n in (given.n_sparse // 10, given.n_sparse):
            file = Path(place) / "sparse.npy"
            write_sparse(file, n)
            found = measured(file, small=True)
            told(f"small net on two leads, sparse file of {n:,} ECGs", found)
            file.unlink()


def compare_times(cohort, n_timed, n_turns):
    """Print the time per ECG from disk over that from RAM, the order changing."""
    turns = []
    for turn in range(n_turns):
        sources = [str(cohort), f"ram:{cohort}"]
        ran = {s: measured(s, n_timed=n_timed) for s in sources[:: (-1) ** turn]}
        disk, ram = (ran[source] for source in sources)
        turns.append([disk[of] / ram[of] for of in ("cpu_ms", "ms")])
        told(f"{n_timed:,} of them from disk", disk)
        told(f"{n_timed:,} of them from RAM", ram)
    for of, ratios in zip(("processor", "wall"), np.transpose(turns)):
        print(
            f"from disk takes {np.median(ratios):.3f} times the {of} time of RAM "
            f"({min(ratios):.3f} to {max(ratios):.3f}); bound 1.25",
            flush=True,
        )


def told(what, found):
    """Print one measurement."""
    print(
        f"{what}: {found['cpu_ms']:.3f} ms of the processor and {found['ms']:.3f} ms "
        f"per ECG, peak {found['gb']:.3f} GB",
        flush=True,
    )


PARTS = {"epoch": compare_epoch}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--n-samples", type=int, default=100_000)
    parser.add_argument("--n-sparse", type=int, default=1_000_000)
    parser.add_argument("--n-timed", type=int, default=10_000)
    parser.add_argument("--n-turns", type=int, default=3)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--small", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        train(given.train, given.small, given.n_timed)
        return
    if given.folder is None or not given.folder.is_dir():
        parser.error("name a folder to write the cohort in")
    if given.only in (None, "epoch"):
        compare_epoch(given.folder, given)


if __name__ == "__main__":
    main()

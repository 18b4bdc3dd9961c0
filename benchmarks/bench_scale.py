"""More processes: training together, predicting in jobs, folds on clusters.

Run `OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_scale.py PART`.
What is compared takes turns, and processor time stands beside the clock: on a machine
that others use, only that tells what two free cores would do.
ECGs are 12 x 1000, simulated.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from joblib import parallel_config
from sklearn.model_selection import cross_val_score

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import ECGRecords, LazySignals

# Samples of a lead where there are many ECGs, so that they can be gone through soon.
SHORT, QUARTER = 64, 250


def cohort_of(n_samples):
    """ECGs and outcomes, those of 250 patients again and again."""
    made = make_ecg_cohort(250, sampling_rate=100, event_rate=0.3, random_state=0)
    copies = -(-n_samples // 250)
    X = np.tile(np.asarray(made.X), (copies, 1, 1))[:n_samples]
    return X, np.tile(made.y, copies)[:n_samples]


def model_of(**params):
    """One network on a CPU."""
    return DualAttentionSurvival(n_members=1, random_state=0, device="cpu", **params)


def timed(function):
    """Its result, seconds by the clock, and of the processor."""
    clock, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    result = function()
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = sum(
        getattr(after, name) - getattr(before, name)
        for name in ("ru_utime", "ru_stime")
    )
    return result, time.perf_counter() - clock, processor


def train_here(n_samples, n_epochs):
    """One rank: the time of a training, printed by the first."""
    X, y = cohort_of(n_samples)
    model_of(max_epochs=1).fit(X[:300], y[:300])  # to warm up
    model = model_of(max_epochs=n_epochs, patience=n_epochs)
    _, clock, processor = timed(lambda: model.fit(X, y))
    risk = model.predict(X[:50]).astype(float).tolist()
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps([clock, processor, risk]))


def train(n_samples=1000, n_epochs=12, n_turns=3):
    """One process and two, in turns."""
    script = [__file__, "train-here", str(n_samples), str(n_epochs)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    found = {1: [], 2: []}
    for _ in range(n_turns):
        for n_ranks, start in ((1, []), (2, launcher)):
            command = [sys.executable, "-W", "ignore", *start, *script]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            found[n_ranks].append(json.loads(output.splitlines()[-1]))
    for column, name in enumerate(("clock", "processor, of each process")):
        seconds = {n: [run[column] for run in runs] for n, runs in found.items()}
        ratios = np.divide(seconds[1], seconds[2])
        print(
            f"{name}: one {np.median(seconds[1]):.1f} s, two "
            f"{np.median(seconds[2]):.1f} s; ratio {np.median(ratios):.2f} "
            f"({ratios.min():.2f} to {ratios.max():.2f})"
        )
    one, two = (np.array(found[n][0][2]) for n in (1, 2))
    error = np.linalg.norm(two - one) / np.linalg.norm(one)
    print(f"relative difference of the risks: {error:.1e}")


def predict(n_samples=6000, n_turns=3):
    """One job and two, from memory and from a folder."""
    X, y = cohort_of(n_samples)
    model = model_of(max_epochs=1).fit(X[:300], y[:300])
    with tempfile.TemporaryDirectory() as folder:
        stored = ECGRecords.open(ECGRecords(X, 100).save(Path(folder, "cohort")))
        for name, source in (("RAM", X), ("folder", stored)):
            found = {1: [], 2: []}
            for _ in range(n_turns):
                for n_jobs in found:
                    with parallel_config(n_jobs=n_jobs):
                        found[n_jobs].append(timed(lambda s=source: model.predict(s)))
            assert np.array_equal(found[1][0][0], found[2][0][0])
            clock = {n: np.array([run[1] for run in runs]) for n, runs in found.items()}
            ratios = clock[1] / clock[2]
            one, two = (np.median([run[2] for run in runs]) for runs in found.values())
            print(
                f"{name}: {n_samples / np.median(clock[1]):,.0f} ECGs per second with "
                f"one job ({n_samples / one:,.0f} by processor time), "
                f"{n_samples / np.median(clock[2]):,.0f} with two; ratio "
                f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}), "
                f"on two free cores {2 * one / two:.2f} at the most"
            )


def sent_over_loopback():
    """Bytes that went from process to process of this machine, by the system."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    (own,) = (line.split(":")[1] for line in lines if line.strip().startswith("lo:"))
    return int(own.split()[0])


def clusters(n_samples=2000, n_folds=4):
    """Folds in sequence, by loky, Dask and Ray: bits, seconds, bytes."""
    X, y = cohort_of(n_samples)
    folds = EventKFold(n_folds, random_state=0)
    model = model_of(max_epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        stored = ECGRecords.open(ECGRecords(X, 100).save(Path(folder, "cohort")))
        sources = {"folder": stored, "RAM": ECGRecords(X, 100)}
        expected = cross_val_score(model, stored, y, cv=folds)

        def run(name, n_jobs):
            for kind, source in sources.items():
                before, start = sent_over_loopback(), time.perf_counter()
                scores = cross_val_score(model, source, y, cv=folds, n_jobs=n_jobs)
                n_mb = (sent_over_loopback() - before) / 1e6
                print(
                    f"{name}, {kind}: {time.perf_counter() - start:.1f} s, "
                    f"{n_mb / n_folds:.2f} MB per fold, same bits as in sequence: "
                    f"{np.array_equal(scores, expected)}",
                    flush=True,
                )

        # From a folder samples are rounded to microvolts, here as in memory.
        sources["RAM"] = ECGRecords(np.asarray(stored), 100)
        run("sequence", 1)
        with parallel_config("loky", inner_max_num_threads=1):
            run("loky", 2)
        run_on_dask(run)
        run_on_ray(run)


def run_on_dask(run):
    """The same on two workers of Dask."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster), parallel_config("dask"):
        run("Dask", 2)


def run_on_ray(run):
    """The same on two workers of Ray."""
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    with parallel_config("ray"):
        run("Ray", 2)
    ray.shutdown()


def sources(n_samples=4000, n_turns=3):
    """ECGs per second in shuffled batches of 128, by where they lie."""
    import wfdb
    import zarr

    from ecgdan_sk.records import LEADS

    X, _ = cohort_of(n_samples)
    with tempfile.TemporaryDirectory() as folder:
        memory, folder = ECGRecords(X, 100), Path(folder)
        one, parts = (
            memory.save(folder / "one"),
            memory.save(folder / "parts", part_size=n_samples // 10),
        )
        stored = zarr.open(
            folder / "zarr",
            mode="w",
            shape=X.shape,
            chunks=(4, *X.shape[1:]),
            dtype="i2",
        )
        stored[:] = (X * 1000).astype(np.int16)
        paths = [str(folder / f"r{i}") for i in range(256)]
        for path, ecg in zip(paths, X):
            wfdb.wrsamp(
                Path(path).name,
                100,
                ["mV"] * 12,
                list(LEADS),
                ecg.T.astype(np.float64),
                fmt=["16"] * 12,
                write_dir=str(folder),
            )
        kinds = {
            "RAM": memory,
            "one file": ECGRecords.open(one),
            "ten parts": ECGRecords.open(parts),
            "Zarr, chunks of 4": ECGRecords(stored, 100, scale=1e-3),
            "256 WFDB files": ECGRecords(LazySignals(read_wfdb, paths, X.shape[1:])),
        }
        found = {kind: [] for kind in kinds}
        for turn in range(n_turns):
            for kind, records in kinds.items():
                order = np.random.default_rng(turn).permutation(len(records))
                batches = np.array_split(order, max(1, len(order) // 128))

                def read(records=records, batches=batches):
                    for rows in batches:
                        np.asarray(records[rows])

                found[kind].append(len(records) / timed(read)[2])
        for kind, speeds in found.items():
            print(f"{kind}: {np.median(speeds):,.0f} ECGs per second of the processor")


def blocks(n_samples=30_000, n_turns=2):
    """An epoch from disk: recordings one by one, or in blocks of neighbours."""
    import zarr

    from ecgdan_sk._training import ECGDataset, _batches
    from ecgdan_sk.records._sources import FileRows

    X, y = cohort_of(1000)
    jumps, read = [], FileRows.read
    FileRows.read = lambda own, keys: jumps.append(n_jumps(keys)) or read(own, keys)
    target = np.resize(y["event"], (n_samples, 1)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        signals = LazySignals(partial(row_of, X), range(n_samples), X.shape[1:])
        one = ECGRecords(signals, 100).save(folder / "one")
        shape, chunks = (n_samples, *X.shape[1:]), (64, *X.shape[1:])
        stored = zarr.create_array(
            folder / "zarr", shape=shape, chunks=chunks, dtype="i2"
        )
        for first in range(0, n_samples, 1000):
            part = X[: n_samples - first]
            stored[first : first + len(part)] = (part * 1000).astype(np.int16)
        kinds = {
            "a folder": ECGRecords.open(one).signals,
            "Zarr, chunks of 64": ECGRecords(stored, 100, scale=1e-3).signals,
        }
        for kind, signals in kinds.items():
            data = ECGDataset(signals, target)
            for way in ("one by one", "by blocks") * n_turns:
                for file in filter(Path.is_file, folder.rglob("*")):
                    forget(file)
                if way == "by blocks":
                    batches = _batches.event_loader(data, 128)
                else:
                    sampler = _batches.EventBatchSampler(target[:, 0], 128)
                    batches = map(data.__getitems__, sampler)
                before = bytes_read()
                jumps.clear()
                n, clock, processor = timed(lambda b=batches: sum(len(x) for x, _ in b))
                n_reads, n_mb = np.subtract(bytes_read(), before) / (1, 1e6)
                print(
                    f"{kind}, {way}: {n / clock:,.0f} ECGs per second by the clock, "
                    f"{n / processor:,.0f} of the processor, {n_mb:,.0f} MB in "
                    f"{n_reads:,.0f} reads, {sum(jumps):,} not behind the last one",
                    flush=True,
                )


def n_jumps(keys):
    """How often a recording does not lie behind the one that was read before it."""
    return 1 + int((np.diff(keys) != 1).sum())


def shuffling(n_samples=1000, n_seeds=6):
    """C-index after training in small windows, of a store in order of time, or whole.

    A window has 16 blocks of 12 ECGs, where by default it has 128 blocks.
    """
    from ecgdan_sk._training import _blocks

    made = make_ecg_cohort(
        2 * n_samples, sampling_rate=100, duration=2.5, event_rate=0.3, random_state=0
    )
    X, y, seen = np.asarray(made.X), made.y, np.arange(n_samples)
    seen = seen[np.argsort(y["time"][seen])]
    usual, scores = _blocks._WINDOW, {}
    with tempfile.TemporaryDirectory() as folder:
        stored = ECGRecords.open(ECGRecords(X[seen], 100).save(Path(folder, "x")))
        for window in (usual, 192 * X[0].size):
            _blocks._WINDOW, _blocks._BLOCK = window, 12 * X[0].size
            scores[window] = []
            for seed in range(n_seeds):
                model = model_of(max_epochs=12, batch_size=64)
                model.set_params(random_state=seed).fit(stored, y[seen])
                scores[window].append(model.score(X[n_samples:], y[n_samples:]))
    whole, windows = map(np.array, scores.values())
    difference = windows - whole
    error = difference.std(ddof=1) / np.sqrt(n_seeds)
    print(
        f"C-index of {n_seeds} seeds: whole {whole.mean():.3f}, windows "
        f"{windows.mean():.3f}, difference {difference.mean():+.3f} "
        f"(standard error {error:.3f})"
    )


def memory(*sizes):
    """Peak memory of a process that predicts, or trains from a folder, by cohort."""
    for n_samples in sizes or (100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            file = write_tiled(Path(folder, "x.npy"), n_samples, SHORT)
            told_by_process("predict-here", file)
    for n_samples in sizes[:-1] or (30_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            X = cohort_of(1000)[0][:, :, :QUARTER]
            signals = LazySignals(partial(row_of, X), range(n_samples), X.shape[1:])
            told_by_process("fit-here", ECGRecords(signals, 100).save(f"{folder}/x"))


def told_by_process(part, path):
    """Run a part in a process of its own, which tells its peak memory."""
    command = [sys.executable, "-W", "ignore", __file__, part, str(path)]
    subprocess.run(command, check=True)


def write_tiled(file, n_samples, n_times):
    """ECGs in whole microvolts, a thousand of them again and again."""
    X = (cohort_of(1000)[0][:, :, :n_times] * 1000).astype(np.int16)
    shape = (n_samples, *X.shape[1:])
    header = {"descr": "<i2", "fortran_order": False, "shape": shape}
    with open(file, "wb") as opened:
        np.lib.format.write_array_header_1_0(opened, header)
        for first in range(0, n_samples, len(X)):
            opened.write(X[: n_samples - first])
    return file


def predict_here(file):
    """Predict all of a file with a small network."""
    X = ECGRecords(np.load(file, mmap_mode="r"), 100, scale=1e-3)
    model = small_model().fit(X[:300], cohort_of(300)[1])
    risk, clock, processor = timed(lambda: model.predict(X))
    tell_peak("predict", len(risk), X.shape[2], clock, processor)


def fit_here(folder):
    """Train a small network for an epoch on a folder."""
    X = ECGRecords.open(folder)
    y = np.resize(cohort_of(1000)[1], len(X))
    _, clock, processor = timed(lambda: small_model().fit(X, y))
    tell_peak("fit, one epoch", len(X), X.shape[2], clock, processor)


def small_model():
    """A network that costs little, on large batches."""
    network = Compact(
        n_channels=4, latent_dim=8, lead_attention=False, temporal_attention=False
    )
    return model_of(architecture=network, max_epochs=1, batch_size=256)


def tell_peak(what, n_samples, n_times, clock, processor):
    """Print the peak resident memory of this process, and its speed."""
    # What getrusage tells counts the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    print(
        f"{what}, {n_samples:,} ECGs of 12 x {n_times}: {n_samples / clock:,.0f} ECGs "
        f"per second by the clock, {n_samples / processor:,.0f} of the processor, "
        f"peak memory {int(kilobytes) / 1e6:.2f} GB",
        flush=True,
    )


def row_of(X, key):
    """One recording of a cohort that repeats itself."""
    return X[key % len(X)]


def forget(file):
    """Let the system drop what it holds of a file in memory."""
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def bytes_read():
    """Reads of this process so far, and their bytes, from memory or from disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    told = dict(line.split(": ") for line in lines)
    return int(told["syscr"]), int(told["rchar"])


def read_wfdb(path):
    """One recording of WFDB in mV."""
    import wfdb

    return wfdb.rdsamp(path)[0].T


PARTS = ("train", "predict", "clusters", "sources", "blocks", "shuffling", "memory")
OWN_PARTS = ("train-here", "predict-here", "fit-here")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=PARTS + OWN_PARTS)
    parser.add_argument("arguments", nargs="*", help="sizes of that part")
    options = parser.parse_args()
    given = [int(a) if a.isdigit() else a for a in options.arguments]
    globals()[options.part.replace("-", "_")](*given)

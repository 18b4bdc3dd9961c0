"""Damages ECG files of every format and reads them: a recording or ECGFileError.

Run: python benchmarks/fuzz_readers.py [--mutations 10000] [--formats edf scp]
Small files written here stand for each format; real ones are added from the folder
ECGDAN_DATA, else ../shared/data. Anything else than a result or the package's own
error ends the run with the file kept. Files of the package's own, of a folder of
ECGRecords and of a model's tensors, must give what was written, or a ValueError.
"""

import argparse
import os
import resource
import sys
import tempfile
import warnings
import zlib
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from ecg_mutations import damaged, mutated, write_seeds  # noqa: E402

from ecgdan_sk._tensor_files import read_tensors, write_tensors  # noqa: E402
from ecgdan_sk.datasets import ECGFileError, read_ecg  # noqa: E402
from ecgdan_sk.records import ECGRecords  # noqa: E402

DATA = Path(os.environ.get("ECGDAN_DATA", Path(__file__).parents[2] / "shared/data"))
REAL = {
    "sierra": ("vendor/philips_sierra_xml", "[!i]*.xml"),
    "aecg": ("vendor/hl7_aecg", "*.xml"),
    "dicom": ("vendor/dicom_ecg", "anonymous_ecg.dcm"),
    "wfdb": ("cinc2021/chapman_or_ningbo", "JS0000[12].hea"),
}
RATED = ("csv", "npy", "npz")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=10_000, help="for each file")
    parser.add_argument("--formats", nargs="*", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--synthetic", action="store_true", help="no real files")
    arguments = parser.parse_args()
    # Leads that were damaged are warned of, as they should be.
    warnings.simplefilter("ignore", UserWarning)
    with tempfile.TemporaryDirectory() as folder:
        files = [*write_seeds(Path(folder, "seeds")).items()]
        if not arguments.synthetic:
            files += real_files()
        print("| format | file | read | refused | slowest | peak memory |")
        print("|---|---|---|---|---|---|")
        for name, path in files:
            if arguments.formats is None or name in arguments.formats:
                rng = np.random.default_rng([arguments.seed, zlib.crc32(name.encode())])
                fuzz(name, path, Path(folder, "damaged"), arguments.mutations, rng)
        if arguments.formats is None or "own" in arguments.formats:
            for path, read in own_files(Path(folder, "own")):
                rng = np.random.default_rng([arguments.seed, zlib.crc32(b"own")])
                fuzz_own(path, read, arguments.mutations, rng)


def own_files(folder):
    """Each file that the package writes, with a function that reads all of it."""
    rng = np.random.default_rng(0)
    ids = [f"r{i}" for i in range(6)]
    table = pd.DataFrame({"age": np.arange(6.0), "site": list("aabbcc")}, index=ids)
    records = ECGRecords(
        rng.normal(0, 0.3, (6, 12, 100)), 100, covariates=table, ids=ids
    )
    saved = records.save(folder / "records")
    for path in sorted(saved.iterdir()):
        yield path, lambda _: told(ECGRecords.open(saved))
    model = folder / "model.safetensors"
    write_tensors(model, "model", {"a": rng.normal(size=(8, 9))}, {"leads": ["I"]})
    yield model, lambda path: repr(read_tensors(path, "model"))


def told(records):
    """All that records say, as bytes and text."""
    plain = (records.leads, records.sampling_rate, records.ids.tolist())
    return np.asarray(records).tobytes(), plain, records.covariates.to_json()


def fuzz_own(path, read, n_mutations, rng):
    """Damage one file of ours as often as asked; nothing else may be read of it."""
    whole, expected = path.read_bytes(), read(path)
    n_read, slowest = 0, 0.0
    for _ in range(n_mutations):
        path.write_bytes(mutated(whole, rng))
        start = process_time()
        try:
            if read(path) != expected:
                raise AssertionError(f"{path.name} was read as what it is not")
            n_read += 1
        except ValueError:
            pass
        slowest = max(slowest, process_time() - start)
    path.write_bytes(whole)
    report("own", path, n_read, n_mutations, slowest)


def real_files():
    """Files of the vendors, where the folder of data is there."""
    for name, (folder, pattern) in REAL.items():
        for path in sorted((DATA / folder).glob(pattern)):
            yield name, path


def fuzz(name, path, folder, n_mutations, rng):
    """Damage one file repeatedly, and print the outcomes."""
    folder.mkdir(exist_ok=True)
    data, target = path.read_bytes(), folder / path.name
    for beside in path.parent.glob(f"{path.stem}*"):
        (folder / beside.name).write_bytes(beside.read_bytes())
    n_read, slowest = 0, 0.0
    for _ in range(n_mutations):
        target.write_bytes(damaged(name, data, rng))
        start = process_time()
        try:
            read_ecg(target, sampling_rate=500 if name in RATED else None)
            n_read += 1
        except ECGFileError:
            pass
        except BaseException:
            kept = Path(tempfile.gettempdir(), f"fuzz-{path.name}")
            kept.write_bytes(target.read_bytes())
            print(f"This content of {path.name} gave another error: {kept}")
            raise
        slowest = max(slowest, process_time() - start)
    report(name, path, n_read, n_mutations, slowest)


def report(name, path, n_read, n_mutations, slowest):
    """Print the outcome for one file."""
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {name} | {path.name} | {n_read} | {n_mutations - n_read} | {slowest:.2f} s "
        f"| {megabytes:.0f} MB |",
        flush=True,
    )


if __name__ == "__main__":
    main()

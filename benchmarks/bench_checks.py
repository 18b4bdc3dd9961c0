"""Cost and results of the checks of ECGs: digests of folders, amplitudes.

Run `OMP_NUM_THREADS=1 python benchmarks/bench_checks.py digests`, or `amplitudes --data
FOLDER`, where FOLDER holds `ptbxl` and `ludb/data` as published. The limits of
amplitudes were chosen on these ECGs among others, so that they are not held out.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort, read_ecg
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.records import _amplitudes as amplitudes

FACTORS = (1000, 0.001, 10, 0.1, 5, 0.2)


def digests(options):
    """Processor time of checking digests at the first read, beside that of an epoch."""
    for rate in (100, 500):
        cohort = make_ecg_cohort(
            600, sampling_rate=rate, duration=10, event_rate=0.3, random_state=0
        )
        with tempfile.TemporaryDirectory() as folder:
            path = ECGRecords(cohort.X, rate).save(Path(folder) / "cohort")
            read(path, "never")
            pairs = [(read(path, "on-read"), read(path, "never")) for _ in range(7)]
            checking = np.median([checked - plain for checked, plain in pairs])
            network = DualAttentionSurvival(n_members=1, max_epochs=3, random_state=0)
            start = time.process_time()
            network.fit(ECGRecords.open(path, verify="never"), cohort.y)
            epoch = (time.process_time() - start) / 3
        print(f"{rate} Hz: {checking:.3f} s of {epoch:.2f} s, {checking / epoch:.1%}")


def read(path, verify):
    """Processor time of reading all ECGs of a folder once."""
    records = ECGRecords.open(path, verify=verify)
    start = time.process_time()
    for first in range(0, len(records), 50):
        np.asarray(records[first : first + 50].signals)
    return time.process_time() - start


def find_amplitudes(options):
    """False alarms, and single ECGs found where each in turn is scaled."""
    ptbxl = load_ptbxl(options.data / "ptbxl", sampling_rate=100).X
    paths = sorted((options.data / "ludb" / "data").glob("*.hea"))
    ludb = np.concatenate([np.asarray(read_ecg(path).signals) for path in paths])
    for name, X in (("PTB-XL", np.asarray(ptbxl)), ("LUDB", ludb)):
        seen = amplitudes.Amplitudes.of([amplitudes.look(X)])
        fitted = seen.remembered()
        away = amplitudes._deviations(seen.heights, fitted["median"])
        limit = max(amplitudes._FAR, amplitudes._N_SPREADS * fitted["spread"])
        print(f"{name}: {np.sum(np.abs(away) > limit)} of {len(X)} as they are")
        for factor in FACTORS:
            found = np.mean(np.abs(away + np.log(factor)) > limit)
            print(f"  one ECG x {factor:g}: {found:.1%} found")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["digests", "amplitudes"])
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    {"digests": digests, "amplitudes": find_amplitudes}[options.what](options)


if __name__ == "__main__":
    main()

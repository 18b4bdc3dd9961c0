"""Damaged files of every format give a recording or an ECGFileError, never else."""

import importlib.util
import zlib

import numpy as np
import pytest
from ecg_mutations import damaged, write_seeds

from ecgdan_sk.datasets import ECGFileError, read_ecg

for package in ("defusedxml", "ecgdatakit", "pydicom", "pyedflib", "sierraecg"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

# Leads and ages that were damaged are warned of.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FORMATS = ("cardiosoft", "muse", "aecg", "sierra", "scp", "csv", "wfdb", "dicom")
FORMATS += ("edf", "bdf", "frames", "npy", "npz", "mortara", "schiller", "beats")
FORMATS += ("ishne", "mfer", "watch", "segments", "flac")
N_MUTATIONS = 30


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return write_seeds(tmp_path_factory.mktemp("seeds"))


def outcome(path, rate):
    """The recording, or the text of the package's own error; no other may occur."""
    try:
        return read_ecg(path, sampling_rate=rate), None
    except ECGFileError as error:
        return None, str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_damage_gives_a_recording_or_the_error(seeds, tmp_path, name):
    seed = seeds[name]
    data, path = seed.read_bytes(), tmp_path / seed.name
    rate = 500 if name in ("csv", "npy", "npz") else None
    for beside in seed.parent.glob(f"{seed.stem}*"):
        (tmp_path / beside.name).write_bytes(beside.read_bytes())
    path.write_bytes(data)
    whole = read_ecg(path, sampling_rate=rate)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    n_refused = 0
    for _ in range(N_MUTATIONS):
        path.write_bytes(damaged(name, data, rng))
        records, error = outcome(path, rate)
        if records is None:
            assert str(path) in error
            n_refused += 1
        else:
            assert records.shape[0] == 1
            assert records.signals.nbytes < 100 * whole.signals.nbytes
    assert n_refused > 0


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_anywhere_is_refused_or_read(seeds, tmp_path, name):
    data = seeds[name].read_bytes()
    cut = tmp_path / seeds[name].name
    for size in (0, 1, 3, 16, 200, len(data) // 2, len(data) - 30):
        cut.write_bytes(data[:size])
        records, error = outcome(cut, 500)
        # A table may end anywhere, and so may a list of samples.
        assert name in ("csv", "watch") if records is not None else str(cut) in error

"""HDF5 files of CODE-15 % and SaMi-Trop: ECGs with zeros around those of 7 s."""

import os
from contextlib import contextmanager

import numpy as np

from ...records import LEADS

SAMPLING_RATE = 400
N_TIMES = 4096

# Padding is exactly zero in all leads for this many samples; an ECG is not.
_EDGE = 8

# No compression of HDF5 makes data a thousand times smaller.
_LARGEST_RATIO = 1000


@contextmanager
def opened(path):
    """Open an HDF5 file, after a check that it holds plain tracings."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "CODE-15 % and SaMi-Trop need h5py: pip install ecgdan_sk[vendor]"
        ) from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{path} is no complete HDF5 file ({error}). Download it again."
        ) from error
    with file:
        check_plain(file, "tracings", "f", path)
        shape = file["tracings"].shape
        if shape[1:] != (N_TIMES, len(LEADS)):
            raise ValueError(
                f"`tracings` of {path} has the shape {shape}; expected (n_exams, "
                f"{N_TIMES}, {len(LEADS)}), 10.24 s at {SAMPLING_RATE} Hz."
            )
        yield file


def check_plain(file, name, kinds, path):
    """Raise unless a dataset is numbers that lie in this very file."""
    import h5py

    link = file.get(name, getlink=True)
    dataset = file.get(name) if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(
            f"{path} must hold the dataset `{name}` itself, got "
            f"{type(link).__name__ if link else 'none of that name'}; it holds "
            f"{', '.join(sorted(file)) or 'nothing'}."
        )
    if dataset.dtype.kind not in kinds or dataset.external or dataset.is_virtual:
        raise ValueError(
            f"`{name}` of {path} is of type {dataset.dtype}"
            f"{' in other files' if dataset.external or dataset.is_virtual else ''}; "
            "expected plain numbers in the file itself. Objects are not read, as "
            "they may run code."
        )
    _check_size(dataset, path)


def _check_size(dataset, path):
    """Raise if a dataset claims more than its file can hold."""
    held = os.path.getsize(path)
    if dataset.nbytes > _LARGEST_RATIO * held:
        raise ValueError(
            f"{path} claims {dataset.nbytes} bytes for {dataset.name} in a file of "
            f"{held}; it is damaged. Download it again."
        )


def n_samples(duration):
    """Samples of `duration` seconds, at most those of a tracing."""
    n_times = round(duration * SAMPLING_RATE)
    if not _EDGE <= n_times <= N_TIMES:
        raise ValueError(
            f"duration must be above 0 and at most {N_TIMES / SAMPLING_RATE:g} s, got "
            f"{duration!r}."
        )
    return n_times


def is_recorded(file, n_times):
    """Which tracings have signal throughout their central `n_times` samples."""
    start = (N_TIMES - n_times) // 2
    tracings = file["tracings"]
    first = tracings[:, start : start + _EDGE]
    last = tracings[:, start + n_times - _EDGE : start + n_times]
    return (first != 0).any(axis=(1, 2)) & (last != 0).any(axis=(1, 2))


def read_tracing(key, n_times):
    """The central `n_times` samples of one tracing, of shape (12, n_times).

    `key` is the path of the file and the row. The file is opened for each key, because
    an open HDF5 file can be neither pickled nor inherited by a forked process.
    """
    import h5py

    path, row = key
    start = (N_TIMES - n_times) // 2
    with h5py.File(path, "r") as file:
        ecg = file["tracings"][row, start : start + n_times]
    return np.ascontiguousarray(ecg.T, dtype=np.float32)

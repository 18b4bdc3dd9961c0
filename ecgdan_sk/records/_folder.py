"""ECGRecords as a folder: signals, their digests and scales, a table, a manifest."""

import io
import math
import os
from pathlib import Path

import numpy as np

from .._tensor_files import check_regular, replacing
from ._lazy import SignalView, checked_scale, row_slices
from ._manifest import DTYPES, read_manifest, verified_bytes, write_manifest
from ._sources import N_DIGEST, InMillivolts, Verified, row_digest, source_of
from ._table import read_table, write_table

_LARGEST, _ABSENT = 32767, -32768
_LONGEST_HEADER = 2**14  # bytes
_VERIFY = ("on-read", "at-once", "never")


def save_records(records, path, dtype):
    """Write a folder that appears under its name once it is complete."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    path = Path(path)
    if path.exists():
        raise FileExistsError(
            f"{path} exists already and is left as it is. Choose another name, or "
            "remove it first."
        )
    with replacing(path) as unfinished:
        unfinished.mkdir()
        table = write_table(records, unfinished)
        files = _write_signals(records.signals, unfinished, np.dtype(dtype))
        write_manifest(
            unfinished,
            [*files, *["table.parquet"][: len(table)]],
            dtype=dtype,
            shape=list(records.shape),
            sampling_rate=records.sampling_rate,
            leads=list(records.leads),
            table=table,
        )
    return path


def open_records(path, verify="on-read"):
    """Arguments of ECGRecords from a saved folder."""
    if verify not in _VERIFY:
        raise ValueError(f"verify must be one of {', '.join(_VERIFY)}, got {verify!r}.")
    path = Path(path)
    manifest = read_manifest(path)
    source = InFolder(path, verify, manifest)
    signals = SignalView(source, np.arange(source.n_samples))
    if verify == "at-once":
        for _ in signals.parts():
            pass
    arguments = {name: manifest[name] for name in ("sampling_rate", "leads")}
    table = read_table(path, manifest, source.n_bytes)
    return {"signals": signals, **arguments, **table}


class InFolder:
    """The signals of a folder, which go to another process as its path.

    Parameters
    ----------
    path : Path
        The folder.
    verify : {"on-read", "at-once", "never"}
        When samples are held against their digests.
    manifest : dict
        What `read_manifest` gave.
    """

    # A disk reads neighbours in one go.
    chunk = 1

    def __init__(self, path, verify, manifest):
        self.path, self.verify, self.digest = path.resolve(), verify, manifest["digest"]
        self.n_samples = manifest["shape"][0]
        self.source, self.n_bytes = _opened(path, verify, manifest)
        self.shape, self.dtype = self.source.shape, self.source.dtype

    def read(self, keys):
        """The recordings at these positions, in mV."""
        return self.source.read(keys)

    def __reduce__(self):
        return _reopened, (self.path, self.verify, self.digest)


def _reopened(path, verify, digest):
    """The signals of a folder that another process had open."""
    manifest = read_manifest(path)
    if manifest["digest"] != digest:
        raise ValueError(
            f"{path} holds other recordings here than where it was opened. Give all "
            "processes the same folder."
        )
    # What was verified at once there is verified as it is read here.
    return InFolder(path, "never" if verify == "never" else "on-read", manifest)


def _opened(path, verify, manifest):
    """Source of the samples of a folder in mV, and their size in bytes."""
    shape, dtype = tuple(manifest["shape"]), np.dtype(manifest["dtype"])
    mapped = _mapped(path / "signals.npy", shape, dtype)
    digests = _small(path / "digests.npy", manifest, (shape[0], N_DIGEST), np.uint8)
    source = source_of(mapped)
    if verify != "never":
        source = Verified(source, path / "signals.npy", digests)
    if dtype == np.int16:
        scale = _small(path / "scale.npy", manifest, shape[:1], np.float32)
        source = InMillivolts(source, checked_scale(scale, shape[0]))
    return source, mapped.nbytes


def _write_signals(signals, folder, dtype):
    """Samples, digests and, for integers, scales; names of the small files of these."""
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": tuple(signals.shape),
    }
    scales, digests = [np.ones(0, np.float32)], []
    # Not through a memory map, whose pages would count as memory of the process.
    with open(folder / "signals.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for rows in row_slices(signals.shape):
            part = np.asarray(signals[rows], np.float32)
            _check_storable(part, rows.start, dtype)
            if dtype == np.int16:
                part, scale = _quantised(part)
                scales.append(scale)
            part = np.ascontiguousarray(part, dtype)
            digests += map(row_digest, part)
            file.write(part)
    digests = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, N_DIGEST)
    np.save(folder / "digests.npy", digests)
    if dtype != np.int16:
        return ["digests.npy"]
    np.save(folder / "scale.npy", np.concatenate(scales))
    return ["digests.npy", "scale.npy"]


def _check_storable(part, first, dtype):
    """Raise if a recording holds infinity, or values beyond the range of float16."""
    largest = np.finfo(np.float16 if dtype == np.float16 else np.float32).max
    wrong = (np.abs(part) > largest).any(axis=(1, 2))
    if wrong.any():
        raise ValueError(
            f"Recording {first + np.argmax(wrong)} holds a value beyond {largest:g} "
            f"mV, which {dtype} does not keep. Mend it, or check its units."
        )


def _quantised(part):
    """Recordings as int16, and the mV of a unit of each."""
    peak = np.fmax(np.fmax.reduce(part, (1, 2)), -np.fmin.reduce(part, (1, 2)))
    # Microvolts divided by a power of two keep whole microvolts exactly.
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.floor(np.log2(_LARGEST * 1e-3) - np.log2(peak))
    power = np.where(peak > 0, power, 0).clip(-60, 60).astype(int)
    scale = np.ldexp(np.float32(1e-3), -power)
    stored = np.rint(part / scale[:, None, None]).clip(-_LARGEST, _LARGEST)
    return np.nan_to_num(stored, nan=_ABSENT).astype(np.int16), scale


def _mapped(file, shape, dtype):
    """A memory map of a .npy file, of just that shape and type."""
    if not os.path.lexists(file):
        raise ValueError(f"{file} is missing. Copy the whole folder again.")
    check_regular(file, follow=False)
    n_bytes = math.prod(shape) * dtype.itemsize
    # Before anything is made of the size that a header tells.
    if not n_bytes < file.stat().st_size <= n_bytes + _LONGEST_HEADER:
        raise ValueError(
            f"{file} has {file.stat().st_size} bytes: it is cut short or longer than "
            f"the {n_bytes} bytes of {dtype} of shape {shape} that the manifest says. "
            "The folder was changed after it was saved."
        )
    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except Exception as error:  # a damaged header raises whatever it likes
        raise ValueError(f"{file} is no plain array: {error}.") from error
    whole = file.stat().st_size == array.offset + array.nbytes
    _check_array(file, array, shape, dtype, whole)
    return array


def _small(file, manifest, shape, dtype):
    """Array from a file that is read as a whole."""
    content = verified_bytes(file, manifest)
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if len(content) > n_bytes + _LONGEST_HEADER:
        raise ValueError(f"{file} is longer than {shape} values of {dtype.__name__}.")
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever it likes
        raise ValueError(f"{file} is no plain array: {error}.") from error
    _check_array(file, array, shape, np.dtype(dtype), True)
    return array


def _check_array(file, array, shape, dtype, whole):
    """Raise unless a file matches the manifest exactly."""
    expected = array.shape == shape and array.dtype == dtype
    if not (expected and array.flags.c_contiguous and whole):
        raise ValueError(
            f"{file} holds {array.dtype} of shape {array.shape}, but the manifest says "
            f"{dtype} of shape {shape}. The folder was changed after it was saved."
        )

"""ECGRecords as a folder: signals.npy with scale.npy, table.parquet, manifest.json."""

import json
import os
import shutil
import uuid
from pathlib import Path

import numpy as np
import pandas as pd

from ._lazy import row_slices

_FORMAT, _VERSION = "ecgdan_sk.records", 1
_DTYPES = ("int16", "float16", "float32")
_ENTRIES = {
    "format": str,
    "version": int,
    "dtype": str,
    "shape": list,
    "sampling_rate": (int, float, type(None)),
    "leads": list,
    "table": list,
}
# Identifiers lie in one table with the covariates, under names that those do not have.
_COLUMNS = {"ids": "__id__", "patient_ids": "__patient_id__"}
_LARGEST, _ABSENT = 32767, -32768


def save_records(records, path, dtype):
    """Write a folder that appears under its name once it is complete."""
    if dtype not in _DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(_DTYPES)}, got {dtype!r}.")
    path = Path(path)
    if path.exists():
        raise FileExistsError(
            f"{path} exists already and is left as it is. Choose another name, or "
            "remove it first."
        )
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    unfinished.mkdir(parents=True)
    try:
        table = _write_table(records, unfinished)
        _write_signals(records.signals, unfinished, np.dtype(dtype))
        manifest = {
            "format": _FORMAT,
            "version": _VERSION,
            "dtype": dtype,
            "shape": list(records.shape),
            "sampling_rate": records.sampling_rate,
            "leads": list(records.leads),
            "table": table,
        }
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2))
        os.rename(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return path


def open_records(path):
    """Arguments of ECGRecords from such a folder."""
    path = Path(path)
    manifest = _read_manifest(path)
    shape, dtype = tuple(manifest["shape"]), np.dtype(manifest["dtype"])
    arguments = {
        "signals": _read_array(path / "signals.npy", shape, dtype),
        "sampling_rate": manifest["sampling_rate"],
        "leads": manifest["leads"],
    }
    if dtype == np.int16:
        scale = _read_array(path / "scale.npy", shape[:1], np.dtype(np.float32))
        arguments["scale"] = np.array(scale)
    return {**arguments, **_read_table(path, manifest)}


def _write_signals(signals, folder, dtype):
    """The samples, and for integers the scale of each recording."""
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": tuple(signals.shape),
    }
    scales = []
    # Not through a memory map, whose pages would count as memory of the process.
    with open(folder / "signals.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for rows in row_slices(signals.shape):
            part = np.asarray(signals[rows], np.float32)
            _check_storable(part, rows.start, dtype)
            if dtype == np.int16:
                part, scale = _quantised(part)
                scales.append(scale)
            file.write(np.ascontiguousarray(part, dtype))
    if dtype == np.int16:
        np.save(folder / "scale.npy", np.concatenate([np.ones(0, np.float32), *scales]))


def _check_storable(part, first, dtype):
    """Raise if a recording holds infinity, or what float16 takes for it."""
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


def _write_table(records, folder):
    """Covariates and identifiers, if there are any; which of them there are."""
    names = [
        name for name in ("covariates", *_COLUMNS) if getattr(records, name) is not None
    ]
    if not names:
        return names
    pyarrow, parquet = _pyarrow()
    table = pd.DataFrame(index=pd.RangeIndex(len(records)))
    if "covariates" in names:
        table = records.covariates.copy()
        table.columns = table.columns.map(str)
    for name in names[names[0] == "covariates" :]:
        table[_COLUMNS[name]] = getattr(records, name)
    try:
        parquet.write_table(pyarrow.Table.from_pandas(table), folder / "table.parquet")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The covariates or ids cannot be written as a table: {error}. Give each "
            "column values of one type."
        ) from error
    return names


def _read_manifest(path):
    """The manifest, once it is certain that it is one."""
    file = path / "manifest.json"
    if not file.is_file():
        raise ValueError(
            f"{path} is no folder of ECGRecords.save: it has no manifest.json."
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ValueError(f"{file} was not written by ECGRecords.save.")
    if manifest.get("version") != _VERSION:
        raise ValueError(
            f"{path} has the format version {manifest.get('version')!r}; this release "
            f"reads version {_VERSION}. Install the release that wrote it."
        )
    _check_manifest(file, manifest)
    return manifest


def _check_manifest(file, manifest):
    """Raise unless every entry is there, of its type, and possible."""
    wrong = sorted(manifest.keys() ^ _ENTRIES.keys()) or [
        name for name, kind in _ENTRIES.items() if not isinstance(manifest[name], kind)
    ]
    if not wrong:
        shape = manifest["shape"]
        possible = {
            "dtype": manifest["dtype"] in _DTYPES,
            "shape": len(shape) == 3
            and all(type(n) is int and 0 <= n < 2**40 for n in shape),
            "table": set(map(str, manifest["table"])) <= {"covariates", *_COLUMNS},
        }
        wrong = [name for name, holds in possible.items() if not holds]
    if wrong:
        raise ValueError(
            f"{file} has missing, unknown or impossible entries: {', '.join(wrong)}. "
            "Was it edited? Save the recordings again."
        )


def _read_array(file, shape, dtype):
    """A memory map of a .npy file, of just that shape and type."""
    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except Exception as error:  # a damaged header raises whatever it likes
        raise ValueError(
            f"{file} is missing, cut short or no plain array: {error}."
        ) from error
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(
            f"{file} holds {array.dtype} of shape {array.shape}, but the manifest says "
            f"{dtype} of shape {shape}. The folder was changed after it was saved."
        )
    if file.stat().st_size != array.offset + array.nbytes:
        raise ValueError(f"{file} is longer than its header says.")
    return array


def _read_table(path, manifest):
    """Covariates and identifiers."""
    names = manifest["table"]
    if not names:
        return {}
    _, parquet = _pyarrow()
    file, n_samples = path / "table.parquet", manifest["shape"][0]
    try:
        stored = parquet.ParquetFile(file)
        n_rows = stored.metadata.num_rows
        table = stored.read().to_pandas() if n_rows == n_samples else None
        found = {
            name: table.pop(_COLUMNS[name]).to_numpy()
            for name in names
            if name in _COLUMNS and table is not None
        }
    except Exception as error:  # a damaged file raises whatever it likes
        raise ValueError(f"{file} is missing or damaged: {error}.") from error
    if table is None:
        raise ValueError(
            f"{file} has {n_rows} rows, but there are {n_samples} recordings. The "
            "folder was changed after it was saved."
        )
    return {**found, "covariates": table} if "covariates" in names else found


def _pyarrow():
    """The package that reads and writes Parquet, and its part that does."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError(
            "The table of ECGRecords is Parquet, which needs pyarrow: "
            "pip install ecgdan-sk[storage]."
        ) from None
    return pyarrow, parquet

"""ECGRecords as a folder of parts, each a folder of its own, written side by side."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from .._tensor_files import check_regular, replacing
from ._folder import open_records, save_records
from ._lazy import SignalView, side_by_side
from ._manifest import COLUMNS, digest, read_manifest

_FILE, _FORMAT = "parts.json", "ecgdan_sk.record-parts"
_LARGEST = 2**24  # bytes


def are_parts(path):
    """Whether a folder was written in parts, and is complete."""
    return os.path.lexists(Path(path) / _FILE)


def is_saved(path):
    """Whether a path is a folder that `save` wrote, of parts or of one."""
    return are_parts(path) or os.path.lexists(Path(path) / "manifest.json")


def save_parts(records, path, dtype, part_size):
    """Write a folder of parts; continue an interrupted one of the same recordings."""
    path = Path(path)
    if is_saved(path):
        raise FileExistsError(
            f"{path} exists already and is left as it is. Choose another name, or "
            "remove it first."
        )
    path.mkdir(parents=True, exist_ok=True)
    firsts = range(0, len(records), part_size)
    names = [f"part-{number:06d}" for number in range(len(firsts))]
    digests = Parallel()(
        delayed(_save_part)(records[first : first + part_size], path / name, dtype)
        for name, first in zip(names, firsts)
    )
    entries = {"format": _FORMAT, "parts": dict(zip(names, digests))}
    entries["digest"] = _digest_of(entries)
    with replacing(path / _FILE) as unfinished:
        unfinished.write_text(json.dumps(entries, indent=1))
    return path


def open_parts(path, verify):
    """Arguments of ECGRecords from a folder of parts."""
    path, entries = Path(path), _entries(path)
    opened = [_part(path / name, verify, own) for name, own in entries["parts"].items()]
    source = _InParts(path, verify, entries["digest"], [p["signals"] for p in opened])
    arguments = {name: opened[0][name] for name in ("sampling_rate", "leads")}
    for name in COLUMNS:
        if name in opened[0]:
            arguments[name] = np.concatenate([part[name] for part in opened])
    if "covariates" in opened[0]:
        arguments["covariates"] = pd.concat([part["covariates"] for part in opened])
    keys = np.arange(len(source.signals))
    return {"signals": SignalView(source, keys), **arguments}


class _InParts:
    """The signals of all parts, which go to another process as the folder's path."""

    def __init__(self, path, verify, digest, parts):
        self.path, self.verify, self.digest = path.resolve(), verify, digest
        self.signals = side_by_side(parts)
        self.shape, self.dtype = self.signals.shape[1:], self.signals.dtype
        self.chunk = self.signals.chunk

    def read(self, keys):
        """The recordings at these positions, in mV."""
        return np.asarray(self.signals[keys])

    def __reduce__(self):
        return _reopened, (self.path, self.verify, self.digest)


def _reopened(path, verify, digest):
    """The signals of a folder that another process had open."""
    entries = _entries(path)
    if entries["digest"] != digest:
        raise ValueError(
            f"{path} holds other recordings here than where it was opened. Give all "
            "processes the same folder."
        )
    verify = "never" if verify == "never" else "on-read"
    parts = entries["parts"].items()
    signals = [_part(path / name, verify, own)["signals"] for name, own in parts]
    return _InParts(path, verify, digest, signals)


def _save_part(records, path, dtype):
    """Write a part, unless it is there; the digest of its manifest."""
    if not os.path.lexists(path):
        save_records(records, path, dtype)
    elif not _is_same(records, path, dtype):
        raise ValueError(
            f"{path} was begun with other recordings. Remove the folder "
            f"{path.parent}, or choose another name."
        )
    return read_manifest(path)["digest"]


def _is_same(records, path, dtype):
    """Whether a part holds these recordings, by the first and the last one."""
    found = open_records(path)
    ids = records.ids if records.ids is None else np.asarray(records.ids).astype(str)
    theirs = found.get("ids")
    theirs = theirs if theirs is None else np.asarray(theirs).astype(str)
    if (
        read_manifest(path)["dtype"] != dtype
        or found["signals"].shape != records.shape
        or tuple(found["leads"]) != records.leads
        or found["sampling_rate"] != records.sampling_rate
        or not np.array_equal(ids, theirs)
    ):
        return False
    ends = [0, len(records) - 1]
    ours, stored = (
        np.asarray(signals[ends], np.float32)
        for signals in (records.signals, found["signals"])
    )
    # Rounding may change values by half a unit of the coarsest scale.
    return np.allclose(stored, ours, rtol=2e-3, atol=5e-4, equal_nan=True)


def _part(path, verify, digest):
    """Arguments of ECGRecords from a part, if it is the one that was written."""
    if read_manifest(path)["digest"] != digest:
        raise ValueError(
            f"{path} is not the part that was written: its digest differs. Copy the "
            "whole folder again."
        )
    return open_records(path, verify)


def _entries(path):
    """Description of the parts in a folder, after a check of its digest."""
    file = Path(path) / _FILE
    if not os.path.lexists(file):
        raise ValueError(f"{path} is no folder of parts: it has no {_FILE}.")
    check_regular(file, follow=False)
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        entries = json.loads(file.read_text(encoding="utf-8"))
        stated = entries.pop("digest")
        good = entries["format"] == _FORMAT and stated == _digest_of(entries)
        good = good and len(entries["parts"]) > 0
        good = good and all(re.fullmatch(r"part-\d{6}", p) for p in entries["parts"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read: {error!r}.") from error
    if not good:
        raise ValueError(f"{file} was damaged or altered. Copy the whole folder again.")
    return {**entries, "digest": stated}


def _digest_of(entries):
    """Digest of the content of the file."""
    return digest(json.dumps(entries, sort_keys=True).encode())

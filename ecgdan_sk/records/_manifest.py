"""Manifest of a folder of ECGRecords: its files and their digests."""

import hashlib
import json
import os

from .._tensor_files import check_regular

_FORMAT, _VERSION = "ecgdan_sk.records", 2
DTYPES = ("int16", "float16", "float32")
# Identifiers lie in one table with the covariates, under names that those do not have.
COLUMNS = {"ids": "__id__", "patient_ids": "__patient_id__"}
_ENTRIES = {
    "format": (str,),
    "version": (int,),
    "dtype": (str,),
    "shape": (list,),
    "sampling_rate": (int, float, type(None)),
    "leads": (list,),
    "table": (list,),
    "files": (dict,),
    "digest": (str,),
}
_LARGEST = 2**20  # bytes


def write_manifest(folder, names, **entries):
    """Write the manifest, with digests of the named files."""
    entries |= {"format": _FORMAT, "version": _VERSION}
    entries["files"] = {name: digest((folder / name).read_bytes()) for name in names}
    manifest = {**entries, "digest": _digest_of(entries)}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def read_manifest(folder):
    """The manifest, once it is certain that it is one, and as it was written."""
    file = folder / "manifest.json"
    if not os.path.lexists(file):
        raise ValueError(
            f"{folder} is no folder of ECGRecords.save: it has no manifest.json."
        )
    check_regular(file, follow=False)
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ValueError(f"{file} was not written by ECGRecords.save.")
    if manifest.get("version") != _VERSION:
        raise ValueError(
            f"{folder} has the format version {manifest.get('version')!r}; this "
            f"release reads version {_VERSION}. Install the release that wrote it, or "
            "save the recordings again."
        )
    _check_entries(file, manifest)
    return manifest


def verified_bytes(file, manifest):
    """Content of a file of the folder, if it is as it was written."""
    if not os.path.lexists(file):
        raise ValueError(f"{file} is missing. Copy the whole folder again.")
    check_regular(file, follow=False)
    content = file.read_bytes()
    if digest(content) != manifest["files"].get(file.name):
        raise ValueError(
            f"{file} is cut short, damaged or altered: its digest is not that of the "
            "manifest. Copy it again, or save the recordings anew."
        )
    return content


def digest(content):
    """BLAKE2 of 16 bytes, in hexadecimal."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _digest_of(entries):
    """Digest of the content of a manifest."""
    return digest(json.dumps(entries, sort_keys=True).encode())


def _check_entries(file, manifest):
    """Raise unless every entry is there, of its type, possible, and as written."""
    wrong = sorted(manifest.keys() ^ _ENTRIES.keys()) or [
        name for name, kinds in _ENTRIES.items() if type(manifest[name]) not in kinds
    ]
    if not wrong:
        shape, leads, table = (manifest[name] for name in ("shape", "leads", "table"))
        possible = {
            "dtype": manifest["dtype"] in DTYPES,
            "shape": len(shape) == 3
            and all(type(n) is int and 0 <= n < 2**40 for n in shape)
            and shape[1] > 0 < shape[2],
            "leads": all(type(lead) is str for lead in leads),
            "table": set(map(str, table)) <= {"covariates", *COLUMNS},
        }
        wrong = [name for name, holds in possible.items() if not holds]
    if not wrong:
        entries = {k: v for k, v in manifest.items() if k != "digest"}
        wrong = ["digest"] * (_digest_of(entries) != manifest["digest"])
    if wrong:
        raise ValueError(
            f"{file} has missing, unknown or impossible entries: {', '.join(wrong)}. "
            "Was it edited or damaged? Save the recordings again."
        )

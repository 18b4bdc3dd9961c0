"""Finished steps of a study in a folder: each is there as a whole, or not at all."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .._tensor_files import replacing

_SETTINGS = "settings.json"


@dataclass(frozen=True)
class Store:
    """Arrays by the name of their step, which a continued run does not recompute.

    Two stores of the same folder are equal; `is_new` says whether it was empty.
    """

    folder: Path
    is_new: bool = field(default=True, compare=False)

    @classmethod
    def open(cls, folder, settings, restart=False):
        """The store of a study with these settings, as JSON can hold them.

        Another study is refused, unless `restart` deletes its steps. With None, the
        message does not offer to restart.
        """
        folder = Path(folder)
        settings = json.loads(json.dumps(settings))
        before = _settings_in(folder / _SETTINGS)
        if before is not None and before != settings:
            if not restart:
                anew = ", or start anew with restart=True (--restart)"
                anew = "" if restart is None else anew
                raise ValueError(
                    f"{folder} holds another study: {_changes(before, settings)}. "
                    f"Choose another folder{anew}."
                )
            shutil.rmtree(folder)
            before = None
        if before is None:
            write_text(folder / _SETTINGS, json.dumps(settings, indent=1))
        return cls(folder, is_new=before is None)

    def __contains__(self, name):
        return self.path(name).exists()

    def save(self, name, **arrays):
        """Write the arrays of a step, at once."""
        with replacing(self.path(name)) as unfinished, open(unfinished, "wb") as file:
            np.savez(file, **arrays)

    def load(self, name):
        """Arrays of a step."""
        with np.load(self.path(name), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def path(self, name):
        """File of a step."""
        return self.folder / f"{name}.npz"


def write_text(path, text):
    """Write a file as a whole, or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(text.encode())


def write_csv(table, path, index=True):
    """Write a table as CSV, whole or not at all; return its path."""
    path = Path(path)
    with replacing(path) as unfinished:
        table.to_csv(unfinished, index=index)
    return path


def _settings_in(file):
    """Settings of the study that a folder holds, {} where they cannot be read."""
    if not file.exists():
        return None
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError:
        return {}


def _changes(before, settings):
    """First settings that differ from those of the existing study."""
    changed = [k for k in settings if before.get(k) != settings[k]]
    return "; ".join(
        f"{k} was {before.get(k)!r} and is {settings[k]!r}" for k in changed[:3]
    )

"""Finished steps of a study in a folder: each is there as a whole, or not at all."""

import json
import shutil
from pathlib import Path

import numpy as np

from .._tensor_files import replacing


class Store:
    """Arrays by the name of their step, which a run after a kill does not compute anew.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    settings : dict
        Of the study, as JSON can hold it. Another study is refused.
    restart : bool
        Whether the steps of another study are thrown away.
    """

    def __init__(self, folder, settings, restart=False):
        self.folder = Path(folder)
        file = self.folder / "settings.json"
        settings = json.loads(json.dumps(settings))
        before = _settings_in(file)
        if before is not None and before != settings:
            if not restart:
                raise ValueError(_differs(self.folder.parent, before, settings))
            shutil.rmtree(self.folder)
        self.is_new = not file.exists()
        if self.is_new:
            write_text(file, json.dumps(settings, indent=1))

    def __contains__(self, name):
        return self._file(name).exists()

    def save(self, name, **arrays):
        """Write the arrays of a step, at once."""
        with replacing(self._file(name)) as unfinished, open(unfinished, "wb") as file:
            np.savez(file, **arrays)

    def load(self, name):
        """Arrays of a step."""
        with np.load(self._file(name), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def _file(self, name):
        return self.folder / f"{name}.npz"


def write_text(path, text):
    """Write a file as a whole, or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(text.encode())


def _settings_in(file):
    """Settings of the study that a folder holds, {} where they cannot be read."""
    if not file.exists():
        return None
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError:
        return {}


def _differs(out, before, settings):
    """What to do with the folder of another study."""
    changed = [k for k in settings if before.get(k) != settings[k]]
    told = "; ".join(
        f"{k} was {before.get(k)!r} and is {settings[k]!r}" for k in changed[:3]
    )
    return (
        f"{out} holds another study: {told}. Choose another folder, or start anew with "
        "restart=True (--restart)."
    )

"""Where the checkpoints of a training lie: a folder that no other training finds."""

import hashlib
from numbers import Integral
from pathlib import Path

import numpy as np

from .._version import __version__

# They change only place and speed, or their content is among the arrays.
_NOT_DECISIVE = (
    "callbacks",
    "checkpoint_dir",
    "device",
    "n_members",
    "pretrained",
    "text_encoder",
    "verbose",
)


def checkpoint_folder(estimator, X, *arrays):
    """Folder of the training with these settings, ECGs and arrays, or None."""
    if estimator.checkpoint_dir is None:
        return None
    if not isinstance(estimator.random_state, Integral):
        raise ValueError(
            f"checkpoint_dir needs random_state as an int, got "
            f"{estimator.random_state!r}. Give a number, so that an interrupted "
            "training can be recognised and continued."
        )
    digest = hashlib.sha256(f"{__version__} {type(estimator).__name__}".encode())
    for name, value in sorted(estimator.get_params().items()):
        if name not in _NOT_DECISIVE:
            digest.update(f"{name}={value!r}\n".encode())
    digest.update(f"{estimator.leads_in_} {X.shape}".encode())
    # Of a cohort that does not fit in memory, some rows tell it from another.
    for row in np.linspace(0, len(X) - 1, min(len(X), 256)).astype(int):
        digest.update(np.ascontiguousarray(X[row : row + 1], np.float32).tobytes())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return Path(estimator.checkpoint_dir) / digest.hexdigest()[:16]

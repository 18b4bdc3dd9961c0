"""A model around a fitted `DualAttentionSurvival` as one file, and back."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from .._hazards._baseline import BaselineHazards, BreslowBaseline
from .._tensor_files import from_plain, read_tensors, to_plain, write_tensors
from ..metrics import CensoringKaplanMeier
from ..survival import DualAttentionSurvival
from ._head import RefittedHead

# What a file may hold besides the estimator.
_CLASSES = (BaselineHazards, BreslowBaseline, CensoringKaplanMeier, RefittedHead)


def save_around(path, kind, estimator, params, fitted):
    """Write the file of the inner estimator with the parameters around it."""
    if type(estimator) is not DualAttentionSurvival:
        raise TypeError(
            f"Cannot save a calibrated {type(estimator).__name__}: only a calibrated "
            "DualAttentionSurvival can be saved without code. Pickle the model, and "
            "load a pickle only if you trust its origin."
        )
    arrays = []
    content = {
        "params": to_plain(params, arrays, _CLASSES),
        "fitted": to_plain(fitted, arrays, _CLASSES),
        "n_arrays": len(arrays),
    }
    tensors = {f"array/{i}": array for i, array in enumerate(arrays)}
    tensors["estimator"] = _file_of(estimator)
    write_tensors(path, kind, tensors, content)


def load_around(path, kind, restore):
    """Read estimator, parameters and fitted attributes, and pass them to `restore`.

    Any defect of an existing file raises a ValueError.
    """
    tensors, content = read_tensors(path, kind)
    try:
        arrays = [tensors[f"array/{i}"] for i in range(content["n_arrays"])]
        params, fitted = (
            from_plain(content[part], arrays, _CLASSES) for part in ("params", "fitted")
        )
        return restore(_of_file(tensors["estimator"]), params, fitted)
    # Whatever a damaged or hostile file makes of the reader.
    except Exception as error:
        raise ValueError(
            f"{path} does not hold a whole model ({type(error).__name__}: {error}). "
            "Fetch it again, or save the model anew."
        ) from error


def _file_of(estimator):
    """The bytes of the file that an estimator writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "estimator.safetensors"
        estimator.save(path)
        return np.fromfile(path, np.uint8)


def _of_file(content):
    """The estimator that wrote these bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "estimator.safetensors"
        content.tofile(path)
        return DualAttentionSurvival.load(path)

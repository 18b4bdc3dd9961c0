"""Files of fitted estimators: parameters, weights and fitted attributes."""

from numbers import Integral

import numpy as np

from .._tensor_files import from_plain, read_tensors, to_plain, write_tensors
from .._version import __version__
from .._warnings import warn

# Of no use to a model that is fitted, or not to be found where it is read.
_LEFT_OUT = ("callbacks", "checkpoint_dir", "pretrained")


def write_model(path, kind, params, fitted, nets, classes):
    """Write the parameters, fitted attributes and nets of an estimator."""
    params = {k: None if k in _LEFT_OUT else v for k, v in params.items()}
    if not isinstance(params["random_state"], Integral):
        params["random_state"] = None
    arrays = []
    content = {
        "version": __version__,
        "params": to_plain(params, arrays, classes),
        "fitted": to_plain(fitted, arrays, classes),
        "histories": [_epochs(net) for net in nets],
    }
    tensors = {f"array/{i}": array for i, array in enumerate(arrays)}
    for i, net in enumerate(nets):
        for name, value in net.module_.state_dict().items():
            tensors[f"network/{i}/{name}"] = value.cpu().numpy()
        for name, value in net.criterion_.state_dict().items():
            tensors[f"loss/{i}/{name}"] = value.cpu().numpy()
    write_tensors(path, kind, tensors, content)


def read_model(path, kind, classes, restore):
    """Read parameters, fitted attributes and networks, and pass them to `restore`.

    A network consists of its weights, the weights of its loss, and its history. Any
    defect of an existing file raises a ValueError.
    """
    tensors, content = read_tensors(path, kind)
    try:
        version = content["version"]
        arrays = [tensors[f"array/{i}"] for i in range(_count(tensors, "array/"))]
        _check_finite(content["fitted"], arrays)
        estimator = restore(
            from_plain(content["params"], arrays, classes),
            from_plain(content["fitted"], arrays, classes),
            _networks(tensors, content["histories"]),
        )
    # Whatever a damaged or hostile file makes of the reader.
    except Exception as error:
        raise ValueError(
            f"{path} does not hold a whole model ({type(error).__name__}: {error}). "
            "Fetch it again, or save the model anew."
        ) from error
    if version != __version__:
        warn(
            f"{path} was written by ecgdan_sk {version}, this is {__version__}: "
            "compare some predictions before you rely on them.",
        )
    return estimator


def not_finite(plain, arrays, name=""):
    """Names of non-finite values in the output of `to_plain`."""
    if isinstance(plain, float):
        bad, parts = not np.isfinite(plain), []
    elif not isinstance(plain, dict):
        bad, parts = False, []
    elif "array" in plain:
        bad, parts = not np.isfinite(arrays[plain["array"]]).all(), []
    else:
        (content,) = (v for k, v in plain.items() if k not in ("class", "dtype"))
        is_named = "dict" in plain or "state" in plain
        bad, parts = False, content if is_named else enumerate(content)
    found = [name] if bad else []
    for key, value in parts:
        found += not_finite(value, arrays, f"{name}.{key}" if name else f"{key}")
    return found


def _check_finite(plain, arrays):
    names = not_finite(plain, arrays)
    if names:
        raise ValueError(f"{names[0]} holds values that are not finite")


def _networks(tensors, histories):
    """Weights, weights of the loss, and history of each network."""
    if not histories:
        raise ValueError("there is no network in it")
    return [
        (_part(tensors, f"network/{i}/"), _part(tensors, f"loss/{i}/"), epochs)
        for i, epochs in enumerate(histories)
    ]


def _part(tensors, prefix):
    """The tensors of a prefix, without it."""
    return {
        k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)
    }


def _epochs(net):
    """The history without its batches."""
    return [{k: v for k, v in row.items() if k != "batches"} for row in net.history]


def _count(tensors, prefix):
    return sum(name.startswith(prefix) for name in tensors)

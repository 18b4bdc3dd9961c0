"""Fitted survival estimators as files, and back."""

import warnings
from numbers import Integral

from .._architectures import ARCHITECTURES, Compact, Paper
from .._hazards import DiscreteTime, ProportionalHazards
from .._hazards._baseline import BaselineHazards, BreslowBaseline
from .._hazards._covariates import CovariateCox
from .._tensor_files import from_plain, read_tensors, to_plain, write_tensors
from .._training import restored_net
from .._version import __version__
from ..losses._target import SurvivalLoss
from ..metrics._censoring import CensoringKaplanMeier
from ._fitting import module_settings
from ._network import risk_net

_KIND = "DualAttentionSurvival"
_CLASSES = (
    Compact,
    Paper,
    BaselineHazards,
    BreslowBaseline,
    CensoringKaplanMeier,
    CovariateCox,
    DiscreteTime,
    ProportionalHazards,
)
# Of no use to a model that is fitted, or not to be found where it is read.
_LEFT_OUT = ("callbacks", "checkpoint_dir", "pretrained")


def save_model(path, estimator):
    """Write a fitted estimator: parameters, weights, and what `fit` learned."""
    params = estimator.get_params(deep=False)
    if not isinstance(params["architecture"], (str, *ARCHITECTURES.values())):
        raise TypeError(
            f"Cannot save a model with architecture={params['architecture']!r}: a file "
            "holds no code, and ecgdan_sk knows no network of that kind to fill with "
            "its weights. Keep the estimator's parameters in a script of yours, and "
            "network_.state_dict() of its nets in a file."
        )
    params.update(dict.fromkeys(_LEFT_OUT))
    if not isinstance(params["random_state"], Integral):
        params["random_state"] = None
    fitted = {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and name != "nets_"
    }
    arrays = []
    content = {
        "version": __version__,
        "params": to_plain(params, arrays, _CLASSES),
        "fitted": to_plain(fitted, arrays, _CLASSES),
        "histories": [_epochs(net) for net in estimator.nets_],
    }
    tensors = {f"array/{i}": array for i, array in enumerate(arrays)}
    for i, net in enumerate(estimator.nets_):
        for name, value in net.module_.state_dict().items():
            tensors[f"network/{i}/{name}"] = value.cpu().numpy()
    write_tensors(path, _KIND, tensors, content)


def load_model(path, cls):
    """A fitted estimator of class `cls`."""
    tensors, content = read_tensors(path, _KIND)
    if content.get("version") != __version__:
        warnings.warn(
            f"{path} was written by ecgdan_sk {content.get('version')}, this is "
            f"{__version__}: compare some predictions before you rely on them.",
            stacklevel=3,
        )
    try:
        return _restored(cls, tensors, content)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not hold a whole model ({type(error).__name__}: {error}). "
            "Fetch it again, or save the model anew."
        ) from error


def _restored(cls, tensors, content):
    """The estimator that tensors and content tell."""
    arrays = [tensors[f"array/{i}"] for i in range(_count(tensors, "array/"))]
    estimator = cls(**from_plain(content["params"], arrays, _CLASSES))
    vars(estimator).update(from_plain(content["fitted"], arrays, _CLASSES))
    estimator.nets_ = [
        _net(estimator, tensors, i, epochs)
        for i, epochs in enumerate(content["histories"])
    ]
    return estimator


def _net(estimator, tensors, i, epochs):
    """One network with its history."""
    return restored_net(
        risk_net,
        SurvivalLoss,
        {
            name.removeprefix(f"network/{i}/"): value
            for name, value in tensors.items()
            if name.startswith(f"network/{i}/")
        },
        epochs,
        # The same kernels as before, and so the same result to the last bit.
        batch_size=estimator.batch_size,
        device=estimator.device,
        precision=estimator.precision,
        **module_settings(estimator, estimator.likelihood_.n_outputs),
        **{f"criterion__{k}": v for k, v in estimator.likelihood_.loss.items()},
    )


def _epochs(net):
    """The history without its batches."""
    return [{k: v for k, v in row.items() if k != "batches"} for row in net.history]


def _count(tensors, prefix):
    return sum(name.startswith(prefix) for name in tensors)

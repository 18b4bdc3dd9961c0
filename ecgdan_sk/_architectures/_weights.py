"""Transfer of encoder weights between estimators, with checks that they fit."""

import os

from .._tensor_files import read_tensors, write_tensors
from . import ARCHITECTURES, architecture_of

_KIND = "encoder weights"
_KEYS = (
    "architecture",
    "settings",
    "leads",
    "sampling_rate",
    "n_times",
    "lead_parameters",
    "weights",
)


def check_known(architecture):
    """Raise unless a file can describe the architecture without code."""
    if not isinstance(architecture, (str, *ARCHITECTURES.values())):
        raise TypeError(
            f"Cannot save a model with architecture={architecture!r}: a file holds no "
            "code, and this architecture is not part of ecgdan_sk. Keep the parameters "
            "of the estimator in a script, and save network_.state_dict() of its nets."
        )


def encoder_weights(module, estimator):
    """Weights of an encoder with its architecture and input, as a plain mapping."""
    architecture, encoder = architecture_of(estimator), module.encoder
    return {
        "architecture": architecture.name,
        "settings": architecture.get_params(deep=False),
        "leads": tuple(estimator.leads_in_),
        "sampling_rate": estimator.sampling_rate_in_,
        "n_times": estimator.n_times_in_,
        "lead_parameters": encoder.lead_parameters(),
        "weights": {
            name: value.cpu().numpy().copy()
            for name, value in encoder.state_dict().items()
        },
    }


def write_encoder_weights(path, mapping):
    """Write a mapping of encoder weights as a safetensors file."""
    content = {k: v for k, v in mapping.items() if k != "weights"}
    write_tensors(path, _KIND, mapping["weights"], content)


def read_encoder_weights(path):
    """Read the weights that `ECGReportPretrainer.save_encoder` wrote.

    Parameters
    ----------
    path : str or path-like
        Path of the file.

    Returns
    -------
    dict
        Mapping like `encoder_weights_` of the pretrainer: weights by name, with
        architecture, leads, length and sampling rate.

    Raises
    ------
    ValueError
        If the file is damaged, altered, or of another kind.

    Examples
    --------
    >>> from ecgdan_sk.architectures import read_encoder_weights
    >>> read_encoder_weights("encoder.safetensors")["leads"]  # doctest: +SKIP
    """
    weights, content = read_tensors(path, _KIND)
    return {**content, "weights": weights, "leads": tuple(content["leads"])}


def starting_weights(mapping, estimator):
    """Initial weights by name for the network of an estimator, from a mapping."""
    weights = architecture_of(estimator).weights_for(
        mapping, estimator.leads_in_, estimator.n_times_in_
    )
    return {f"encoder.{name}": value for name, value in weights.items()}


def encoder_mapping(pretrained):
    """The mapping itself, or the mapping in a file."""
    if isinstance(pretrained, str | os.PathLike):
        return read_encoder_weights(pretrained)
    missing = _KEYS
    if hasattr(pretrained, "keys"):
        missing = [name for name in _KEYS if name not in pretrained]
    if missing:
        raise TypeError(
            f"pretrained lacks {', '.join(missing)}: got a "
            f"{type(pretrained).__name__}. Pass the name of an encoder of "
            "`ecgdan_sk.encoders`, the mapping encoder_weights_ of a fitted "
            "ECGReportPretrainer, or the path of a file by save_encoder. A fitted "
            "estimator cannot be passed, because scikit-learn's clone would empty it."
        )
    return pretrained

"""Weights of an encoder between estimators: what they are of, and whether they fit."""

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
    """Raise unless a file can tell the architecture without code."""
    if not isinstance(architecture, (str, *ARCHITECTURES.values())):
        raise TypeError(
            f"Cannot save a model with architecture={architecture!r}: a file holds no "
            "code, and ecgdan_sk knows no network of that kind to fill with its "
            "weights. Keep the estimator's parameters in a script of yours, and "
            "network_.state_dict() of its nets in a file."
        )


def encoder_weights(module, estimator):
    """A plain mapping of an encoder's weights and of what they are of."""
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
    """Write such a mapping as a safetensors file."""
    content = {k: v for k, v in mapping.items() if k != "weights"}
    write_tensors(path, _KIND, mapping["weights"], content)


def read_encoder_weights(path):
    """The mapping that `ECGReportPretrainer.save_encoder` wrote to a file.

    Parameters
    ----------
    path : str or path-like
        Path of the file.

    Returns
    -------
    dict
        As `encoder_weights_` of the pretrainer: the weights by name, and the
        architecture, leads, length and sampling rate that they are of.

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
    """Weights by name for the module of an estimator, from a mapping."""
    weights = architecture_of(estimator).weights_for(
        mapping, estimator.leads_in_, estimator.n_times_in_
    )
    return {f"encoder.{name}": value for name, value in weights.items()}


def encoder_mapping(pretrained):
    """The mapping itself, or that of a file."""
    if isinstance(pretrained, str | os.PathLike):
        return read_encoder_weights(pretrained)
    missing = _KEYS
    if hasattr(pretrained, "keys"):
        missing = [name for name in _KEYS if name not in pretrained]
    if missing:
        raise TypeError(
            f"pretrained holds no {', '.join(missing)}: got a "
            f"{type(pretrained).__name__}. Pass the name of an encoder of "
            "`ecgdan_sk.encoders`, the mapping encoder_weights_ of a fitted "
            "ECGReportPretrainer, or the path that its save_encoder wrote; a fitted "
            "estimator itself would be emptied by scikit-learn's clone."
        )
    return pretrained

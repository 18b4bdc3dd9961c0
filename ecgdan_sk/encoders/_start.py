"""From `pretrained` of an estimator to weights and their network."""

from os import PathLike
from pathlib import Path

from .._architectures import ARCHITECTURES
from .._architectures._weights import encoder_mapping, starting_weights
from ._folders import load


def starting_architecture(estimator):
    """Architecture of the estimator; a name takes the settings of `pretrained`."""
    given = estimator.architecture
    if not isinstance(given, str):
        return given
    settings = {}
    if estimator.pretrained is not None:
        weights = encoder_mapping(_resolved(estimator.pretrained))
        if weights["architecture"] == given:
            settings = weights["settings"]
    return ARCHITECTURES[given](**settings)


def start_of(estimator):
    """Initial weights by name for a network of the estimator, or None."""
    pretrained = estimator.pretrained
    if pretrained is None:
        return None
    weights = encoder_mapping(_resolved(pretrained))
    _check_rate(pretrained, weights["sampling_rate"], estimator)
    return starting_weights(weights, estimator)


def _resolved(pretrained):
    """A mapping or a file as they are, a name or a folder as its weights."""
    return load(pretrained) if _is_name(pretrained) else pretrained


def _is_name(pretrained):
    """Whether this names an encoder, rather than a file of weights or a mapping."""
    if not isinstance(pretrained, str | PathLike):
        return False
    return not (str(pretrained).endswith(".safetensors") or Path(pretrained).is_file())


def _check_rate(pretrained, theirs, estimator):
    """Raise, with the line that mends it, if the ECGs have another sampling rate."""
    ours = estimator.sampling_rate_in_
    if None in (theirs, ours) or theirs == ours:
        return
    step, own = f"preprocessing.Resample({theirs:g})", "pretrained=..."
    if _is_name(pretrained):
        step, own = f"encoders.Prepare({pretrained!r})", f"pretrained={pretrained!r}"
    raise ValueError(
        f"The encoder was pretrained at {theirs:g} Hz, but X is sampled at {ours:g} "
        f"Hz. Resample X to that rate: make_pipeline({step}, "
        f"{type(estimator).__name__}({own}))."
    )

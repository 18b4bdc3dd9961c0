"""Weights of an encoder between estimators: what they are of, and whether they fit."""

import os

import numpy as np

from .._tensor_files import read_tensors, write_tensors
from ..records._leads_and_ids import lead_names

_KIND = "encoder weights"
_SETTINGS = (
    "architecture",
    "n_channels",
    "latent_dim",
    "lead_attention",
    "temporal_attention",
)
# Parameters of the compact encoder whose first axis is the lead.
_PER_LEAD = ("temporal.", "across_leads.embedding")


def encoder_weights(module, estimator):
    """A plain mapping of an encoder's weights and of what they are of."""
    return {
        **{name: getattr(estimator, name) for name in _SETTINGS},
        "leads": tuple(estimator.leads_in_),
        "sampling_rate": estimator.sampling_rate_in_,
        "n_times": estimator.n_times_in_,
        "weights": {
            name: value.cpu().numpy().copy()
            for name, value in module.encoder.state_dict().items()
        },
    }


def save_encoder_weights(path, mapping):
    """Write such a mapping as a safetensors file."""
    content = {k: v for k, v in mapping.items() if k != "weights"}
    write_tensors(path, _KIND, mapping["weights"], content)


def starting_weights(pretrained, estimator):
    """Weights by name for the module of an estimator, from a mapping or a file."""
    mapping = _read(pretrained)
    _check_settings(mapping, estimator)
    weights = mapping["weights"]
    if mapping["architecture"] == "compact":
        places = _places(lead_names(mapping["leads"]), estimator.leads_in_)
        weights = {
            name: _for_leads(value, places) if name.startswith(_PER_LEAD) else value
            for name, value in weights.items()
        }
    return {f"encoder.{name}": value for name, value in weights.items()}


def _read(pretrained):
    if isinstance(pretrained, str | os.PathLike):
        weights, content = read_tensors(pretrained, _KIND)
        return {**content, "weights": weights, "leads": tuple(content["leads"])}
    missing = [*_SETTINGS, "leads", "sampling_rate", "n_times", "weights"]
    if hasattr(pretrained, "keys"):
        missing = [name for name in missing if name not in pretrained]
    if missing:
        raise TypeError(
            f"pretrained holds no {', '.join(missing)}: got a "
            f"{type(pretrained).__name__}. Pass the mapping encoder_weights_ of a "
            "fitted ECGReportPretrainer, or the path that its save_encoder wrote; a "
            "fitted estimator itself would be emptied by scikit-learn's clone."
        )
    return pretrained


def _check_settings(mapping, estimator):
    """Raise unless the weights fit the estimator and the ECGs of its `fit`."""
    free = () if mapping["architecture"] == "compact" else ("n_channels", "latent_dim")
    for name in (name for name in _SETTINGS if name not in free):
        ours = getattr(estimator, name)
        if mapping[name] != ours:
            raise ValueError(
                f"The pretrained encoder has {name}={mapping[name]!r}, this estimator "
                f"{ours!r}. Set {name}={mapping[name]!r}, or pretrain again."
            )
    rates = mapping["sampling_rate"], estimator.sampling_rate_in_
    if None not in rates and rates[0] != rates[1]:
        raise ValueError(
            f"The encoder was pretrained at {rates[0]:g} Hz, but X is sampled at "
            f"{rates[1]:g} Hz. Resample X to that rate."
        )
    lengths = [32 * -(-n // 32) for n in (mapping["n_times"], estimator.n_times_in_)]
    if mapping["architecture"] == "paper" and lengths[0] != lengths[1]:
        raise ValueError(
            f"The paper's network was pretrained on {mapping['n_times']} samples per "
            f"lead and fits no other length, but X has {estimator.n_times_in_}. Crop "
            "or pad X, or pretrain the compact network, which fits any."
        )


def _places(known, wanted):
    """Where each wanted lead stands among the known ones; None where it does not."""
    places = [known.index(lead) if lead in known else None for lead in wanted]
    if all(place is None for place in places):
        raise ValueError(
            f"The encoder was pretrained on the leads {', '.join(known)}, of which "
            f"X has none: {', '.join(wanted)}."
        )
    return places


def _for_leads(value, places):
    """Rows of the leads; one that pretraining did not know starts from their mean."""
    mean = value.mean(0)
    return np.stack([mean if place is None else value[place] for place in places])

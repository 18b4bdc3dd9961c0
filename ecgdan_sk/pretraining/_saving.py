"""Fitted pretrainers as files, and back."""

from functools import partial

import torch

from .._architectures import Compact, Paper, architecture_of
from .._architectures._weights import check_known
from .._training import read_model, restored_net, write_model
from ..reports import ReportEmbedder, load_statements
from ..reports._encoder_state import (
    encoder_state,
    restored_encoder,
    text_bytes,
    texts_of,
)
from ._network import ReportLoss, report_net

_KIND = "ECGReportPretrainer"
_CLASSES = (Compact, Paper)
# Fitted attributes other than the network and the text encoder.
_LEARNED = (
    "architecture_",
    "leads_in_",
    "n_leads_in_",
    "n_times_in_",
    "report_embeddings_",
    "reports_",
    "sampling_rate_in_",
)


def save_pretrainer(path, estimator):
    """Write a fitted pretrainer: parameters, weights, reports and text encoder."""
    params = estimator.get_params(deep=False)
    check_known(params["architecture"])
    params["text_encoder"] = encoder_state(params["text_encoder"])
    fitted = {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and name not in ("net_", "embedder_")
    }
    if fitted["reports_"] is not None:
        fitted["reports_"] = text_bytes(fitted["reports_"])
    fitted["embedder"] = _embedder_state(estimator.embedder_)
    fitted["batch_size"] = estimator.net_.batch_size
    write_model(path, _KIND, params, fitted, [estimator.net_], _CLASSES)


def load_pretrainer(path, cls):
    """A fitted pretrainer of class `cls`."""
    return read_model(path, _KIND, _CLASSES, partial(_restored, cls))


def _restored(cls, params, fitted, networks):
    """Pretrainer from a file."""
    estimator = cls(
        **{**params, "text_encoder": restored_encoder(params["text_encoder"])}
    )
    estimator._validate_params()
    missing = [name for name in _LEARNED if name not in fitted]
    if missing:
        raise ValueError(f"there is no {', '.join(missing)} in it")
    batch_size = fitted.pop("batch_size")
    estimator.embedder_ = _restored_embedder(estimator, fitted.pop("embedder"))
    if fitted["reports_"] is not None:
        fitted["reports_"] = texts_of(fitted["reports_"])
    vars(estimator).update(fitted)
    (network,) = networks
    estimator.net_ = _net(estimator, batch_size, *network)
    return estimator


def _embedder_state(embedder):
    """Fitted attributes of the embedder; the package has the table of statements."""
    learned = {
        name: value
        for name, value in vars(embedder).items()
        if name.endswith("_") and name not in ("encoder_", "statements_")
    }
    return [learned, encoder_state(getattr(embedder, "encoder_", None))]


def _restored_embedder(estimator, state):
    learned, encoder = state
    embedder = ReportEmbedder(
        estimator.text_encoder,
        reports_as=estimator.reports_as,
        zero_likelihood=estimator.zero_likelihood,
    )
    if learned:
        vars(embedder).update(learned)
        embedder.encoder_ = restored_encoder(encoder)
        embedder.statements_ = load_statements()
    return embedder


def _net(estimator, batch_size, weights, loss_weights, epochs):
    """The network with its history, ready to predict."""
    n_outputs = {
        name: len(weights.get(f"head.to_{name}.weight", ()))
        for name in ("statements", "numbers")
    }
    module = {
        "architecture": architecture_of(estimator),
        "n_leads": estimator.n_leads_in_,
        "n_times": estimator.n_times_in_,
        "n_statements": n_outputs["statements"],
        "n_numbers": n_outputs["numbers"],
        "decoder": estimator.reconstruction_weight > 0,
        "is_deep": estimator.alignment == "cosine",
        "scale": 1.0,
    }
    criterion = {
        "texts": torch.from_numpy(estimator.report_embeddings_),
        "statements": None,
        "alignment": estimator.alignment,
        "alignment_weight": estimator.alignment_weight,
        "classification_weight": estimator.classification_weight,
        "is_deep": estimator.alignment == "cosine",
    }
    return restored_net(
        report_net,
        ReportLoss,
        weights,
        loss_weights,
        epochs,
        # The same kernels as before, and so the same result to the last bit.
        batch_size=batch_size,
        device=estimator.device,
        precision=estimator.precision,
        **{f"module__{name}": value for name, value in module.items()},
        **{f"criterion__{name}": value for name, value in criterion.items()},
    )

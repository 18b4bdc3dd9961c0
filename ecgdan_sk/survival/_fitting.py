"""What the parameters of the survival estimator mean for the training of its nets."""

import warnings

import numpy as np
from sksurv.util import Surv

from .._architectures import architecture_of
from .._training import (
    ECGDataset,
    checkpoint_folder,
    seeded,
    shared_settings,
    split_by_event,
    train_net,
)
from ..encoders._start import start_of
from ..losses._target import SurvivalLoss
from ..metrics import concordance_index
from ..records._signal_checks import typical_spread
from ._head import ridge_heads
from ._network import risk_net

_RECIPES = {
    "default": {"one_cycle": True, "max_norm": 5.0, "monitor": "valid_loss"},
    "paper": {"one_cycle": False, "max_norm": 100.0, "monitor": "valid_concordance"},
}

_SCRATCH = {"max_epochs": 40, "lr": 3e-3}
_PRETRAINED = {"max_epochs": 12, "lr": 1e-3}


def train_networks(estimator, X, target, likelihood):
    """Train networks that differ in their seed and in the ECGs kept for validation.

    Returns the nets, and which of the ECGs each was not trained on, of shape
    (n_members, n_samples). Where the user breaks off, fewer nets.
    """
    architecture_of(estimator).check(estimator.leads_in_, X.shape[2])
    module = module_settings(estimator, likelihood.n_outputs, typical_spread(X))
    settings = {**module, **_optimisation(estimator, likelihood)}
    settings |= {f"criterion__{k}": v for k, v in likelihood.loss.items()}
    starts = _starts(estimator, module)
    heads = ridge_heads(estimator, likelihood, module, starts, X, target)
    # The ridge Cox model, or covariates alone, may be the best.
    settings["start_counts"] = heads is not None or estimator.covariates is not None
    folder = checkpoint_folder(estimator, X, target, *_arrays(starts))
    nets, unseen = [], []
    for i, start in enumerate(starts):
        parts = split_by_event(
            target[:, 0], estimator.validation_fraction, estimator.batch_size
        )
        net = train_net(
            risk_net,
            SurvivalLoss,
            *(ECGDataset(X, target, rows) for rows in parts),
            start=heads.of(parts[0]) if heads else start,
            checkpoint=folder and folder / f"network-{i}.safetensors",
            **settings,
        )
        nets.append(net)
        unseen.append(np.isin(np.arange(len(X)), parts[1]))
        if net.interrupted_:
            # To the user, past this function and `fit`.
            warnings.warn(_interruption(nets, len(starts)), stacklevel=3)
            break
    return nets, np.stack(unseen)


def module_settings(estimator, n_outputs, scale=1.0):
    """Parameters of `risk_net`, as skorch wants them."""
    module = {
        "architecture": architecture_of(estimator),
        "n_leads": estimator.n_leads_in_,
        "n_times": estimator.n_times_in_,
        "n_outputs": n_outputs,
        "dropout": estimator.dropout,
        "decoder": estimator.reconstruction_weight > 0,
        "zero_start": estimator.covariates is not None,
        "scale": scale,
    }
    return {f"module__{name}": value for name, value in module.items()}


def _optimisation(estimator, likelihood):
    """Parameters of `train_net` and of its net."""
    recipe = _RECIPES[estimator.recipe]
    by_concordance = recipe["monitor"] == "valid_concordance"
    if by_concordance and not likelihood.outputs_are_log_risks:
        raise ValueError(
            f"recipe={estimator.recipe!r} chooses the best epoch by its concordance, "
            f"which needs log risks, and loss={estimator.loss!r} does not give them "
            "while it trains. Use recipe='default'."
        )
    freezes, every = bool(estimator.freeze_encoder), estimator.freeze_encoder
    return {
        **shared_settings(estimator, architecture_of(estimator).default_crop),
        **recipe,
        **_length(estimator),
        "higher_is_better": by_concordance,
        "valid_scores": (("concordance", _concordance),) if by_concordance else (),
        "batch_size": estimator.batch_size,
        "n_unfrozen": 0 if freezes else None,
        "unfreeze_every": None if isinstance(every, bool | np.bool_) else every,
    }


def _length(estimator):
    """Epochs and rate; a ready encoder wants fewer and smaller steps."""
    by_default = _SCRATCH if estimator.pretrained is None else _PRETRAINED
    given = {name: getattr(estimator, name) for name in by_default}
    return by_default | {k: v for k, v in given.items() if v is not None}


def _concordance(output, target, loss):
    """Concordance index of the first log risk, beside covariates if there are any."""
    log_risks = output.reshape(len(target), -1)
    if loss.n_offsets:
        log_risks = log_risks + target[:, -loss.n_offsets :]
    event, rank = target[:, 0].cpu().numpy() == 1, target[:, 1].cpu().numpy()
    # Ranks start at 0, times do not.
    outcome = Surv.from_arrays(event, rank + 1.0)
    return float(concordance_index(outcome, log_risks[:, 0].cpu().numpy()))


def _starts(estimator, module):
    """For each network the weights it starts from, by name, or None."""
    starts = [start_of(estimator)] * estimator.n_members
    if estimator.warm_start and hasattr(estimator, "nets_"):
        with seeded(0):
            new = risk_net(**{k.removeprefix("module__"): v for k, v in module.items()})
        for i, net in enumerate(estimator.nets_[: estimator.n_members]):
            starts[i] = _weights_of(net, new)
    return starts


def _weights_of(net, new):
    """Weights of a fitted net, once it is certain that they fit a new one."""
    ours, theirs = new.state_dict(), net.module_.state_dict()
    if {k: v.shape for k, v in ours.items()} != {k: v.shape for k, v in theirs.items()}:
        raise ValueError(
            "warm_start=True goes on from the networks of the last fit, but they do "
            "not fit these settings, leads and length. Fit a clone instead."
        )
    return {name: value.cpu() for name, value in theirs.items()}


def _arrays(starts):
    """Each array that a network starts from, once."""
    different = {id(start): start for start in starts if start is not None}
    return [np.asarray(w) for start in different.values() for w in start.values()]


def _interruption(nets, n_members):
    """What Ctrl-C left."""
    n_epochs = len(nets[-1].history) - 1
    return (
        f"Training was interrupted in epoch {n_epochs + 1} of network {len(nets)} of "
        f"{n_members}: the best weights so far are kept, and no further network is "
        "trained."
    )

"""From the parameters of the survival estimator to the training of its nets."""

import numpy as np
import torch
from sksurv.util import Surv

from .._architectures import architecture_of
from .._training import (
    ECGDataset,
    check_batches,
    checkpoint_folder,
    seeded,
    shared_settings,
    train_net,
)
from .._warnings import warn
from ..encoders._start import start_of
from ..losses._target import SurvivalLoss
from ..metrics import concordance_index
from ..model_selection import split_by_event
from ..records._signal_checks import typical_spread
from ._head import ridge_heads
from ._network import risk_net

_RECIPES = {
    "default": {"one_cycle": True, "max_norm": 5.0},
    "paper": {"one_cycle": False, "max_norm": 100.0},
}

# Few and of equal scale, coefficients of covariates take larger steps and no decay.
_COVARIATES = {"lr": 0.1, "weight_decay": 0.0}
_SCRATCH = {"max_epochs": 40, "lr": 3e-3}
_PRETRAINED = {"max_epochs": 12, "lr": 1e-3}
# A head that is good at once needs few steps.
_FROM_RIDGE = {"max_epochs": 4, "lr": 2e-3}
# Of few events no validation part tells whether a step helps: as good as none is made.
_OF_FEW_EVENTS = {"max_epochs": 1, "lr": 1e-9, "n_unfrozen": 0}


def split_seeds(estimator):
    """Seed of the validation part of each network; with a `baseline` all share one.

    A warm start keeps the seeds, so that no ECG is used for training first and for
    validation later.
    """
    kept = getattr(estimator, "split_seeds_", []) if estimator.warm_start else []
    # One draw, so that the first networks do not depend on how many follow.
    rng = np.random.RandomState(int(torch.randint(2**31 - 1, ())))
    drawn = rng.randint(2**31 - 1, size=estimator.n_members).tolist()
    seeds = (kept + drawn[len(kept) :])[: estimator.n_members]
    one_for_all = estimator.baseline == "validation"
    return seeds[:1] * estimator.n_members if one_for_all else seeds


def validation_part(estimator, seed, causes, patients):
    """Rows for training and for validation, with their share of each cause."""
    fraction = estimator.validation_fraction
    parts = split_by_event(causes, fraction, groups=patients, random_state=seed)
    check_batches(causes[parts[0]] > 0, estimator.batch_size)
    return parts


def train_networks(estimator, X, target, likelihood, patients, seeds):
    """Train networks that differ in their weights and, by seed, in their validation.

    If the user interrupts, fewer nets are returned.
    """
    architecture_of(estimator).check(estimator.leads_in_, X.shape[2])
    module = module_settings(estimator, likelihood.n_outputs, typical_spread(X))
    starts = _starts(estimator, module)
    heads = ridge_heads(estimator, likelihood, module, starts, X, target, patients)
    settings = {**module, **_optimisation(estimator, heads)}
    settings |= loss_settings(likelihood, estimator.covariates_)
    # The ridge Cox model, or covariates alone, may be the best.
    settings["start_counts"] = heads is not None or estimator.covariates is not None
    arrays = [*_arrays(starts), np.asarray(seeds[:1])]
    arrays += [] if patients is None else [patients]
    folder = checkpoint_folder(estimator, X, target, *arrays)
    nets = []
    for i, start in enumerate(starts):
        parts = validation_part(estimator, seeds[i], target[:, 0], patients)
        if heads:
            start, coef = heads.of(parts[0])
            settings |= {"criterion__coef": coef} if len(coef) else {}
        net = train_net(
            risk_net,
            SurvivalLoss,
            *(ECGDataset(X, target, rows) for rows in parts),
            start=start,
            checkpoint=folder and folder / f"network-{i}.safetensors",
            **settings,
            **_choice_of_epoch(estimator, likelihood, target[parts[1]]),
        )
        if heads:
            heads.settle(net, start)
        nets.append(net)
        if net.interrupted_:
            warn(_interruption(nets, len(starts)))
            break
    return nets


def module_settings(estimator, n_outputs, scale=1.0):
    """Parameters of `risk_net`, in the form that skorch takes."""
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


def loss_settings(likelihood, covariates):
    """Parameters of `SurvivalLoss`, in the form that skorch takes."""
    loss = likelihood.loss
    if covariates is not None:
        loss = {**loss, "coef": covariates.coef_}
    return {f"criterion__{name}": value for name, value in loss.items()}


def mean_coef(nets):
    """Coefficients of the covariates, averaged over the networks."""
    coefs = [net.criterion_.coef.detach().cpu().numpy() for net in nets]
    return np.mean(coefs, axis=0, dtype=np.float64)


def _optimisation(estimator, heads):
    """Parameters of `train_net` and of its net."""
    freezes, every = bool(estimator.freeze_encoder), estimator.freeze_encoder
    return {
        **shared_settings(estimator, architecture_of(estimator).default_crop),
        **_RECIPES[estimator.recipe],
        "batch_size": estimator.batch_size,
        "n_unfrozen": 0 if freezes else None,
        "unfreeze_every": None if isinstance(every, bool | np.bool_) else every,
        "optimizer__param_groups": [("coef", _COVARIATES)],
        **_length(estimator, heads),
    }


def _length(estimator, heads):
    """Epochs and rate; a pretrained encoder needs fewer and smaller steps."""
    given = {name: getattr(estimator, name) for name in _SCRATCH}
    given = {name: value for name, value in given.items() if value is not None}
    if heads is None:
        by_default = _SCRATCH if estimator.pretrained is None else _PRETRAINED
    elif heads.is_of_few and not given:
        by_default = _OF_FEW_EVENTS
    else:
        by_default = _FROM_RIDGE
    return by_default | given


def _choice_of_epoch(estimator, likelihood, target):
    """The criterion for the best epoch, for the target of the validation part."""
    if estimator.recipe != "paper":
        return {"monitor": "valid_loss"}
    if not likelihood.outputs_are_log_risks:
        raise ValueError(
            f"recipe={estimator.recipe!r} chooses the best epoch by its concordance, "
            f"which needs log risks, but loss={estimator.loss!r} gives none during "
            "training. Use recipe='default'."
        )
    target = torch.from_numpy(target)
    equal = torch.zeros(len(target), likelihood.n_outputs)
    try:
        _concordance(equal, target, SurvivalLoss(**likelihood.loss))
    except ValueError as error:
        warn(
            "The loss chooses the best epoch of a network, because the concordance of "
            f"its {len(target)} validation ECGs is not defined: {error}",
        )
        return {"monitor": "valid_loss"}
    return {
        "monitor": "valid_concordance",
        "higher_is_better": True,
        "valid_scores": (("concordance", _concordance),),
    }


def _concordance(output, target, loss):
    """Concordance of the first log risk among ECGs at risk together, of one stratum."""
    log_risks = loss.shifted(output, target).reshape(len(target), -1)
    event, rank, *others = target.cpu().numpy().T
    columns = dict(zip(loss.columns, others))
    # Ranks start at 0, times do not.
    if "entry" in columns:
        columns["entry"] = columns["entry"] + 1.0
    outcome = Surv.from_arrays(event == 1, rank + 1.0)
    return float(
        concordance_index(outcome, log_risks[:, 0].detach().cpu().numpy(), **columns)
    )


def _starts(estimator, module):
    """Initial weights of each network by name, or None."""
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
            "warm_start=True continues with the networks of the last fit, but they do "
            "not fit the current settings, leads and length. Fit a clone instead."
        )
    return {name: value.cpu() for name, value in theirs.items()}


def _arrays(starts):
    """Each array that a network starts from, once."""
    different = {id(start): start for start in starts if start is not None}
    return [np.asarray(w) for start in different.values() for w in start.values()]


def _interruption(nets, n_members):
    """The message after Ctrl-C."""
    n_epochs = len(nets[-1].history) - 1
    return (
        f"Training was interrupted in epoch {n_epochs + 1} of network {len(nets)} of "
        f"{n_members}: the best weights so far are kept, and no further network is "
        "trained."
    )

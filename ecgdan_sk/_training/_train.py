"""Training a net from its start to its best weights, and reading nets out."""

from copy import deepcopy

import numpy as np
import torch
from skorch.helper import predefined_split
from skorch.history import History

from ._batches import ECGDataset, EventBatchSampler, as_is, event_loader
from ._callbacks import KeepBest, OneCycle, ProgressBar, Unfreeze
from ._checkpoint import Checkpoint
from ._finite import remedy
from ._net import ECGNet
from ._ranks import current
from ._seeds import seeded


def train_net(
    module,
    criterion,
    dataset: ECGDataset,
    validation: ECGDataset | None,
    *,
    max_epochs: int,
    batch_size: int,
    lr: float,
    weight_decay: float,
    patience: int,
    one_cycle: bool = True,
    monitor: str = "valid_loss",
    higher_is_better: bool = False,
    start_counts: bool = False,
    start: dict | None = None,
    unfreeze_every: int | None = None,
    checkpoint=None,
    callbacks=None,
    verbose: int = 0,
    device: str = "auto",
    **params,
) -> ECGNet:
    """Fit a net with AdamW, early stopping and, unless told not to, one cycle.

    Without validation ECGs, the weights of the last epoch are kept. `start` holds
    initial weights by name, of the whole module or of a part. An interrupted training
    continues from the file `checkpoint`. Processes that share a training end with the
    same net.
    """
    ranks = current()
    n_batches = len(EventBatchSampler(dataset.target[dataset.rows, 0], batch_size))
    ranks.check_batches(len(dataset), n_batches)
    ranks.check_same(dataset, validation)
    if validation is None:
        monitor, higher_is_better = "epoch", True
    best = KeepBest(monitor, higher_is_better, patience, start_counts)
    net = ECGNet(
        module,
        criterion,
        optimizer=torch.optim.AdamW,
        optimizer__fused=True,
        optimizer__weight_decay=weight_decay,
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        train_split=None if validation is None else predefined_split(validation),
        iterator_train=event_loader,
        iterator_valid__collate_fn=as_is,
        # Without its own generator a DataLoader draws from torch's global one.
        iterator_valid__generator=torch.Generator(),
        callbacks=[
            *([("cycle", OneCycle(n_batches))] if one_cycle else []),
            *([("unfreeze", Unfreeze(unfreeze_every))] if unfreeze_every else []),
            ("best", best),
            *([("checkpoint", Checkpoint(checkpoint))] if checkpoint else []),
            *([("progress", ProgressBar())] if verbose and ranks.is_first else []),
            *deepcopy(callbacks or []),
        ],
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        device=ranks.device(chosen_device(device)),
        verbose=0,
        **params,
    )
    net.initialize()
    if start is not None:
        load_weights(net.module_, start)
    ranks.take_from_first(net.module_, net.criterion_)
    _fit(net, dataset)
    ranks.take_from_first(net.module_, net.criterion_)
    # A fitted net needs no ECGs, least of all in its pickle.
    net.train_split = None
    if net.interrupted_ and len(net.history) < 2:
        raise KeyboardInterrupt("No epoch had ended: there are no weights to keep.")
    if net.interrupted_ and ranks.n_ranks > 1:
        raise KeyboardInterrupt(
            "Training was interrupted in several processes, so no weights are kept."
        )
    return net


def _fit(net, dataset):
    """Train for the epochs that are left, of a training that may have been killed."""
    checkpoint = dict(net.callbacks_).get("checkpoint")
    if checkpoint and checkpoint.resume(net):
        net.interrupted_ = False
        return
    try:
        net.partial_fit(dataset, None, epochs=net.max_epochs - len(net.history))
    except FloatingPointError as error:
        raise FloatingPointError(f"{error} {remedy(dataset.signals, net.lr)}") from None
    if checkpoint and not net.interrupted_:
        checkpoint.write(net, is_done=True)


def restored_net(
    module, criterion, weights, loss_weights, epochs, *, device="auto", **params
) -> ECGNet:
    """A net that predicts with the given weights, and the history that led there."""
    settings = {
        name.removeprefix("module__"): value
        for name, value in params.items()
        if name.startswith("module__")
    }
    # First without values, because the sizes in a file may not fit in memory.
    with torch.device("meta"):
        _check_weights(module(**settings), weights)
    net = ECGNet(
        module,
        criterion,
        iterator_valid__collate_fn=as_is,
        iterator_valid__generator=torch.Generator(),
        callbacks=None,
        callbacks__print_log=None,
        device=chosen_device(device),
        verbose=0,
        **params,
    )
    with seeded(0):
        net.initialize()
    _check_weights(net.criterion_, loss_weights)
    load_weights(net.module_, weights)
    load_weights(net.criterion_, loss_weights)
    net.history_ = History({**epoch, "batches": []} for epoch in epochs)
    return net


def load_weights(module, weights) -> None:
    """Set the weights that are named; the others stay."""
    state = module.state_dict()
    state.update({name: torch.as_tensor(w) for name, w in weights.items()})
    module.load_state_dict(state)


def _check_weights(module, weights) -> None:
    """Raise unless the weights are finite and match the module."""
    ours = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    theirs = {name: tuple(np.shape(value)) for name, value in weights.items()}
    for name in ours | theirs:
        if ours.get(name) != theirs.get(name):
            raise ValueError(
                f"expected {name} of shape {ours.get(name)}, got {theirs.get(name)}"
            )
        if not np.isfinite(weights[name]).all():
            raise ValueError(f"{name} holds values that are not finite")


def chosen_device(device: str) -> str:
    """`device` itself, or the fastest available one for "auto"."""
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"

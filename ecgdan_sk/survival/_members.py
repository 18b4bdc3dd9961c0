"""Several networks that differ in their seed and in the ECGs kept for validation."""

import warnings

import numpy as np

from .._training import ECGDataset, split_by_event


def train_members(train, X, target, *, n_members, validation_fraction, batch_size):
    """Train networks by `train(i, training, validation)`, two parts of the ECGs each.

    Returns the nets, and which of the ECGs each was not trained on, of shape
    (n_members, n_samples). Where the user breaks off, fewer nets.
    """
    nets, unseen = [], []
    for i in range(n_members):
        parts = split_by_event(target[:, 0], validation_fraction, batch_size)
        nets.append(train(i, *(ECGDataset(X, target, rows) for rows in parts)))
        unseen.append(np.isin(np.arange(len(X)), parts[1]))
        if nets[-1].interrupted_:
            # To the user, past this function and `fit`.
            warnings.warn(_interruption(nets, n_members), stacklevel=3)
            break
    return nets, np.stack(unseen)


def _interruption(nets, n_members):
    """What Ctrl-C left."""
    n_epochs = len(nets[-1].history) - 1
    return (
        f"Training was interrupted in epoch {n_epochs + 1} of network {len(nets)} of "
        f"{n_members}: the best weights so far are kept, and no further network is "
        "trained."
    )

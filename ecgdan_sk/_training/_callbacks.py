"""Callbacks of a training: learning rate, best weights, unfreezing, progress."""

from copy import deepcopy

import numpy as np
from skorch.callbacks import Callback
from tqdm.auto import tqdm


class OneCycle(Callback):
    """Learning rate that rises for a tenth of the steps, then falls along a cosine.

    A function of the step alone, so that a resumed training needs no memory of it.

    Parameters
    ----------
    n_batches : int
        Steps per epoch.

    References
    ----------
    Smith and Topin (2019), "Super-convergence: very fast training of neural networks
    using large learning rates".
    """

    def __init__(self, n_batches):
        self.n_batches = n_batches

    def on_train_begin(self, net, **kwargs):
        """Remember the highest rate of each group, before it changes."""
        for group in net.optimizer_.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def on_epoch_begin(self, net, **kwargs):
        """Count the steps of earlier epochs."""
        self.step_ = (len(net.history) - 1) * self.n_batches

    def on_batch_begin(self, net, training=False, **kwargs):
        """Set the rate of the step that comes."""
        if not training:
            return
        share = one_cycle(self.step_, self.n_batches * net.max_epochs)
        for group in net.optimizer_.param_groups:
            group["lr"] = share * group["initial_lr"]
        self.step_ += 1


def one_cycle(step, n_steps, warm_up=0.1):
    """Share of the highest rate at a step: 1 / 25 at first, 4e-6 in the end."""
    first, last = 1 / 25, 4e-6
    top = warm_up * n_steps
    if step < top:
        return 1 + (first - 1) * (1 + np.cos(np.pi * step / top)) / 2
    return last + (1 - last) * (1 + np.cos(np.pi * (step - top) / (n_steps - top))) / 2


class KeepBest(Callback):
    """Keep the weights of the best epoch, and stop early without improvement.

    Parameters
    ----------
    monitor : str
        What is compared: a column of the history.
    higher_is_better : bool
        Whether more of it is better.
    patience : int
        Epochs without a better one after which training ends.
    start_counts : bool
        Whether the untrained weights may be the best.
    """

    def __init__(self, monitor, higher_is_better, patience, start_counts):
        self.monitor = monitor
        self.higher_is_better = higher_is_better
        self.patience = patience
        self.start_counts = start_counts

    def initialize(self):
        """Forget an earlier training."""
        self.best_ = -np.inf
        self.epoch_ = 0
        self.weights_ = None
        return self

    def on_epoch_begin(self, net, dataset_valid=None, **kwargs):
        """Before the first epoch, take the untrained weights as a candidate."""
        if self.start_counts and len(net.history) == 1:
            scores = net.scores(net.get_iterator(dataset_valid))
            self._compare(net, scores[self.monitor.removeprefix("valid_")], 0)

    def on_epoch_end(self, net, **kwargs):
        """Compare, and stop where patience has run out."""
        epoch = len(net.history)
        self._compare(net, net.history[-1, self.monitor], epoch)
        if epoch - self.epoch_ >= self.patience:
            raise KeyboardInterrupt

    def on_train_end(self, net, **kwargs):
        """Return to the best weights."""
        if self.weights_ is not None:
            for part, state in zip((net.module_, net.criterion_), self.weights_):
                part.load_state_dict(state)
        self.weights_ = None

    def _compare(self, net, score, epoch):
        score = score if self.higher_is_better else -score
        if score > self.best_:
            self.best_, self.epoch_ = score, epoch
            parts = net.module_, net.criterion_
            self.weights_ = deepcopy([part.state_dict() for part in parts])


class Unfreeze(Callback):
    """Let one more stage of the encoder train after some epochs, from its end on.

    Parameters
    ----------
    n_epochs : int
        Epochs from one stage to the next.
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        """Count the stages that may train in the epoch that comes."""
        net.unfreeze((len(net.history) - 1) // self.n_epochs)


class ProgressBar(Callback):
    """One tqdm bar over the epochs, with the losses behind it."""

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        self.bar_ = tqdm(
            total=net.max_epochs,
            initial=len(net.history),
            desc="Training",
            unit="epoch",
        )

    def on_epoch_end(self, net, **kwargs):
        """Move it on by one epoch."""
        losses = {
            name: f"{net.history[-1, name]:.3f}"
            for name in ("train_loss", "valid_loss")
            if name in net.history[-1]
        }
        self.bar_.set_postfix(losses)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        """Close it."""
        self.bar_.close()
        del self.bar_

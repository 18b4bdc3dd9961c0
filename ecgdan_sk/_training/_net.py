"""The only file that knows skorch: the net, batches with events, seeds and devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import check_random_state
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.dataset import unpack_data
from skorch.helper import predefined_split
from skorch.utils import to_device, to_tensor
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from .augmentation import crop, mask_leads
from .network import present_leads


class ECGDataset(Dataset):
    """Rows of an array of ECGs with their targets, read a batch at a time.

    Nothing is copied until a batch is asked for, so `signals` may be a memmap.
    """

    def __init__(self, signals, target=None, rows=None) -> None:
        self.signals = signals
        self.rows = np.arange(len(signals)) if rows is None else rows
        # skorch wants a target even where none is used.
        self.target = np.zeros(len(signals), np.float32) if target is None else target

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]):
        rows = self.rows[indices]
        signals = np.ascontiguousarray(self.signals[rows], dtype=np.float32)
        return torch.from_numpy(signals), torch.from_numpy(self.target[rows])


def as_is(batch):
    """A batch is collated already, because `ECGDataset` reads whole batches."""
    return batch


class EventBatchSampler:
    """Shuffled batches of row indices, with the events dealt out evenly."""

    def __init__(self, event, batch_size: int) -> None:
        self.event = np.asarray(event, dtype=bool)
        self.n_batches = max(1, round(len(self.event) / batch_size))

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[int]]:
        deck = torch.randperm(len(self.event)).numpy()
        deck = deck[np.argsort(~self.event[deck], kind="stable")]
        for first in range(self.n_batches):
            yield deck[first :: self.n_batches].tolist()


def event_loader(dataset, batch_size, **kwargs) -> DataLoader:
    """A DataLoader whose batches each hold their share of the events."""
    event = dataset.target[dataset.rows, 0]
    sampler = EventBatchSampler(event, batch_size)
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=as_is, **kwargs)


class ECGNet(NeuralNet):
    """The skorch net behind the estimators.

    It augments training batches, scores the validation part as a whole, because a Cox
    loss is not a mean over batches, and never goes on from a loss that is not finite.

    Parameters
    ----------
    *args, **kwargs
        As for `skorch.NeuralNet`.
    crop : float, default=1.0
        Share of each training ECG that an epoch sees.
    lead_masking : float, default=0.0
        Probability with which training takes a lead for absent.
    max_norm : float, default=5.0
        Norm to which gradients are clipped.
    """

    def __init__(self, *args, crop=1.0, lead_masking=0.0, max_norm=5.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.crop = crop
        self.lead_masking = lead_masking
        self.max_norm = max_norm

    def initialize_module(self):
        """Make the module in the memory format in which convolutions are fastest."""
        super().initialize_module()
        self.module_.to(memory_format=torch.channels_last)
        return self

    def infer(self, x, **fit_params) -> Tensor:
        """Output of the module; in training, of the augmented ECGs."""
        x = to_tensor(x, device=self.device)
        present = present_leads(x)
        if self.module_.training:
            x = crop(x, self.crop)
            present = mask_leads(present, self.lead_masking)
        return self.module_(x, present)

    def train_step_single(self, batch, **fit_params) -> dict:
        """One gradient, refused where the loss is not finite."""
        step = super().train_step_single(batch, **fit_params)
        if not torch.isfinite(step["loss"]):
            raise FloatingPointError(
                f"The training loss became {step['loss'].item()} in epoch "
                f"{len(self.history)}. Lower lr (now {self.lr:g}), and look for ECGs "
                "of extreme amplitude."
            )
        torch.nn.utils.clip_grad_norm_(self.module_.parameters(), self.max_norm)
        return step

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Train over batches; validate over all of the validation part at once."""
        if training or iterator is None:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        output, target = [], []
        for batch in iterator:
            output.append(self.evaluation_step(batch))
            target.append(to_device(unpack_data(batch)[1], self.device))
        loss = self.get_loss(torch.cat(output), torch.cat(target))
        self.history.record(f"{prefix}_loss", loss.item())

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks; one that ends training is no interruption by the user."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as stop:
            stop.by_callback = True
            raise

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train; remember whether the user broke it off."""
        self.interrupted_ = False
        try:
            return super().fit_loop(X, y, epochs, **fit_params)
        except KeyboardInterrupt as stop:
            self.interrupted_ = not getattr(stop, "by_callback", False)
            raise


class ProgressBar(Callback):
    """One tqdm bar over the epochs, with the losses behind it."""

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, desc="Training", unit="epoch")

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


def train_net(
    module,
    criterion,
    dataset: ECGDataset,
    validation: ECGDataset,
    *,
    max_epochs: int,
    batch_size: int,
    lr: float,
    weight_decay: float,
    patience: int,
    callbacks=None,
    verbose: int = 0,
    device: str = "auto",
    **params,
) -> ECGNet:
    """Fit a net with AdamW, warm-up, cosine decay and early stopping."""
    n_batches = len(EventBatchSampler(dataset.target[dataset.rows, 0], batch_size))
    schedule = LRScheduler(
        torch.optim.lr_scheduler.OneCycleLR,
        max_lr=lr,
        total_steps=n_batches * max_epochs + 1,
        pct_start=0.1,
        cycle_momentum=False,
        step_every="batch",
    )
    stopping = EarlyStopping(patience=patience, threshold=0, load_best=True)
    net = ECGNet(
        module,
        criterion,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=weight_decay,
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        train_split=predefined_split(validation),
        iterator_train=event_loader,
        iterator_valid__collate_fn=as_is,
        # Without its own generator a DataLoader draws from torch's global one.
        iterator_valid__generator=torch.Generator(),
        callbacks=[
            ("schedule", schedule),
            ("stopping", stopping),
            *([("progress", ProgressBar())] if verbose else []),
            *deepcopy(callbacks or []),
        ],
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        device=chosen_device(device),
        verbose=0,
        **params,
    )
    net.fit(dataset, None)
    if net.interrupted_ and len(net.history) < 2:
        raise KeyboardInterrupt("No epoch had ended: there are no weights to keep.")
    return net


def encode(net: ECGNet, dataset: ECGDataset) -> np.ndarray:
    """Latent features (n_samples, latent_dim) of a fitted net."""
    net.module_.eval()
    with torch.no_grad():
        batches = [
            net.module_.encoder(to_device(x, net.device)).cpu()
            for x, _ in net.get_iterator(dataset)
        ]
    return torch.cat(batches).numpy()


def chosen_device(device: str) -> str:
    """`device` itself, or for "auto" the fastest that is there."""
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def split_by_event(event, validation_fraction: float, batch_size: int):
    """Rows for training and for validation, with the same share of events."""
    event = np.asarray(event, dtype=bool)
    n_valid_events = round(validation_fraction * event.sum())
    if n_valid_events < 1 or n_valid_events == event.sum():
        raise ValueError(
            f"{event.sum()} events among n_samples={len(event)} cannot be shared "
            f"between training and a validation part of {validation_fraction:g}: both "
            "need one. Collect more events, or change validation_fraction."
        )
    seed = int(torch.randint(2**31 - 1, ()))
    rows = _stratified(event, validation_fraction, seed)
    n_events = event[rows[0]].sum()
    n_batches = len(EventBatchSampler(event[rows[0]], batch_size))
    if n_batches > n_events:
        raise ValueError(
            f"batch_size={batch_size} makes {n_batches} batches of {len(rows[0])} "
            f"training ECGs, but only {n_events} of them had an event, and a batch "
            f"without events teaches nothing. Use batch_size="
            f"{-(-len(rows[0]) // n_events)} or more."
        )
    return rows


def _stratified(event, fraction, seed):
    """The two index arrays; without censored samples there is nothing to stratify."""
    strata = event if min(event.sum(), (~event).sum()) > 1 else np.ones(len(event))
    splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=seed)
    return next(splitter.split(strata, strata))


@contextmanager
def seeded(random_state):
    """Seed torch from `random_state`; the caller's generators stay as they were."""
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield

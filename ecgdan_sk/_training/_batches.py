"""ECGs in batches, each with its share of the events."""

from collections.abc import Iterator
from copy import copy

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ._ranks import ALONE, current


class ECGDataset(Dataset):
    """Rows of an array of ECGs with their targets, read a batch at a time.

    Nothing is copied until a batch is asked for, so `signals` may be a memmap. Of a
    training that is shared, a batch holds the ECGs of this process, and all targets.
    """

    ranks = ALONE

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
        own = rows[self.ranks.part(len(rows))]
        signals = np.ascontiguousarray(self.signals[own], dtype=np.float32)
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
    dataset = copy(dataset)
    dataset.ranks = current()
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=as_is, **kwargs)


def check_batches(event, batch_size: int) -> None:
    """Raise unless each batch of training ECGs can have an event."""
    n_events, n_batches = int(event.sum()), len(EventBatchSampler(event, batch_size))
    if n_batches > n_events:
        raise ValueError(
            f"batch_size={batch_size} makes {n_batches} batches of {len(event)} "
            f"training ECGs, but only {n_events} of them had an event, and a batch "
            f"without events teaches nothing. Use batch_size="
            f"{-(-len(event) // n_events)} or more."
        )

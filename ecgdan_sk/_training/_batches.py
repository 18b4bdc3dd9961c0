"""ECGs in batches, each with its share of the events."""

from collections.abc import Iterator
from copy import copy

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ._blocks import BlockBatchSampler, WindowLoader, blocks_of
from ._ranks import ALONE, current


class ECGDataset(Dataset):
    """Rows of an array of ECGs with their targets, read a batch at a time.

    Nothing is copied before a batch is read, so `signals` may be a memmap. If several
    processes share a training, a batch holds the ECGs of this process and all targets.
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
        own = self.own_rows(indices)
        signals = np.ascontiguousarray(self.signals[own], dtype=np.float32)
        target = self.target[self.rows[indices]]
        return torch.from_numpy(signals), torch.from_numpy(target)

    def own_rows(self, indices):
        """Rows of the ECGs that this process has of a batch."""
        rows = self.rows[indices]
        return rows[self.ranks.part(len(rows))]

    def in_memory(self) -> "ECGDataset":
        """Dataset of the same ECGs in memory."""
        signals = np.asarray(self.signals[self.rows], dtype=np.float32)
        return ECGDataset(signals, self.target[self.rows])


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


def event_loader(dataset, batch_size, **kwargs):
    """Loader of batches that each hold their share of the events.

    ECGs of a folder or a chunked array are read once if one window holds them all.
    """
    event = dataset.target[dataset.rows, 0]
    sampler = EventBatchSampler(event, batch_size)
    is_stored = getattr(dataset.signals, "chunk", None) is not None
    block, n_windows = blocks_of(dataset.signals, dataset.rows)
    dataset = dataset.in_memory() if is_stored and n_windows == 1 else copy(dataset)
    dataset.ranks = current()
    if n_windows == 1:
        return DataLoader(dataset, batch_sampler=sampler, collate_fn=as_is, **kwargs)
    sampler = BlockBatchSampler(event, block, len(sampler), n_windows)
    return WindowLoader(dataset, sampler)


def check_batches(event, batch_size: int) -> None:
    """Raise unless each batch of training ECGs can have an event."""
    n_events, n_batches = int(event.sum()), len(EventBatchSampler(event, batch_size))
    if n_batches > n_events:
        raise ValueError(
            f"batch_size={batch_size} makes {n_batches} batches of {len(event)} "
            f"training ECGs, but only {n_events} of them had an event, and nothing can "
            f"be learned from a batch without events. Use batch_size="
            f"{-(-len(event) // n_events)} or more."
        )

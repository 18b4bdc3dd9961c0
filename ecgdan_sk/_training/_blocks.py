"""Batches of a cohort that does not fit in memory, read in blocks of neighbours.

A recording read by itself costs a disk a seek, an object store a request, and Zarr the
decompression of a whole chunk. So an epoch goes through windows: each holds some
hundred blocks from all over the cohort, is read in the order of the store, and shuffled
as a whole.
"""

from collections.abc import Iterator

import numpy as np
import torch

# Samples in float32: 512 MB are held at a time, and 4 MB read in one go.
_WINDOW, _BLOCK = 2**27, 2**20
# Of fewer, a batch would tell of one corner of the cohort.
_FEWEST_BLOCKS = 16


def blocks_of(signals, rows):
    """Block of each row, and number of windows per epoch.

    One window is enough if it holds all ECGs, or if blocks save no time: for ECGs in
    memory, in separate files, or in the plain memory map of joblib.
    """
    chunk = getattr(signals, "chunk", None)
    if chunk is None:
        return None, 1
    n_samples = max(1, signals.shape[1] * signals.shape[2])
    block_size = chunk * -(-_BLOCK // (n_samples * chunk))
    # What is repeated has blocks of its own, so as not to come twice in a batch.
    place = np.stack([_occurrence(rows), signals.keys[rows] // block_size])
    found, block = np.unique(place, axis=1, return_inverse=True)
    n_windows = -(-len(rows) * n_samples // _WINDOW)
    return block.ravel(), max(1, min(n_windows, found.shape[1] // _FEWEST_BLOCKS))


def _occurrence(rows):
    """Number of earlier occurrences of each row."""
    order = np.argsort(rows, kind="stable")
    counts = np.empty(len(rows), int)
    in_order = rows[order]
    counts[order] = np.arange(len(rows)) - np.searchsorted(in_order, in_order)
    return counts


class BlockBatchSampler:
    """Shuffled batches of row indices, window by window, events dealt out evenly.

    Parameters
    ----------
    event : ndarray of shape (n_rows,)
        Whether the event came.
    block : ndarray of shape (n_rows,)
        Number of the block that each row is read with.
    n_batches, n_windows : int
        How many of them an epoch has.
    """

    def __init__(self, event, block, n_batches: int, n_windows: int) -> None:
        self.event, self.block = np.asarray(event, dtype=bool), block
        self.n_batches, self.n_windows = n_batches, n_windows

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[int]]:
        number = torch.randperm(self.block.max() + 1).numpy()
        window = self._windows(number)
        deck = torch.randperm(len(self.event)).numpy()
        deck = deck[np.argsort(window[self.block[deck]], kind="stable")]
        is_event = self.event[deck]
        parts = self._cut(deck[is_event]), self._cut(deck[~is_event])
        for batch in map(np.concatenate, zip(*parts)):
            # By blocks in random order: processes that share a batch share out those.
            yield batch[np.argsort(number[self.block[batch]], kind="stable")].tolist()

    def _windows(self, number):
        """The window of each block; all have as many blocks with many events."""
        rate = np.bincount(self.block, self.event) / np.bincount(self.block)
        order = np.lexsort((number, -rate))
        # One of each round for each window, at random.
        rounds = np.arange(len(order)) // self.n_windows
        order = order[np.lexsort((number[order], rounds))]
        window = np.empty(len(order), int)
        window[order] = np.arange(len(order)) % self.n_windows
        return window

    def _cut(self, deck):
        """As many consecutive parts as there are batches, of equal sizes but for one.

        The larger ones lie among the others, so that events and the rest keep step.
        """
        return np.split(
            deck, np.arange(1, self.n_batches) * len(deck) // self.n_batches
        )


class WindowLoader:
    """Batches of a dataset, which is read window by window.

    Parameters
    ----------
    dataset : ECGDataset
        ECGs in a store.
    sampler : BlockBatchSampler
        Indices of the batches.
    """

    def __init__(self, dataset, sampler) -> None:
        self.dataset, self.sampler = dataset, sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self):
        batches, n = list(self.sampler), -(-len(self.sampler) // self.sampler.n_windows)
        for first in range(0, len(batches), n):
            yield from self._window(batches[first : first + n])

    def _window(self, batches):
        """The batches of a window, whose rows are read in the order of the store."""
        own = [self.dataset.own_rows(indices) for indices in batches]
        signals = self.dataset.signals
        rows = np.unique(np.concatenate(own))
        rows = rows[np.argsort(signals.keys[rows], kind="stable")]
        held = np.asarray(signals[rows], dtype=np.float32)
        place = np.empty(len(signals), np.intp)
        place[rows] = np.arange(len(rows))
        for indices, of_batch in zip(batches, own):
            target = self.dataset.target[self.dataset.rows[indices]]
            yield torch.from_numpy(held[place[of_batch]]), torch.from_numpy(target)

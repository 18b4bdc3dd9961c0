"""Batches from stores larger than memory: shuffled, balanced, and read in blocks."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._training import ECGDataset, _blocks, seeded
from ecgdan_sk._training._batches import EventBatchSampler, event_loader
from ecgdan_sk._training._blocks import BlockBatchSampler, WindowLoader, blocks_of
from ecgdan_sk._training._ranks import Alone
from ecgdan_sk.architectures import Compact
from ecgdan_sk.records import ECGRecords

N_SAMPLES, SHAPE, CHUNK = 1200, (2, 20), 5


class Chunked:
    """An array in chunks that counts how often each is read, as Zarr decodes them."""

    def __init__(self, array):
        self.array, self.read, self.oindex = array, Counter(), self
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.chunks, self.largest = (CHUNK, *array.shape[1:]), 0

    def __getitem__(self, index):
        index = index[0] if isinstance(index, tuple) else index
        rows = np.arange(len(self.array))[index]
        self.read.update(np.unique(rows // CHUNK).tolist())
        self.largest = max(self.largest, rows.size)
        return self.array[rows]


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 200 ECGs, blocks of 10."""
    monkeypatch.setattr(_blocks, "_WINDOW", 200 * 40)
    monkeypatch.setattr(_blocks, "_BLOCK", 10 * 40)


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return 0.2 * rng.standard_normal((N_SAMPLES, *SHAPE)).astype(np.float32)


def target_of(n_samples, by_event):
    """A tenth has an event; if asked, all of them lie side by side."""
    event = np.arange(n_samples) % 10 == 0
    event = np.sort(event) if by_event else event
    return np.column_stack([event, np.arange(n_samples)]).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    event=st.lists(st.booleans(), min_size=40, max_size=300),
    block_size=st.integers(1, 9),
    n_batches=st.integers(1, 12),
    n_windows=st.integers(2, 5),
)
def test_an_epoch_has_each_row_once_and_events_in_equal_shares(
    event, block_size, n_batches, n_windows
):
    block = np.arange(len(event)) // block_size
    sampler = BlockBatchSampler(event, block, n_batches, min(n_windows, block.max()))
    with seeded(0):
        batches = list(sampler)
    assert sorted(sum(batches, [])) == list(range(len(event)))
    usual = list(EventBatchSampler(event, len(event) / n_batches))
    n_events = [sorted(sum(event[i] for i in b) for b in bs) for bs in (batches, usual)]
    assert n_events[0] == n_events[1]
    assert np.ptp([len(batch) for batch in batches]) <= 2


@pytest.mark.parametrize("by_event", [False, True])
def test_chunks_are_read_once_in_an_epoch_not_once_for_each_ecg(
    X, small_windows, by_event
):
    counts, target = {}, target_of(N_SAMPLES, by_event)
    for way in ("blocks", "single"):
        store = Chunked(X)
        records = ECGRecords(store, 100, leads=("I", "II"))
        dataset = ECGDataset(records.signals, target)
        loader = event_loader(dataset, 40)
        assert isinstance(loader, WindowLoader)
        if way == "single":
            sampler = EventBatchSampler(target[:, 0], 40)
            loader = map(dataset.__getitems__, sampler)
        store.read.clear()
        seen = [ecgs.numpy() for ecgs, _ in loader]
        counts[way] = sum(store.read.values()) / (N_SAMPLES / CHUNK)
        assert np.concatenate(seen).sum() == pytest.approx(X.sum(), rel=1e-3)
        if way == "blocks":
            assert store.largest <= 1.3 * 200
    assert counts["blocks"] < 1.4
    assert counts["single"] > 4


def test_a_batch_comes_from_all_over_the_cohort(X, small_windows):
    signals = ECGRecords(Chunked(X), 100, leads=("I", "II")).signals
    with seeded(0):
        batches = list(event_loader(ECGDataset(signals, target_of(1200, True)), 40))
        again = list(event_loader(ECGDataset(signals, target_of(1200, True)), 40))
    places = [target[:, 1] for _, target in batches]
    n_blocks = [len(np.unique(place // 10)) for place in map(np.asarray, places)]
    # Of 20 blocks in a window, some are missed by chance.
    assert min(n_blocks) >= 12
    assert not torch.equal(places[0], again[0][1][:, 1])
    for ecgs, target in batches:
        np.testing.assert_array_equal(ecgs, X[target[:, 1].int()])


def test_processes_share_out_the_blocks_of_a_batch(X, small_windows):
    class Half(Alone):
        n_ranks = 2

        def part(self, n_rows):
            return slice(self.rank * n_rows // 2, (self.rank + 1) * n_rows // 2)

    reads = []
    for rank in range(2):
        store, ranks = Chunked(X), Half()
        ranks.rank = rank
        signals = ECGRecords(store, 100, leads=("I", "II")).signals
        with seeded(0):
            loader = event_loader(ECGDataset(signals, target_of(1200, False)), 40)
            loader.dataset.ranks = ranks
            store.read.clear()
            assert sum(len(ecgs) for ecgs, _ in loader) == 600
        reads.append(sum(store.read.values()) / (N_SAMPLES / CHUNK))
    assert max(reads) < 0.85


def test_what_comes_twice_comes_in_different_blocks(X, small_windows):
    signals = ECGRecords(Chunked(X), 100, leads=("I", "II")).signals
    block, n_windows = blocks_of(signals, np.resize(np.arange(900), 1500))
    assert n_windows == 8
    assert not set(block[:600]) & set(block[900:])


def test_one_window_and_plain_arrays_are_shuffled_as_a_whole(X, tmp_path):
    np.save(tmp_path / "x.npy", X)
    kinds = (
        X,
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        Chunked(X),
        ECGRecords.open(
            ECGRecords(X, 100, leads=("I", "II")).save(tmp_path / "x", "float32")
        ),
    )
    found = []
    for kind in kinds:
        leads = ("I", "II")
        records = kind if isinstance(kind, ECGRecords) else ECGRecords(kind, 100, leads)
        with seeded(0):
            loader = event_loader(ECGDataset(records.signals, target_of(1200, 0)), 40)
            found.append(torch.cat([ecgs for ecgs, _ in loader]))
    assert all(torch.equal(one, found[0]) for one in found)


def test_a_fit_on_windows_is_as_good_as_one_in_memory(X, small_windows, tmp_path):
    rng = np.random.default_rng(1)
    risk = rng.standard_normal(N_SAMPLES).astype(np.float32)
    X = X * np.exp(risk / 2)[:, None, None]
    time = rng.exponential(np.exp(-3 * risk)) + 0.01
    y = Surv.from_arrays(rng.random(N_SAMPLES) < 0.5, time)
    in_memory = ECGRecords(X, 100, leads=("I", "II"))
    whole = ECGRecords.open(in_memory.save(tmp_path / "whole"))
    parts = ECGRecords.open(in_memory.save(tmp_path / "parts", part_size=500))
    model = DualAttentionSurvival(
        architecture=Compact(n_channels=4),
        n_members=1,
        max_epochs=2,
        batch_size=100,
        lr=0.03,
        random_state=0,
    )
    risks = [model.fit(kind, y).predict(in_memory[:9]) for kind in (whole, parts)]
    np.testing.assert_array_equal(*risks)
    score = model.score(in_memory, y)
    assert score > 0.6
    assert abs(model.fit(in_memory, y).score(in_memory, y) - score) < 0.05

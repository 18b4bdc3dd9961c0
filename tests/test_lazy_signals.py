"""Signals that are not in memory: what numpy would do, read a batch at a time."""

import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sksurv.util import Surv
from torch.utils.data import DataLoader

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._training import ECGDataset
from ecgdan_sk.architectures import Compact
from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.preprocessing import (
    BandPass,
    LeadScaler,
    MedianBeat,
    Resample,
    SignalQuality,
    Window,
)
from ecgdan_sk.records import LEADS, ECGRecords, LazySignals, _lazy
from ecgdan_sk.records._lazy import SignalView
from ecgdan_sk.records._signal_checks import check_ecg, check_training_ecg

N_SAMPLES = 40


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Seven recordings of 12 x 300 in each part, so that there are several."""
    monkeypatch.setattr(_lazy, "_PART", 7 * 12 * 300)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    X = 0.2 * rng.standard_normal((N_SAMPLES, 12, 300)).astype(np.float32)
    X[3, 5] = np.nan
    return X


@pytest.fixture(scope="module")
def y():
    rng = np.random.default_rng(1)
    return Surv.from_arrays(np.arange(N_SAMPLES) % 3 == 0, rng.random(N_SAMPLES) + 0.1)


def row_of(X, key):
    return X[key[1]]


def in_files(X, tmp_path):
    return LazySignals(
        partial(row_of, X), [("row", i) for i in range(len(X))], X[0].shape
    )


def mapped(X, tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def in_zarr(X, tmp_path):
    zarr = pytest.importorskip("zarr")
    store = zarr.open(
        tmp_path / "x.zarr", mode="w", shape=X.shape, chunks=(4, 12, 300), dtype="f4"
    )
    store[:] = X
    return store


def behind_leads_last(X, tmp_path):
    """As CODE-15 has it: times before leads."""
    np.save(tmp_path / "t.npy", X.transpose(0, 2, 1))
    return np.load(tmp_path / "t.npy", mmap_mode="r").transpose(0, 2, 1)


def fortran(X, tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(X))
    return np.load(tmp_path / "f.npy", mmap_mode="r")


@pytest.fixture(params=[in_files, mapped, in_zarr, behind_leads_last, fortran])
def lazy(request, X, tmp_path):
    return ECGRecords(request.param(X, tmp_path), 100, ids=np.arange(len(X)))


@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(30, 2, -3),
        [5, 0, -1, 5],
        np.arange(10, 30),
        np.arange(N_SAMPLES) % 2 == 0,
        (np.array([2]), ...),
    ],
)
def test_rows_are_those_of_the_array(lazy, X, index):
    rows = index[0] if isinstance(index, tuple) else index
    part = lazy[index]
    assert isinstance(part.signals, SignalView)
    assert part.shape == X[rows].shape
    np.testing.assert_array_equal(np.asarray(part), X[rows])
    np.testing.assert_array_equal(np.asarray(part[1:]), X[rows][1:])
    assert np.asarray(part).dtype == np.float32


def test_one_position_reads_that_recording(lazy, X):
    np.testing.assert_array_equal(lazy.signals[-2], X[-2])
    np.testing.assert_array_equal(list(lazy.signals[5:20]), X[5:20])
    with pytest.raises(IndexError):
        lazy.signals[N_SAMPLES]
    with pytest.raises(IndexError, match=r"np.asarray\(signals\[rows\]\)"):
        lazy.signals[:, 0]


def test_leads_are_selected_without_reading(lazy, X):
    chosen = lazy.select_leads(["V6", "Z", "I"]).select_leads(["I", "II", "V6"])
    assert isinstance(chosen.signals, SignalView)
    read = np.asarray(chosen[[3, 1]])
    np.testing.assert_array_equal(read[:, [0, 2]], X[[3, 1]][:, [0, 11]])
    assert np.isnan(read[:, 1]).all()


def test_pickles_hold_no_samples(X, tmp_path):
    for signals in (mapped(X, tmp_path), mapped(X, tmp_path)[4:30:2]):
        lazy = ECGRecords(signals)
        pickled = pickle.dumps(lazy[::-1])
        assert len(pickled) < 3000 < X.nbytes
        np.testing.assert_array_equal(pickle.loads(pickled), signals[::-1])


def test_pickles_of_all_kinds_read_the_same(lazy, X):
    again = pickle.loads(pickle.dumps(lazy[5:9]))
    np.testing.assert_array_equal(again, X[5:9])


def test_copy_on_write_maps_show_what_was_written(X, tmp_path):
    np.save(tmp_path / "x.npy", X)
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[1] = 7
    assert (np.asarray(ECGRecords(private)[[1]]) == 7).all()


def test_joblib_memmaps_become_views(X, tmp_path):
    records = ECGRecords(X)
    state = {**records.__dict__, "signals": mapped(X, tmp_path)}
    records.__setstate__(state)
    assert isinstance(records.signals, SignalView)


def test_nothing_is_read_until_it_is_asked_for(X):
    read = []

    def watched(key):
        read.append(key)
        return X[key]

    records = ECGRecords(LazySignals(watched, range(N_SAMPLES), X[0].shape), 100)
    train, test = train_test_split(records, test_size=6, random_state=0)
    part = train.select_leads(LEADS[:3])[5:8]
    part = BandPass().fit_transform(part.select_leads(LEADS[:2]))
    assert len(read) == 1  # the length after filtering
    np.asarray(part[[2]])
    assert len(read) == 2
    assert repr(test.signals) == "SignalView(shape=(6, 12, 300), dtype=float32)"


def test_a_recording_of_another_length_is_named():
    signals = LazySignals(lambda n: np.zeros((12, n)), [100, 101], (12, 100))
    with pytest.raises(ValueError, match=r"recording 101 has the shape \(12, 101\)"):
        np.asarray(signals)
    with pytest.raises(ValueError, match=r"\(n_leads, n_times\) of one recording"):
        LazySignals(lambda n: np.zeros((12, n)), [100], (1, 12, 100))


def test_a_file_cut_short_is_an_error(X, tmp_path):
    records = ECGRecords(mapped(X, tmp_path))
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(12 * 300 * 4 * 20)
    assert np.asarray(records[:19]).shape[0] == 19
    with pytest.raises(ValueError, match="ends within recording 25"):
        np.asarray(records[[2, 25]])


@given(
    stored=arrays(np.int16, array_shapes(min_dims=3, max_dims=3)),
    scale=st.floats(2**-20, 2**10, width=32),
)
@settings(max_examples=50, deadline=None)
def test_integers_with_a_scale_are_read_in_mv(stored, scale):
    read = np.asarray(ECGRecords(stored, leads=range(stored.shape[1]), scale=scale))
    missing = stored == np.iinfo(np.int16).min
    assert read.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(read), missing)
    np.testing.assert_allclose(read[~missing], stored[~missing] * scale, rtol=1e-6)


def test_integers_without_a_scale_may_lack_leads(tmp_path):
    counts = mapped(np.ones((3, 12, 300), np.int32), tmp_path)
    read = np.asarray(ECGRecords(counts).select_leads(["I", "Z"]))
    assert np.isnan(read[:, 1]).all()
    assert (read[:, 0] == 1).all()


def test_each_recording_has_its_scale(X):
    records = ECGRecords(X * 1000, scale=np.where(np.arange(N_SAMPLES) < 20, 1e-3, 1))
    np.testing.assert_allclose(records.signals[2], X[2], rtol=1e-5)
    np.testing.assert_allclose(records[::-1].signals[0], X[-1] * 1000, rtol=1e-5)
    with pytest.raises(ValueError, match="lazy signals are read in mV"):
        ECGRecords(records.signals, scale=2.0)


@pytest.mark.parametrize(
    ("row", "lead", "value", "message"),
    [
        (33, 7, np.nan, r"in part of a lead, in 1 of 40 .* X\[33, 7\]"),
        (12, slice(None), np.nan, r"1 of 40 recordings have no lead .* X\[12\]"),
        (slice(None), 2, np.nan, r"Lead III is absent"),
        (slice(None), 2, 0.5, r"Lead III is constant or absent"),
    ],
)
def test_what_is_wrong_is_said_as_of_an_array(X, tmp_path, row, lead, value, message):
    bad = X.copy()
    bad[row, lead, slice(9, 10) if "part" in message else slice(None)] = value
    for signals in (bad, ECGRecords(mapped(bad, tmp_path)).signals):
        with pytest.raises(ValueError, match=message):
            check_training_ecg(signals, LEADS)


def test_checked_signals_stay_where_they_are(lazy):
    assert check_ecg(lazy.signals) is lazy.signals
    with pytest.raises(ValueError, match="0 sample"):
        check_ecg(lazy[:0].signals)


@pytest.mark.parametrize(
    "transformer",
    [
        Resample(50),
        BandPass(),
        Window(200),
        Window(200, position="random", random_state=0),
        LeadScaler(),
        MedianBeat(on_error="warn"),
        SignalQuality(),
        make_pipeline(Resample(200), LeadScaler("zscore")),
    ],
    ids=lambda t: type(t).__name__,
)
@pytest.mark.filterwarnings("ignore:No heart beat:UserWarning")
def test_transformers_give_what_they_give_in_memory(X, tmp_path, transformer):
    expected = transformer.fit_transform(ECGRecords(X, 100))
    lazy = ECGRecords(mapped(X, tmp_path), 100, patient_ids=range(N_SAMPLES))
    found = transformer.fit_transform(lazy)
    assert found.sampling_rate == expected.sampling_rate
    assert found.patient_ids.tolist() == list(range(N_SAMPLES))
    np.testing.assert_array_equal(found, expected)
    rows = [30, 2, 3]
    again = pickle.loads(pickle.dumps(found[rows]))
    np.testing.assert_allclose(again, expected.signals[rows], atol=1e-6)


def test_a_transformer_of_a_memory_map_gives_an_array(X, tmp_path):
    found = LeadScaler("fixed", scale=2.0).fit_transform(mapped(X, tmp_path))
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, X / np.float32(2))


def test_a_bad_recording_is_named_when_it_is_transformed(X, tmp_path):
    bad = X.copy()
    bad[21, 0, 5] = np.inf
    filtered = BandPass().fit_transform(ECGRecords(mapped(bad, tmp_path), 100))
    np.asarray(filtered[:14])
    with pytest.raises(ValueError, match=r"X is a batch of the recordings 20, 21\."):
        np.asarray(filtered[[20, 21]])


def test_quality_and_measurements_read_parts(lazy, X):
    in_memory = ECGRecords(X, 100)
    for method in ("score_records", "issues"):
        np.testing.assert_array_equal(
            getattr(SignalQuality(), method)(lazy),
            getattr(SignalQuality(), method)(in_memory),
        )
    measurements = ECGMeasurements()
    np.testing.assert_array_equal(
        measurements.fit_transform(lazy[:5]), measurements.fit_transform(in_memory[:5])
    )


@pytest.fixture
def model():
    return DualAttentionSurvival(
        architecture=Compact(n_channels=4),
        n_members=1,
        max_epochs=1,
        batch_size=20,
        random_state=0,
    )


def test_the_network_learns_the_same_bit_for_bit(lazy, X, y, model):
    in_memory = ECGRecords(X, 100)
    expected = model.fit(in_memory, y).predict(in_memory)
    np.testing.assert_array_equal(model.fit(lazy, y).predict(lazy), expected)
    fewer = lazy.select_leads(LEADS[::2]).select_leads(LEADS)
    np.testing.assert_array_equal(
        model.predict(fewer),
        model.predict(in_memory.select_leads(LEADS[::2]).select_leads(LEADS)),
    )


def test_fit_and_predict_hold_no_more_than_parts(X, y, model, monkeypatch):
    largest = []
    read = SignalView._read
    records = ECGRecords(
        LazySignals(partial(row_of, X), enumerate(range(N_SAMPLES)), X[0].shape)
    )

    def watched(view, keys):
        largest.append(len(keys))
        return read(view, keys)

    monkeypatch.setattr(SignalView, "_read", watched)
    model.set_params(batch_size=7).fit(records, y).predict(records)
    # One in 256 of the recordings tells the amplitude: here all, in parts.
    assert max(largest) <= 7


def test_predictions_read_as_often_for_three_networks_as_for_one(X, y, model):
    def n_reads(n_members):
        read = []
        model.set_params(n_members=n_members).fit(X, y)
        signals = LazySignals(
            lambda key: read.append(key) or X[key], range(N_SAMPLES), X[0].shape
        )
        np.testing.assert_array_equal(model.predict(signals), model.predict(X))
        return len(read)

    assert n_reads(3) == n_reads(1)


def test_parts_of_few_leads_read_no_more_at_a_time(X, tmp_path):
    signals = ECGRecords(mapped(X, tmp_path)).select_leads(["V1"]).signals
    parts = list(signals.parts())
    assert max(map(len, parts)) == 7
    np.testing.assert_array_equal(np.concatenate(parts), X[:, [6]])
    np.testing.assert_array_equal(np.asarray(signals), X[:, [6]])


def test_model_selection_takes_views(X, y, tmp_path, model):
    records = ECGRecords(mapped(X, tmp_path), 100)
    pipeline = make_pipeline(Window(200), FunctionTransformer(), model)
    assert len(cross_val_score(pipeline, records, y, cv=2)) == 2
    search = GridSearchCV(model, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=2)
    assert len(search.fit(records, y).cv_results_["params"]) == 2


def test_workers_read_the_same(lazy, X):
    loader = DataLoader(
        ECGDataset(lazy.signals),
        batch_size=9,
        num_workers=1,
        collate_fn=lambda batch: batch,
    )
    batches = [batch.numpy() for batch, _ in loader]
    np.testing.assert_array_equal(np.concatenate(batches), X)

"""A folder of ECGRecords: what is saved is read back, and nothing else is."""

import contextlib
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgdan_sk.records import ECGRecords, LazySignals, _lazy
from ecgdan_sk.records._lazy import SignalView

pytest.importorskip("pyarrow")


@pytest.fixture
def records():
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 0.5, (6, 12, 50)).astype(np.float32)
    signals[2, 3] = np.nan
    return ECGRecords(
        signals,
        sampling_rate=100,
        covariates=pd.DataFrame(
            {"age": [60.0, np.nan, 70, 80, 90, 50], "site": list("aabbcc")},
            index=pd.Index([f"r{i}" for i in range(6)], name="ecg"),
        ),
        ids=[f"r{i}" for i in range(6)],
        patient_ids=[0, 0, 1, 1, 2, 2],
    )


@pytest.mark.parametrize(
    ("dtype", "largest_error"), [("int16", 5e-4), ("float16", 1e-3), ("float32", 0)]
)
def test_round_trip(records, tmp_path, dtype, largest_error):
    assert records.save(tmp_path / "cohort", dtype) == tmp_path / "cohort"
    again = ECGRecords.open(tmp_path / "cohort")
    assert isinstance(again.signals, SignalView)
    assert again.dtype == (np.float16 if dtype == "float16" else np.float32)
    np.testing.assert_allclose(again, records.signals, atol=largest_error, rtol=0)
    pd.testing.assert_frame_equal(again.covariates, records.covariates)
    np.testing.assert_array_equal(again.ids, records.ids)
    np.testing.assert_array_equal(again.patient_ids, records.patient_ids)
    assert (again.sampling_rate, again.leads) == (100, records.leads)
    assert len(pickle.dumps(again.signals)) < 3000


def test_records_of_signals_alone_need_no_table(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    X = np.zeros((2, 3, 50))
    ECGRecords(X, leads=["I", "II", "X"]).save(tmp_path / "few")
    again = ECGRecords.open(tmp_path / "few")
    assert (again.leads, again.sampling_rate, again.ids) == (
        ("I", "II", "X"),
        None,
        None,
    )
    assert not np.asarray(again).any()
    with pytest.raises(ImportError, match=r"ecgdan-sk\[storage\]"):
        ECGRecords(X, leads=["I", "II", "X"], ids=[1, 2]).save(tmp_path / "more")
    assert [path.name for path in tmp_path.iterdir()] == ["few"]


def test_whole_microvolts_are_kept_exactly(tmp_path):
    rng = np.random.default_rng(0)
    microvolts = rng.integers(-5000, 5000, (4, 12, 500))
    microvolts[1] *= 6
    X = microvolts.astype(np.float32) * np.float32(0.001)
    ECGRecords(X).save(tmp_path / "x")
    np.testing.assert_array_equal(ECGRecords.open(tmp_path / "x"), X)


@given(
    arrays(
        np.float32,
        (2, 12, 20),
        elements=st.floats(-32, 32, width=32) | st.just(float("nan")),
    )
)
@settings(max_examples=60, deadline=None)
def test_int16_is_off_by_half_a_microvolt_at_most(tmp_path_factory, X):
    path = tmp_path_factory.mktemp("int16") / "x"
    ECGRecords(X).save(path)
    read = np.asarray(ECGRecords.open(path))
    np.testing.assert_allclose(read, X, atol=5.1e-4, rtol=0)
    peak = np.nanmax(np.abs(np.nan_to_num(X)))
    if peak < 8:
        np.testing.assert_allclose(read, X, atol=1.3e-4, rtol=0)


def test_lazy_records_are_written_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(_lazy, "_PART", 3 * 12 * 50)
    n_read = []

    def read(key):
        n_read.append(key)
        return np.full((12, 50), key / 100, np.float32)

    records = ECGRecords(LazySignals(read, range(10), (12, 50)))
    records[::-1].save(tmp_path / "x", "float32")
    assert n_read == list(range(10))[::-1]
    again = ECGRecords.open(tmp_path / "x")
    np.testing.assert_allclose(again.signals[0], 0.09)


def test_nothing_is_overwritten_and_nothing_is_left_behind(records, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="left as it is"):
        records.save(tmp_path / "mine")
    with pytest.raises(ValueError, match="dtype must be one of int16"):
        records.save(tmp_path / "x", "int8")
    records.signals[4, 0, 0] = np.inf
    with pytest.raises(ValueError, match="Recording 4 holds a value beyond"):
        records.save(tmp_path / "x")
    records.signals[4, 0, 0] = 1e5
    with pytest.raises(ValueError, match="65504 mV, which float16 does not keep"):
        records.save(tmp_path / "x", "float16")
    records.covariates["mixed"] = ["a", 1, None, 2.0, "b", {}]
    with pytest.raises(ValueError, match="cannot be written as a table"):
        records.save(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def edit_manifest(**changes):
    def edit(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest.update(changes)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return edit


def truncate(name, n_bytes):
    def edit(folder):
        with open(folder / name, "r+b") as file:
            file.truncate(n_bytes)

    return edit


def replace(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def pickled_signals(folder):
    np.save(folder / "signals.npy", np.array([{}] * 6, object), allow_pickle=True)


def shorter_table(folder):
    pd.DataFrame({"__id__": [1]}).to_parquet(folder / "table.parquet")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no manifest.json"),
        (replace("manifest.json", b"{"), "is not JSON"),
        (replace("manifest.json", b"\xff\xfe"), "is not JSON"),
        (replace("manifest.json", b"[" * 10**5), "is not JSON"),
        (replace("manifest.json", b"[1]"), "not written by ECGRecords.save"),
        (edit_manifest(format="zarr"), "not written by ECGRecords.save"),
        (edit_manifest(version=2), "format version 2; this release reads version 1"),
        (edit_manifest(path="../../etc"), "impossible entries: path"),
        (edit_manifest(shape=[6, 12]), "impossible entries: shape"),
        (edit_manifest(shape=[6, 12, -1]), "impossible entries: shape"),
        (edit_manifest(shape=[6, 12, 10**9]), "manifest says int16 of shape"),
        (edit_manifest(shape="6"), "impossible entries: shape"),
        (edit_manifest(dtype="object"), "impossible entries: dtype"),
        (edit_manifest(dtype="float16"), "but the manifest says float16"),
        (edit_manifest(table=["../x"]), "impossible entries: table"),
        (edit_manifest(table=[{}]), "impossible entries: table"),
        (edit_manifest(leads=["I"]), "Expected 12 distinct lead names"),
        (edit_manifest(sampling_rate="fast"), "impossible entries: sampling_rate"),
        (edit_manifest(sampling_rate=-1), "positive sampling rate"),
        (truncate("signals.npy", 1000), "cut short"),
        (truncate("signals.npy", 0), "cut short"),
        (truncate("table.parquet", 500), "missing or damaged"),
        (truncate("scale.npy", 100), "cut short"),
        (lambda folder: (folder / "scale.npy").unlink(), "scale.npy is missing"),
        (lambda folder: (folder / "table.parquet").unlink(), "missing or damaged"),
        (pickled_signals, "no plain array"),
        (shorter_table, "1 rows, but there are 6 recordings"),
    ],
)
def test_damage_is_named(records, tmp_path, damage, message):
    folder = records.save(tmp_path / "x")
    damage(folder)
    with pytest.raises(ValueError, match=message):
        ECGRecords.open(folder)


def test_more_than_the_header_says(records, tmp_path):
    folder = records.save(tmp_path / "x")
    with open(folder / "signals.npy", "ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="longer than its header says"):
        ECGRecords.open(folder)
    with pytest.raises(ValueError, match="has no manifest.json"):
        ECGRecords.open(tmp_path)


@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize(
    "name", ["signals.npy", "scale.npy", "table.parquet", "manifest.json"]
)
def test_any_changed_bytes_give_records_or_a_value_error(records, tmp_path, name, data):
    folder = tmp_path / "x"
    if not folder.exists():
        records.save(folder)
        shutil.copytree(folder, tmp_path / "whole")
    content = bytearray((tmp_path / "whole" / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, min(len(content), 4000) - 1))
        content[where] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(content)
    with contextlib.suppress(ValueError):
        assert np.asarray(ECGRecords.open(folder)).shape[0] <= 6

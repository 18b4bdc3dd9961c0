"""A folder of ECGRecords: what is saved is read back, and nothing else is."""

import contextlib
import errno
import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgdan_sk._tensor_files import replacing, write_tensors
from ecgdan_sk.records import ECGRecords, LazySignals, _lazy, _manifest, _sources
from ecgdan_sk.records._lazy import SignalView

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


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


MANIFEST = "manifest.json"


def resign(folder, **changes):
    """What a forger would do, or one who damages a folder before its digests."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.update(changes)
    for name in manifest["files"]:
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            manifest["files"][name] = _manifest.digest(content)
    del manifest["digest"]
    manifest["digest"] = _manifest._digest_of(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edit_manifest(**changes):
    return lambda folder: resign(folder, **changes)


def truncate(name, n_bytes):
    def edit(folder):
        with open(folder / name, "r+b") as file:
            file.truncate(n_bytes)

    return edit


def replace(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def pickled_signals(folder):
    size = (folder / "signals.npy").stat().st_size
    np.save(folder / "signals.npy", np.array([{}] * 6, object), allow_pickle=True)
    truncate("signals.npy", size)(folder)


def pickled_scale(folder):
    np.save(folder / "scale.npy", np.array([{}] * 6, object), allow_pickle=True)
    resign(folder)


def shorter_table(folder):
    pd.DataFrame({"__id__": [1]}).to_parquet(folder / "table.parquet")
    resign(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no manifest.json"),
        (replace("manifest.json", b"{"), "is not JSON"),
        (replace("manifest.json", b"\xff\xfe"), "is not JSON"),
        (replace("manifest.json", b"[" * 10**5), "is not JSON"),
        (replace("manifest.json", b"[1]"), "not written by ECGRecords.save"),
        (edit_manifest(format="zarr"), "not written by ECGRecords.save"),
        (edit_manifest(version=3), "format version 3; this release reads version 2"),
        (edit_manifest(path="../../etc"), "impossible entries: path"),
        (edit_manifest(leads=[1] * 12), "impossible entries: leads"),
        (edit_manifest(files=[]), "impossible entries: files"),
        (edit_manifest(shape=[2**28, 0, 0]), "impossible entries: shape"),
        (edit_manifest(sampling_rate=True), "impossible entries: sampling_rate"),
        (edit_manifest(sampling_rate=1e308), "positive sampling rate in Hz, up to"),
        (replace("manifest.json", b" " * 2**20 + b"{}"), "more than 1048576 bytes"),
        (replace("manifest.json", b'{"a":' * 10**4), "is not JSON"),
        (edit_manifest(shape=[6, 12]), "impossible entries: shape"),
        (edit_manifest(shape=[6, 12, -1]), "impossible entries: shape"),
        (edit_manifest(shape=[6, 12, 10**9]), "bytes of int16 of shape"),
        (edit_manifest(shape="6"), "impossible entries: shape"),
        (edit_manifest(dtype="object"), "impossible entries: dtype"),
        (edit_manifest(dtype="float16"), "but the manifest says float16"),
        (edit_manifest(dtype="float32"), "cut short"),
        (edit_manifest(table=["../x"]), "impossible entries: table"),
        (edit_manifest(table=[{}]), "impossible entries: table"),
        (edit_manifest(leads=["I"]), "Expected 12 distinct lead names"),
        (edit_manifest(sampling_rate="fast"), "impossible entries: sampling_rate"),
        (edit_manifest(sampling_rate=-1), "positive sampling rate"),
        (truncate("signals.npy", 1000), "cut short"),
        (truncate("signals.npy", 0), "cut short"),
        (truncate("table.parquet", 500), "its digest is not that of the manifest"),
        (truncate("digests.npy", 100), "its digest is not that of the manifest"),
        (truncate("scale.npy", 100), "cut short"),
        (lambda folder: (folder / "scale.npy").unlink(), "scale.npy is missing"),
        (lambda folder: (folder / "digests.npy").unlink(), "digests.npy is missing"),
        (lambda folder: (folder / "table.parquet").unlink(), "parquet is missing"),
        (pickled_signals, "no plain array"),
        (pickled_scale, "no plain array"),
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
    with pytest.raises(ValueError, match="the manifest says int16 of shape"):
        ECGRecords.open(folder)
    with pytest.raises(ValueError, match="has no manifest.json"):
        ECGRecords.open(tmp_path)


def assert_same(found, expected):
    """Two records say the same."""
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.patient_ids, expected.patient_ids)
    pd.testing.assert_frame_equal(found.covariates, expected.covariates)
    assert (found.leads, found.sampling_rate) == (expected.leads, 100)


@pytest.mark.parametrize(
    "name", ["signals.npy", "scale.npy", "digests.npy", "table.parquet", MANIFEST]
)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_no_flipped_bit_gives_wrong_data_in_silence(records, tmp_path, name, dtype):
    folder = records.save(tmp_path / "x", dtype)
    if not (folder / name).exists():
        pytest.skip("float32 has no scale")
    expected, content = ECGRecords.open(folder), (folder / name).read_bytes()
    np.asarray(expected)
    rng, n_refused = np.random.default_rng(0), 0
    for where in rng.integers(0, 8 * len(content), 200):
        damaged = bytearray(content)
        damaged[where // 8] ^= 1 << where % 8
        (folder / name).write_bytes(damaged)
        try:
            assert_same(ECGRecords.open(folder), expected)
        except ValueError:
            n_refused += 1
    assert n_refused > 150


def flip_a_sample(folder, row):
    content = bytearray((folder / "signals.npy").read_bytes())
    content[-1 - (5 - row) * 12 * 50 * 2] ^= 1
    (folder / "signals.npy").write_bytes(content)


def test_recordings_are_verified_when_they_are_first_read(records, tmp_path):
    folder = records.save(tmp_path / "x")
    whole = np.asarray(ECGRecords.open(folder))
    flip_a_sample(folder, 3)
    found = ECGRecords.open(folder)
    np.testing.assert_array_equal(found[[0, 4]], whole[[0, 4]])
    for _ in range(2):
        with pytest.raises(ValueError, match="Recording 3 in .* not as it was saved"):
            np.asarray(found)
    with pytest.raises(ValueError, match="Recording 3 in"):
        np.asarray(pickle.loads(pickle.dumps(found))[3:])
    with pytest.raises(ValueError, match="Recording 3 in"):
        ECGRecords.open(folder, verify="at-once")
    unverified = np.asarray(ECGRecords.open(folder, verify="never"))
    assert (unverified != whole)[~np.isnan(whole)].sum() == 1
    with pytest.raises(ValueError, match="verify must be one of on-read"):
        ECGRecords.open(folder, verify=True)


def test_each_recording_is_hashed_once(records, tmp_path, monkeypatch):
    hashed = []
    digest = _sources.row_digest
    monkeypatch.setattr(
        _sources, "row_digest", lambda row: hashed.append(1) or digest(row)
    )
    found = ECGRecords.open(records.save(tmp_path / "x"))
    for _ in range(3):
        np.asarray(found[[0, 1, 2]])
        np.asarray(found)
    assert len(hashed) == 6


@pytest.mark.parametrize("name", ["signals.npy", "table.parquet", "manifest.json"])
def test_links_and_pipes_are_refused_at_once(records, tmp_path, name):
    folder = records.save(tmp_path / "x")
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match=f"{name} is a link; expected a plain file"):
        ECGRecords.open(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ValueError, match=f"{name} is a folder, device or pipe"):
        ECGRecords.open(folder)


def peak_of(code, *arguments):
    """Memory in MB that a process takes beyond what the imports take."""
    prelude = (
        "import resource, sys; from ecgdan_sk.records import ECGRecords; "
        "import pandas, pyarrow.parquet; "
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024; "
        "before = peak()\n"
    )
    run = [sys.executable, "-c", f"{prelude}{code}\nprint(peak() - before)", *arguments]
    printed = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    return float(printed.split()[-1])


OPEN = """
try:
    ECGRecords.open(sys.argv[1])
except ValueError as error:
    print(error)
else:
    raise AssertionError("it was opened")
"""


def test_a_packed_table_does_not_fill_the_memory(tmp_path):
    folder = ECGRecords(
        np.zeros((4000, 1, 1)), leads=["I"], covariates=pd.DataFrame({"a": range(4000)})
    ).save(tmp_path / "x")
    same = pa.array(np.zeros(4000, np.int32))
    packed = pa.DictionaryArray.from_arrays(same, pa.array(["x" * 2**20]))
    table = pa.table({"text": packed})
    pq.write_table(table, folder / "table.parquet", store_schema=False)
    resign(folder)
    assert (folder / "table.parquet").stat().st_size < 100_000
    assert peak_of(OPEN, str(folder)) < 300


def test_a_table_packed_otherwise_is_refused(records, tmp_path):
    folder = records.save(tmp_path / "x")
    table = pq.read_table(folder / "table.parquet")
    pq.write_table(table, folder / "table.parquet", compression="zstd")
    resign(folder)
    with pytest.raises(ValueError, match="packed by ZSTD"):
        ECGRecords.open(folder)


def test_sizes_that_a_header_tells_are_not_allocated(records, tmp_path):
    folder = records.save(tmp_path / "x")
    for name in ("signals.npy", "digests.npy", "scale.npy"):
        content = bytearray((folder / name).read_bytes())
        start = content.index(b"'shape': (6,")
        content[start : start + 14] = b"'shape': (2**31"[:14]
        end = content.index(b"\n")
        header = b"{'descr': '<i2', 'fortran_order': False, 'shape': (2147483648,), }"
        content[10:end] = header.ljust(end - 10)
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / name).write_bytes(content)
        resign(tmp_path / name)
        assert peak_of(OPEN, str(tmp_path / name)) < 100


def test_what_a_killed_process_left_is_removed_by_the_next_write(records, tmp_path):
    code = (
        "import os, sys; from ecgdan_sk._tensor_files import replacing\n"
        "with replacing(sys.argv[1]) as path:\n"
        "    path.mkdir(); (path / 'signals.npy').write_bytes(b'half'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "x"], check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / ".x.mine.tmp").write_text("a file of the user")
    records.save(tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.mine.tmp", "x"]


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "a").read_text() == "1"


def test_a_full_disk_is_told_with_the_path(records, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(OSError, match=f"No space left.*{tmp_path}/x"):
        records.save(tmp_path / "x")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left.*{tmp_path}/m"):
        write_tensors(tmp_path / "m", "kind", {}, {})
    assert not list(tmp_path.iterdir())


@given(data=st.data())
@settings(
    max_examples=100,
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
        assert_same(ECGRecords.open(folder), ECGRecords.open(tmp_path / "whole"))

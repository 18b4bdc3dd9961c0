"""Folders of parts: written side by side, gone on with, read as one."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config

from ecgdan_sk.records import ECGRecords
from ecgdan_sk.records import _parts as parts_module
from ecgdan_sk.study import open_ecgs


@pytest.fixture
def records():
    rng = np.random.default_rng(0)
    X = rng.normal(0, 0.3, (25, 12, 60)).astype(np.float32)
    X[3, 4] = np.nan
    table = pd.DataFrame({"age": rng.integers(30, 90, 25)})
    ids = [f"ecg-{i}" for i in range(25)]
    return ECGRecords(X, 100, covariates=table, ids=ids, patient_ids=np.arange(25) // 2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parts_are_read_as_one(records, tmp_path, n_jobs):
    with parallel_config("threading", n_jobs=n_jobs):
        folder = records.save(tmp_path / "parts", part_size=7)
    whole = ECGRecords.open(records.save(tmp_path / "whole"))
    found = ECGRecords.open(folder)
    assert len(list(folder.glob("part-*"))) == 4
    rows = np.array([24, 3, 7, 6, 0, 13])
    np.testing.assert_array_equal(np.asarray(found[rows]), np.asarray(whole[rows]))
    assert open_ecgs(folder).X.shape == found.shape
    assert (found.leads, found.sampling_rate) == (whole.leads, 100.0)
    assert found.ids.tolist() == records.ids.tolist()
    assert found.patient_ids.tolist() == records.patient_ids.tolist()
    assert found[rows].covariates["age"].tolist() == [
        records.covariates["age"][i] for i in rows
    ]


def test_parts_travel_as_their_path(records, tmp_path):
    folder = records.save(tmp_path / "parts", part_size=4)
    found = ECGRecords.open(folder)[5:9]
    sent = pickle.dumps(found.signals)
    assert len(sent) < 1_000
    np.testing.assert_array_equal(np.asarray(pickle.loads(sent)), np.asarray(found))


def test_a_save_that_was_killed_goes_on(records, tmp_path, monkeypatch):
    folder, save = tmp_path / "parts", parts_module.save_records
    written = []

    def save_two(part, path, dtype):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        return save(part, path, dtype)

    monkeypatch.setattr(parts_module, "save_records", save_two)
    with pytest.raises(KeyboardInterrupt):
        records.save(folder, part_size=7)
    with pytest.raises(ValueError, match="no folder"):
        ECGRecords.open(folder)
    with pytest.raises(ValueError, match="begun with other recordings"):
        records[::-1].save(folder, part_size=7)
    later = []
    monkeypatch.setattr(
        parts_module, "save_records", lambda *a: later.append(a[1].name) or save(*a)
    )
    records.save(folder, part_size=7)
    assert later == ["part-000002", "part-000003"]
    error = np.abs(np.asarray(ECGRecords.open(folder)) - records.signals)
    assert np.nanmax(error) < 1e-3
    with pytest.raises(FileExistsError):
        records.save(folder, part_size=7)


def test_a_part_that_is_not_the_one_written_is_refused(records, tmp_path):
    folder = records.save(tmp_path / "parts", part_size=10)
    moved = shutil.copytree(folder, tmp_path / "other")
    shutil.rmtree(moved / "part-000001")
    with pytest.raises(ValueError, match=r"no manifest\.json"):
        ECGRecords.open(moved)
    shutil.copytree(folder / "part-000000", moved / "part-000001")
    with pytest.raises(ValueError, match="digest differs"):
        ECGRecords.open(moved)
    file = folder / "parts.json"
    for old, new in (("part-000000", "../part-000"), ("{", "[")):
        file.write_text(file.read_text().replace(old, new))
        with pytest.raises(ValueError, match=r"parts\.json"):
            ECGRecords.open(folder)


def test_object_storage_is_read_by_zarr_and_fsspec(records):
    zarr = pytest.importorskip("zarr", minversion="3.0")
    store = zarr.storage.FsspecStore.from_url("memory://test-record-parts.zarr")
    stored = np.nan_to_num(records.signals * 1000).astype(np.int16)
    array = zarr.create_array(
        store=store, shape=stored.shape, chunks=(4, 12, 60), dtype="i2"
    )
    array[:] = stored
    found = ECGRecords(zarr.open_array(store, mode="r"), 100, scale=1e-3)
    rows = np.array([7, 2, 24])
    np.testing.assert_allclose(np.asarray(found[rows]), stored[rows] * 1e-3, rtol=1e-6)

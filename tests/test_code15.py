"""load_code15 and load_samitrop on small files in their published layout."""

import pickle
import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from ecgdan_sk.datasets import load_code15, load_samitrop

# Four exams of 7 s (2800 samples) and four of 10.24 s in two files; 77 has no signal.
EXAMS = [11, 22, 33, 44, 55, 66, 77, 88]
SHORT = {11, 33, 55, 88}
TABLE = {
    "exam_id": EXAMS,
    "age": [38, 54, 68, 27, 75, 64, 47, 48],
    "is_male": [True, True, False, True, True, False, False, True],
    "nn_predicted_age": np.linspace(30.5, 80.25, 8),
    **{name: [True] + [False] * 7 for name in ("1dAVb", "RBBB", "LBBB")},
    **{name: [False] * 7 + [True] for name in ("SB", "ST", "AF")},
    "patient_id": [1, 2, 3, 4, 1, 5, 6, 7],
    "death": [False, True, False, False, np.nan, True, True, False],
    "timey": [3.846572, 1.208218, 7.0, 2.48219, np.nan, 0.5, 1.0, 0.0],
    "normal_ecg": [False] * 8,
    "trace_file": [f"exams_part{number}.hdf5" for number in (0, 0, 0, 1, 1, 1, 1, 1)],
}
WITH_FOLLOW_UP = [11, 22, 33, 44, 66]


def tracings_of(exams, dtype="float32"):
    """Tracings (n, 4096, 12) whose samples tell exam, time and lead apart."""
    noise = np.random.default_rng(0).normal(0, 0.2, (4096, 12))
    i, ii = noise[:, :2].T
    noise[:, 2:6] = np.stack([ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2], axis=1)
    ecgs = np.stack([np.roll(noise, exam, axis=0) for exam in exams]).astype(dtype)
    for ecg, exam in zip(ecgs, exams):
        if exam in SHORT:
            ecg[:648] = ecg[-648:] = 0
        if exam in (0, 77):
            ecg[:] = 0
    return ecgs


def write(path, exams, tracings):
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array(exams, dtype=np.int64)
        file["tracings"] = tracings


@pytest.fixture
def table():
    return pd.DataFrame(TABLE)


@pytest.fixture
def folder(tmp_path, table):
    """CODE-15 in two parts, exams in another order than in the table."""
    root = tmp_path / "code-15.1"
    root.mkdir()
    table.to_csv(root / "exams.csv", index=False)
    for number, exams in [(0, [33, 11, 22, 0]), (1, [88, 77, 44, 66, 55, 0])]:
        write(root / f"exams_part{number}.hdf5", exams, tracings_of(exams))
    return root


@pytest.fixture
def samitrop(tmp_path, table):
    root = tmp_path / "samitrop"
    root.mkdir()
    columns = [
        "exam_id",
        "age",
        "is_male",
        "normal_ecg",
        "death",
        "timey",
        "nn_predicted_age",
    ]
    table[columns].iloc[:4].to_csv(root / "exams.csv", index=False)
    with h5py.File(root / "exams.hdf5", "w") as file:
        file["tracings"] = tracings_of(EXAMS[:4])
    return root


def test_tracings_come_back_to_the_last_digit(folder):
    code15 = load_code15(folder)
    assert code15.X.shape == (5, 12, 2800)
    assert code15.X.dtype == np.float32
    assert code15.X.sampling_rate == 400
    assert code15.X.ids.tolist() == WITH_FOLLOW_UP
    expected = tracings_of(WITH_FOLLOW_UP)[:, 648:-648].transpose(0, 2, 1)
    np.testing.assert_array_equal(np.asarray(code15.X), expected)


def test_nothing_is_read_before_it_is_asked_for(folder):
    X = load_code15(folder).X
    assert not isinstance(X.signals, np.ndarray)
    again = pickle.loads(pickle.dumps(X))
    assert len(pickle.dumps(X)) < 5000
    np.testing.assert_array_equal(np.asarray(again[[1, 0]]), np.asarray(X)[[1, 0]])


def test_follow_up_is_that_of_first_exams_in_days(folder):
    code15 = load_code15(folder)
    assert code15.y["event"].tolist() == [False, True, False, False, True]
    years = [3.846572, 1.208218, 7.0, 2.48219, 0.5]
    np.testing.assert_allclose(code15.y["time"], 365.25 * np.array(years))
    assert code15.flow["left_out"].tolist() == [0, 1, 1, 1]
    assert code15.flow["remaining"].tolist() == [8, 7, 6, 5]


def test_table_comes_along_row_by_row(folder):
    code15 = load_code15(folder)
    assert code15.table.index.tolist() == WITH_FOLLOW_UP
    assert code15.X.patient_ids.tolist() == [1, 2, 3, 4, 5]
    assert code15.X.covariates["age"].tolist() == [38, 54, 68, 27, 64]
    assert code15.X.covariates["sex"].tolist() == [0, 0, 1, 0, 1]
    assert code15.table["RBBB"].tolist() == [True, False, False, False, False]
    assert not {"file", "row", "recorded"} & set(code15.table)


def test_all_exams_come_without_outcomes(folder):
    code15 = load_code15(folder, follow_up=False)
    assert code15.y is None
    assert code15.X.ids.tolist() == [11, 22, 33, 44, 55, 66, 88]
    assert code15.X.patient_ids.tolist() == [1, 2, 3, 4, 1, 5, 7]


@pytest.mark.parametrize(("duration", "n_times"), [(10, 4000), (10.24, 4096)])
def test_short_exams_are_left_out_of_longer_durations(folder, duration, n_times):
    code15 = load_code15(folder, duration=duration)
    assert code15.X.ids.tolist() == [22, 44, 66]
    assert code15.X.shape == (3, 12, n_times)
    assert (np.asarray(code15.X) != 0).any(axis=1).all()
    assert code15.flow["left_out"].tolist()[1] == 5


@pytest.mark.parametrize("load", [load_code15, load_samitrop])
def test_inverted_leads_are_told(folder, samitrop, load):
    tracings = tracings_of(EXAMS[:4])
    tracings[:, :, 1] *= -1
    write(folder / "exams_part0.hdf5", [33, 11, 22], tracings[[2, 0, 1]])
    write(samitrop / "exams.hdf5", EXAMS[:4], tracings)
    root, options = (folder, {"parts": 0}) if load is load_code15 else (samitrop, {})
    with pytest.warns(UserWarning, match=r"(\d) of \1 recordings: II inverted"):
        load(root, **options)


def test_parts_choose_files(folder):
    (folder / "exams_part1.hdf5").unlink()
    assert load_code15(folder, parts=0).X.ids.tolist() == [11, 22, 33]
    with pytest.raises(FileNotFoundError, match=r"1 of 2 .*part1\.hdf5.*zenodo.*parts"):
        load_code15(folder)
    for parts in (7, [0, 7], []):
        with pytest.raises(ValueError, match="must name files of the table"):
            load_code15(folder, parts=parts)


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_other_precisions_are_read_as_float32(folder, kind):
    tracings = tracings_of([33, 11, 22], kind)
    write(folder / "exams_part0.hdf5", [33, 11, 22], tracings)
    X = np.asarray(load_code15(folder, parts=0).X)
    expected = tracings[[1, 2, 0], 648:-648].transpose(0, 2, 1).astype(np.float32)
    np.testing.assert_array_equal(X, expected)


def test_exams_that_do_not_fit_the_table_are_counted(folder):
    write(folder / "exams_part0.hdf5", [33, 98, 99], tracings_of([33, 11, 22]))
    message = r"2 of 3 exams .*\(11, 22\), nor have 2 of 3 recordings .*\(98, 99\)"
    with pytest.raises(ValueError, match=message):
        load_code15(folder)


def test_exams_that_occur_twice_are_named(folder, table):
    write(folder / "exams_part0.hdf5", [33, 11, 11], tracings_of([33, 11, 11]))
    with pytest.raises(ValueError, match=r"1 exam_id of .*part0.* once: 11"):
        load_code15(folder)
    pd.concat([table, table[:3]]).to_csv(folder / "exams.csv", index=False)
    with pytest.raises(ValueError, match=r"3 exam_id of .*exams.csv.* 11, 22, 33"):
        load_code15(folder)


def set_objects(file):
    file["tracings"] = np.array(
        [b"cos\nsystem\n"], dtype=h5py.special_dtype(vlen=bytes)
    )


def set_text(file):
    file["tracings"] = np.zeros((3, 4096, 12), dtype="S2")


def set_elsewhere(file):
    file["tracings"] = h5py.ExternalLink("exams_part1.hdf5", "tracings")


def set_raw_file(file):
    shape = (3, 4096, 12)
    external = [("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("tracings", shape, "float32", external=external)


def set_virtual(file):
    layout = h5py.VirtualLayout((3, 4096, 12), "float32")
    layout[:] = h5py.VirtualSource("exams_part1.hdf5", "tracings", (6, 4096, 12))[:3]
    file.create_virtual_dataset("tracings", layout)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_objects, "of type object.*Objects are not read"),
        (set_text, r"of type \|S2"),
        (set_elsewhere, "got ExternalLink"),
        (set_raw_file, "float32 in other files"),
        (set_virtual, "float32 in other files"),
        (lambda file: file.create_group("tracings"), "must hold the dataset"),
        (lambda file: None, "got none of that name; it holds exam_id"),
        (
            lambda file: file.create_dataset("tracings", (3, 12, 4096), "float32"),
            r"shape \(3, 12, 4096\)",
        ),
        (
            lambda file: file.create_dataset("tracings", (10**9, 4096, 12), "float32"),
            "claims 196608000000000 bytes",
        ),
    ],
)
def test_what_is_no_plain_tracing_is_refused(folder, change, message):
    path = folder / "exams_part0.hdf5"
    path.unlink()
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array([33, 11, 22])
        change(file)
    with pytest.raises(ValueError, match=message):
        load_code15(folder)


@pytest.mark.parametrize(
    "content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99]
)
def test_a_damaged_file_is_named(folder, content):
    (folder / "exams_part0.hdf5").write_bytes(content)
    with pytest.raises(ValueError, match=r"exams_part0\.hdf5 is no complete HDF5 file"):
        load_code15(folder)


def test_a_truncated_file_is_named(folder):
    path = folder / "exams_part0.hdf5"
    path.write_bytes(path.read_bytes()[:-50_000])
    with pytest.raises(ValueError, match=r"exams_part0\.hdf5 is no complete HDF5 file"):
        load_code15(folder)


@pytest.mark.parametrize("factor", [1000, 1e-3])
def test_other_units_are_refused(folder, factor):
    tracings = tracings_of([33, 11, 22]) * np.float32(factor)
    write(folder / "exams_part0.hdf5", [33, 11, 22], tracings)
    with pytest.raises(ValueError, match="ECGs in mV have about 0.2"):
        load_code15(folder, parts=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": "old"}, "exams.csv cannot be read .*old"),
        ({"trace_file": "../x.hdf5"}, "must name a file of"),
        ({"trace_file": None}, "must name a file of"),
        ({"death": "perhaps"}, "cannot be read .*perhaps"),
    ],
)
def test_a_wrong_table_is_named(folder, table, change, message):
    table.assign(**change).to_csv(folder / "exams.csv", index=False)
    with pytest.raises(ValueError, match=message):
        load_code15(folder)


def test_missing_columns_and_files_are_named(folder, table, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no exams\.csv in .*zenodo"):
        load_code15(tmp_path)
    table.drop(columns=["age", "timey"]).to_csv(folder / "exams.csv", index=False)
    with pytest.raises(ValueError, match="lacks the columns age, timey"):
        load_code15(folder)
    for duration in (0, 11):
        with pytest.raises(ValueError, match=r"at most 10\.24 s"):
            load_code15(folder, duration=duration)


def test_samitrop_is_read_in_the_order_of_its_table(samitrop):
    cohort = load_samitrop(samitrop)
    assert cohort.X.ids.tolist() == EXAMS[:4]
    expected = tracings_of(EXAMS[:4])[:, 648:-648].transpose(0, 2, 1)
    np.testing.assert_array_equal(np.asarray(cohort.X), expected)
    assert cohort.y["event"].tolist() == [False, True, False, False]
    np.testing.assert_allclose(cohort.y["time"][1], 1.208218 * 365.25)
    assert len(cohort.table) == 4


def test_samitrop_of_another_length_than_its_table_is_refused(samitrop):
    (samitrop / "exams.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match=r"no exams\.hdf5 .*zenodo"):
        load_samitrop(samitrop)
    with h5py.File(samitrop / "exams.hdf5", "w") as file:
        file["tracings"] = tracings_of(EXAMS[:3])
    with pytest.raises(ValueError, match=r"3 tracings, but exams\.csv has 4 rows"):
        load_samitrop(samitrop)


def test_h5py_is_asked_for_where_it_is_missing(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install ecgdan_sk\[vendor\]"):
        load_code15(folder)


def test_days_in_place_of_years_are_refused(folder):
    table = pd.read_csv(folder / "exams.csv").assign(timey=lambda t: 365 * t["timey"])
    table.to_csv(folder / "exams.csv", index=False)
    with pytest.raises(ValueError, match="timey .*reaches 2555; .*Are these days"):
        load_code15(folder)

"""What a folder holds of PTB-XL+, written with the oddities of release 1.0.1."""

import numpy as np
import pandas as pd
import pytest
from cohort_writers import write_record
from ecg_writers import ecg_counts

from ecgdan_sk.datasets._ptbxl_plus import read_ptbxl_plus
from ecgdan_sk.records import LEADS

ECG_IDS = pd.Index([1, 2, 12345], name="ecg_id")


def write_12sl(root, ecg_id, counts, gain=5.0):
    """Format 32, five digits, and a header that names a folder which is not there."""
    folder = root / "median_beats/12sl" / f"{ecg_id // 1000 * 1000:05d}"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{ecg_id:05d}_medians"
    counts.T.astype("<i4").tofile(folder / f"{name}.dat")
    lines = [f"ge_median_beats_wfdb/{name} 12 500 {counts.shape[1]}"]
    lines += [
        f"ge_median_beats_wfdb/{name}.dat 32 {gain}(-7)/mV 32 0 {row[0]} 0 0 {lead}"
        for lead, row in zip(LEADS, counts)
    ]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


def write_unig(root, ecg_id, counts, leads=LEADS):
    """Format 16 and six digits."""
    folder = root / "median_beats/unig" / f"{ecg_id // 1000 * 1000:05d}"
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, f"{ecg_id:06d}_medians", counts, leads=leads)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "features").mkdir()
    features = {"RR_Mean_Global": [900, 700, 800], "ecg_id": [12345, 1, 9]}
    pd.DataFrame(features).to_csv(tmp_path / "features/12sl_features.csv", index=False)
    return tmp_path


def test_features_are_found_by_identifier_wherever_it_stands(root):
    found = read_ptbxl_plus(root, ECG_IDS)
    assert list(found) == ["features_12sl"]
    assert found["features_12sl"].index.tolist() == [1, 2, 12345]
    values = found["features_12sl"]["RR_Mean_Global"]
    np.testing.assert_array_equal(values, [700, np.nan, 900])


def test_a_folder_of_ptbxl_alone_adds_nothing(tmp_path):
    assert read_ptbxl_plus(tmp_path, ECG_IDS) == {}


def test_beats_in_uv_that_call_themselves_mv_become_mv(root):
    counts = {ecg_id: ecg_counts(600, seed=ecg_id) * 25 for ecg_id in (1, 12345)}
    for ecg_id, beat in counts.items():
        write_12sl(root, ecg_id, beat)
    beats = read_ptbxl_plus(root, ECG_IDS)["median_beats_12sl"]
    assert beats.ids.tolist() == [1, 12345]
    assert beats.sampling_rate == 500
    expected = [(beat + 7) / 5 / 1000 for beat in counts.values()]
    np.testing.assert_allclose(np.asarray(beats), expected, rtol=1e-6)
    assert 0.2 < np.abs(np.asarray(beats)).max() < 10


def test_beats_in_mv_stay_so(root):
    counts = ecg_counts(600)
    write_unig(root, 2, counts[::-1], LEADS[::-1])
    beats = read_ptbxl_plus(root, ECG_IDS)["median_beats_unig"]
    assert beats.ids.tolist() == [2]
    np.testing.assert_allclose(beats.signals[0], counts / 200, rtol=1e-6)


def test_beats_of_another_length_are_left_out(root):
    write_unig(root, 1, ecg_counts(450))
    write_unig(root, 2, ecg_counts(600))
    write_12sl(root, 1, ecg_counts(600))
    (root / "median_beats/12sl/00000/00001_medians.dat").unlink()
    found = read_ptbxl_plus(root, ECG_IDS)
    assert found["median_beats_unig"].ids.tolist() == [2]
    assert len(found["median_beats_12sl"]) == 0


def test_damaged_files_are_named(root):
    write_12sl(root, 1, ecg_counts(600))
    data = root / "median_beats/12sl/00000/00001_medians.dat"
    data.write_bytes(data.read_bytes()[:-8])
    beats = read_ptbxl_plus(root, ECG_IDS)["median_beats_12sl"]
    with pytest.raises(ValueError, match=r"00001_medians\.dat holds 7198 samples, but"):
        np.asarray(beats)
    header = data.with_suffix(".hea")
    header.write_text(header.read_text().replace(" 32 ", " 212 "))
    with pytest.raises(
        ValueError, match=r"00001_medians\.hea must describe the twelve"
    ):
        np.asarray(beats)


def test_a_table_without_its_key_is_refused(root):
    path = root / "features/12sl_features.csv"
    table = pd.read_csv(path)
    table.drop(columns="ecg_id").to_csv(path, index=False)
    with pytest.raises(ValueError, match="lacks the column ecg_id"):
        read_ptbxl_plus(root, ECG_IDS)
    pd.concat([table, table]).to_csv(path, index=False)
    with pytest.raises(ValueError, match="3 values of ecg_id .*: 12345, 1, 9"):
        read_ptbxl_plus(root, ECG_IDS)

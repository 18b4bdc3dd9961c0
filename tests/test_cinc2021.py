"""load_cinc2021 on recordings written in its layout, and on real ones."""

import numpy as np
import pytest
import wfdb
from cohort_writers import write_record
from ecg_writers import ecg_counts

from ecgdan_sk.datasets import load_cinc2021
from ecgdan_sk.records import LEADS

TOLD = ["Age: 74", "Sex: Male", "Dx: 59118001,426783006", "Rx: Unknown"]


def record(folder, name, counts, comments=TOLD, **options):
    """A record whose samples lie in a .mat file behind 24 bytes, as those of 2021."""
    folder.mkdir(parents=True, exist_ok=True)
    header = write_record(folder, name, counts, **options)
    data = folder / f"{name}.dat"
    (folder / f"{name}.mat").write_bytes(b"\0" * 24 + data.read_bytes())
    data.unlink()
    text = header.read_text().replace(f"{name}.dat 16", f"{name}.mat 16+24")
    header.write_text(text + "".join(f"#{comment}\n" for comment in comments))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "training"
    for number, n_times in enumerate([5000, 7500, 4999]):
        counts = ecg_counts(n_times, seed=number)
        record(root / "cpsc_2018/g1", f"A000{number}", counts)
    record(root / "ptb/g1", "S0001", ecg_counts(38_000), TOLD[2:], rate=1000)
    told = ["Age: NaN", "Sex: F", "Dx: "]
    record(root / "ptb/g1", "S0002", ecg_counts(10_000), told, rate=500)
    return root


def test_the_first_ten_seconds_come_back_to_the_last_digit(folder):
    cohort = load_cinc2021(folder)
    assert cohort.X.ids.tolist() == ["A0000", "A0001", "S0002"]
    assert cohort.X.shape == (3, 12, 5000)
    for signal, (n_times, seed) in zip(cohort.X.signals, [(5000, 0), (7500, 1)]):
        counts = ecg_counts(n_times, seed=seed)[:, :5000]
        np.testing.assert_array_equal(signal, (counts / 200).astype(np.float32))
    assert cohort.flow["left_out"].tolist() == [0, 1, 1]


def test_headers_are_told_row_by_row(folder):
    cohort = load_cinc2021(folder)
    assert cohort.snomed_codes == [["59118001", "426783006"]] * 2 + [[]]
    assert cohort.table["source"].tolist() == ["cpsc_2018", "cpsc_2018", "ptb"]
    np.testing.assert_array_equal(cohort.X.covariates["age"], [74, 74, np.nan])
    np.testing.assert_array_equal(cohort.X.covariates["sex"], [0, 0, 1])


def test_other_rates_and_durations_are_asked_for(folder):
    cohort = load_cinc2021(folder, sampling_rate=1000, duration=30)
    assert cohort.X.ids.tolist() == ["S0001"]
    assert cohort.X.shape == (1, 12, 30_000)
    assert load_cinc2021(folder, duration=5).X.shape == (4, 12, 2500)
    with pytest.raises(ValueError, match="(?s)Nobody remains .*not sampled at 257"):
        load_cinc2021(folder, sampling_rate=257)


def test_what_is_missing_or_twice_there_is_named(folder, tmp_path):
    (folder / "ptb/g1/S0002.mat").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 3 .* .mat file .*: S0002. Comp"):
        load_cinc2021(folder)
    record(folder / "other", "A0001", ecg_counts(5000))
    with pytest.raises(ValueError, match="1 names of recordings .*once: A0001"):
        load_cinc2021(folder)
    with pytest.raises(FileNotFoundError, match=r"no \.hea file in"):
        load_cinc2021(tmp_path / "nowhere")


def test_a_damaged_header_is_named(folder):
    (folder / "other.hea").write_bytes(b"\xff\xfe\0garbage")
    with pytest.raises(ValueError, match=r"other\.hea is no header of a WFDB"):
        load_cinc2021(folder)


@pytest.mark.realdata
def test_real_recordings_equal_wfdb(ecgdan_data):
    root = ecgdan_data / "cinc2021"
    cohort = load_cinc2021(root)
    assert cohort.X.shape == (50, 12, 5000)
    X = np.asarray(cohort.X)
    for ecg, name in zip(X, cohort.X.ids):
        (header,) = root.rglob(f"{name}.hea")
        signal, fields = wfdb.rdsamp(str(header.with_suffix("")), sampto=5000)
        assert fields["sig_name"] == list(LEADS)
        np.testing.assert_array_equal(ecg, signal.T.astype(np.float32))
    assert all(cohort.snomed_codes)
    assert cohort.table["sex"].isin([0, 1]).all()
    assert cohort.table["age"].between(1, 100).all()
    assert len(load_cinc2021(root, duration=15).X) == 4


@pytest.mark.parametrize(
    ("written", "age"), [("300", 90), ("89+", 89), ("74 years", 74)]
)
def test_an_age_that_is_no_plain_number_is_kept(folder, written, age):
    header = next(folder.rglob("A0000.hea"))
    text = header.read_text()
    assert "Age: 74" in text
    header.write_text(text.replace("Age: 74", f"Age: {written}"))
    assert load_cinc2021(folder).table["age"][header.stem] == age

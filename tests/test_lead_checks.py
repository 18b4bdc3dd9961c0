"""check_leads finds what was planted, says what it is, and leaves good ECGs alone."""

import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgdan_sk.datasets import (
    check_leads,
    complete_leads,
    load_ptbxl,
    make_ecg_cohort,
    read_ecg,
)
from ecgdan_sk.datasets._check_leads import checked
from ecgdan_sk.records import LEADS, ECGRecords, LazySignals
from ecgdan_sk.records._lazy import SignalView

LIMB = LEADS[:6]
EIGHT = ("I", "II", *LEADS[6:])


@pytest.fixture(scope="module")
def ecgs():
    return make_ecg_cohort(12, sampling_rate=100, random_state=0).X[:]


@pytest.fixture
def X(ecgs):
    return np.array(ecgs)


def table_of(X, leads=LEADS):
    return check_leads(ECGRecords(X, 100, leads), on_error="ignore").table


def test_good_ecgs_pass(X):
    report = check_leads(ECGRecords(X, 100, ids=[f"r{i}" for i in range(12)]))
    assert report.problems == []
    assert (report.table["disagreement"] < 0.05).all()
    assert (report.table["units_per_mv"] == 1).all()
    assert not (report.table.drop(columns=["disagreement", "units_per_mv"]) != "").any(
        axis=None
    )
    assert report.table.index[3] == "r3"
    assert str(report) == "12 recordings checked.\nNothing was found."


@pytest.mark.parametrize("pair", list(combinations(range(6), 2)))
def test_every_swap_of_two_limb_leads_is_named(X, pair):
    X[:, pair] = X[:, pair[::-1]]
    swap = f"{LIMB[pair[0]]} and {LIMB[pair[1]]} swapped"
    assert set(table_of(X)["limb_leads"]) == {swap}


@pytest.mark.parametrize("lead", range(6))
def test_every_inversion_is_named(X, lead):
    X[:, lead] *= -1
    assert set(table_of(X)["limb_leads"]) == {f"{LIMB[lead]} inverted"}


def test_one_bad_recording_is_found_among_good_ones(X):
    X[7, [1, 2]] = X[7, [2, 1]]
    report = check_leads(ECGRecords(X, 100))
    assert report.problems == []
    assert report.table["limb_leads"].to_numpy().nonzero()[0].tolist() == [7]
    assert "limb leads: II and III swapped in 1 (7)" in str(report)


def test_a_cycle_and_a_swap_with_an_inversion(X):
    Z = X.copy()
    Z[:, [3, 4, 5]] = X[:, [4, 5, 3]]
    assert set(table_of(Z)["limb_leads"]) == {"aVF is aVR, aVR is aVL, aVL is aVF"}
    Z = X.copy()
    Z[:, [4, 5]], Z[:, 0] = X[:, [5, 4]], -X[:, 0]
    assert set(table_of(Z)["limb_leads"]) == {"aVL and aVF swapped, I inverted"}


def test_three_leads_leave_two_explanations(X):
    X[:, [0, 1]] = X[:, [1, 0]]
    found = table_of(X[:, :3], LEADS[:3])["limb_leads"]
    assert set(found) == {"III inverted or I and II swapped"}
    assert np.isnan(table_of(X[:, [0, 1, 6]], ("I", "II", "V1"))["disagreement"]).all()


def test_a_lead_that_does_not_fit_is_named(X):
    X[:, 2] = np.random.default_rng(0).normal(0, 0.2, X[:, 2].shape)
    assert set(table_of(X)["limb_leads"]) == {"III does not fit the others"}


def test_what_nothing_explains_is_said_so(X):
    X[:, :6] = np.random.default_rng(0).normal(0, 0.2, X[:, :6].shape)
    text = "they disagree, which no swap or inversion explains"
    assert set(table_of(X)["limb_leads"]) == {text}


def test_exchanged_arms_are_a_hint(X):
    X[:, [0, 1, 2, 3, 4]] = X[:, [0, 2, 1, 4, 3]]
    X[:, 0] *= -1
    table = table_of(X)
    assert (table["limb_leads"] == "").all()
    assert (table["hint"] == "arm electrodes exchanged?").mean() > 0.7


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (1000, "microvolts"),
        (200, "ADC counts"),
        (10, "1e-4 V"),
        (5, "some 5 per mV"),
        (1e-3, "volts"),
        (1e6, "nanovolts"),
    ],
)
def test_units_are_recognised_and_the_scale_mends_them(X, factor, text):
    with pytest.warns(UserWarning, match=f"those of .*{text}.* not of mV") as caught:
        check_leads(ECGRecords(X * factor, 100))
    scale = float(str(caught[0].message).split("scale=")[1].split(")")[0])
    assert check_leads(ECGRecords(X * factor, 100, scale=scale)).problems == []


def wide_tachycardia():
    """Twelve leads (1, 12, 5000) in mV, 150 wide complexes a minute without a pause."""
    phase = 2 * np.pi * 2.5 * np.arange(5000) / 500
    rng = np.random.default_rng(0)
    i, ii = 1.4 * np.sin(phase), 1.8 * np.sin(phase - 0.7)
    limb = np.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2])
    chest = [2.0 * np.sin(phase - delay) for delay in np.linspace(0, 3, 6)]
    return (np.concatenate([limb, chest]) + rng.normal(0, 0.01, (12, 5000)))[None]


def test_a_wide_tachycardia_is_high_in_spread_alone():
    X = wide_tachycardia()
    assert np.median(X.std(axis=2)) > 1
    assert check_leads(ECGRecords(X, 500)).problems == []
    found = table_of(10 * X)["units_per_mv"]
    assert found.tolist() == [10]


def test_spikes_of_an_artefact_are_no_unit(X):
    X[:, :, [100, 600]] += 20
    assert (table_of(X)["units_per_mv"] == 1).all()


def test_z_scored_ecgs_are_not_millivolts(X):
    X = (X - X.mean(2, keepdims=True)) / X.std(2, keepdims=True)
    with pytest.raises(ValueError, match="z-scored"):
        check_leads(ECGRecords(X, 100), on_error="raise")


def test_dead_leads_are_named(X):
    X[:, 6] = 0.7
    X[:, 7] = np.nan
    X[1, 8, :50] = np.nan
    X[2, 9] = X[2, 9].clip(-0.05, 0.05)
    X[3, 0] = 0
    table = table_of(X)
    assert (table["flat"] == ["V1"] * 3 + ["I, V1"] + ["V1"] * 8).all()
    assert (table["absent"] == "V2").all()
    assert table["gaps"].tolist() == ["", "V3"] + [""] * 10
    assert table["clipped"].tolist() == ["", "", "V4"] + [""] * 9
    assert (table["limb_leads"] == "").all()
    with pytest.warns(UserWarning, match="V2 is absent.* V1 is flat in 11 of 12"):
        check_leads(ECGRecords(X, 100))


def test_what_all_share_is_raised_or_warned(X):
    X[:, [4, 5]] = X[:, [5, 4]]
    records = ECGRecords(X, 100)
    message = "Limb leads of 12 of 12 recordings: aVL and aVF swapped.*MIMIC"
    with pytest.raises(ValueError, match=message):
        check_leads(records, on_error="raise")
    with pytest.warns(UserWarning, match=message):
        assert checked(records) is records
    with pytest.raises(ValueError, match="on_error must be"):
        check_leads(records, on_error="no")


def test_readers_look_at_a_sample_of_lazy_records(ecgs):
    read = []

    def watched(key):
        read.append(key)
        return ecgs[key % 12]

    records = ECGRecords(LazySignals(watched, range(10_000), ecgs[0].shape), 100)
    assert checked(records) is records
    assert len(read) == 32
    assert read[:2] == [0, 313]
    assert len(checked(records[:0])) == 0


@given(
    arrays(
        np.float32,
        (3, 12, 40),
        elements=st.floats(-1e4, 1e4, width=32) | st.just(float("nan")),
        fill=st.sampled_from([0.0, float("nan")]),
    )
)
@settings(max_examples=60, deadline=None)
def test_anything_gives_a_report(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check_leads(ECGRecords(X), on_error="ignore")
    assert report.table.shape == (3, 8)
    assert str(report).startswith("3 recordings checked")


def test_no_recordings_and_other_leads():
    assert len(table_of(np.zeros((0, 12, 50)))) == 0
    assert (
        table_of(np.zeros((2, 3, 50)), ("X", "Y", "Z"))["flat"].tolist()
        == ["X, Y, Z"] * 2
    )


@pytest.mark.parametrize("known", list(combinations(range(6), 2)))
def test_absent_limb_leads_follow_from_any_two(X, known):
    names = [*(LIMB[k] for k in known), *LEADS[6:]]
    records = ECGRecords(X, 100, ids=np.arange(12)).select_leads(names)
    completed = complete_leads(records)
    assert (completed.leads, completed.sampling_rate) == (LEADS, 100)
    np.testing.assert_allclose(completed.signals, X, atol=5e-3)
    np.testing.assert_array_equal(completed.ids, np.arange(12))


def test_lazy_records_are_completed_as_they_are_read(X, tmp_path):
    np.save(tmp_path / "x.npy", X[:, [LEADS.index(lead) for lead in EIGHT]])
    records = ECGRecords(np.load(tmp_path / "x.npy", mmap_mode="r"), leads=EIGHT)
    completed = complete_leads(records)[[4, 2]]
    assert isinstance(completed.signals, SignalView)
    np.testing.assert_allclose(np.asarray(completed), X[[4, 2]], atol=5e-3)


def test_leads_are_completed_recording_by_recording(X):
    gone = X.copy()
    gone[0, [2, 4]], gone[1, :5], gone[2, 8] = np.nan, np.nan, np.nan
    completed = complete_leads(ECGRecords(gone)).signals
    np.testing.assert_allclose(completed[0], X[0], atol=5e-3)
    np.testing.assert_array_equal(completed[1:], gone[1:])


@pytest.mark.realdata
@pytest.mark.parametrize("sampling_rate", [100, 500])
def test_ptbxl_raises_no_alarm(ecgdan_data, sampling_rate):
    X = np.asarray(load_ptbxl(ecgdan_data / "ptbxl", sampling_rate=sampling_rate).X)
    report = check_leads(ECGRecords(X, sampling_rate))
    assert report.problems == []
    table = report.table
    # One recording at 500 Hz has a spike of 2.6 mV in two leads.
    assert np.sort(table["disagreement"])[-2] < 0.01
    assert not (table[["limb_leads", "absent", "gaps", "flat"]] != "").any(axis=None)
    assert (table["hint"] != "").sum() <= 3
    assert (table["units_per_mv"] == 1).all()


@pytest.mark.realdata
def test_limb_leads_of_a_ludb_record_disagree(ecgdan_data):
    wfdb = pytest.importorskip("wfdb")
    ecg = wfdb.rdrecord(str(ecgdan_data / "ludb" / "3"))
    names = [{lead.lower(): lead for lead in LEADS}[n.lower()] for n in ecg.sig_name]
    report = check_leads(
        ECGRecords(ecg.p_signal.T[None], ecg.fs, names), on_error="ignore"
    )
    assert report.table["disagreement"].iloc[0] > 0.2
    assert report.table["limb_leads"].iloc[0].startswith("they disagree")


@pytest.mark.realdata
def test_every_swap_and_inversion_is_named_in_ptbxl(ecgdan_data):
    X = np.asarray(load_ptbxl(ecgdan_data / "ptbxl").X)
    for pair in combinations(range(6), 2):
        planted = X.copy()
        planted[:, pair] = X[:, pair[::-1]]
        swap = f"{LIMB[pair[0]]} and {LIMB[pair[1]]} swapped"
        assert set(table_of(planted)["limb_leads"]) == {swap}
    for lead in range(6):
        planted = X.copy()
        planted[:, lead] *= -1
        assert set(table_of(planted)["limb_leads"]) == {f"{LIMB[lead]} inverted"}


@pytest.mark.realdata
def test_real_recordings_are_in_millivolts_one_at_a_time(ecgdan_data):
    pytest.importorskip("wfdb")
    # Two are ventricular tachycardias with a spread of 0.9 and 1.2 mV.
    for header in sorted(ecgdan_data.glob("cinc2021/*/*.hea")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = read_ecg(header)
        report = check_leads(record, on_error="ignore")
        assert report.table["units_per_mv"].tolist() == [1], header.name

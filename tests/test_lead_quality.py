"""Leads that are too bad to be measured: missing, not wrong, and the others as ever."""

import numpy as np
import pandas as pd
import pytest

from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort
from ecgdan_sk.measurements import ECGMeasurements, _delineated, delineate
from ecgdan_sk.measurements._lead_quality import lead_issues
from ecgdan_sk.measurements._remembered import forget
from ecgdan_sk.records import LEADS, ECGRecords

GLOBAL = ["heart_rate_bpm", "qrs_duration_ms", "qt_interval_ms"]
ISSUES = ["flat", "clipped", "noisy", "electrode off"]


@pytest.fixture(scope="module")
def X():
    return make_ecg_cohort(12, sampling_rate=500, random_state=3).X


@pytest.fixture(scope="module")
def table(X):
    return measured(X)


def measured(X):
    return ECGMeasurements(500).set_output(transform="pandas").fit_transform(X)


def reasons(X):
    return ECGMeasurements(500).quality(X)["reasons"]


def spoilt(X, lead, issue):
    """ECGs (n, 12, T) in mV with an issue in one lead."""
    X, row, rng = X.copy(), LEADS.index(lead), np.random.default_rng(0)
    if issue == "flat":
        X[:, row] = 0.3
    elif issue == "clipped":
        limits = np.quantile(X[:, row], [0.1, 0.9], axis=1)[..., None]
        X[:, row] = np.clip(X[:, row], *limits)
    elif issue == "noisy":
        X[:, row] = rng.normal(0, 0.5, X[:, row].shape)
    elif issue == "electrode off":
        X[:, row, 700:2100] -= 80
    return X


@pytest.mark.parametrize("issue", ISSUES)
@pytest.mark.parametrize("lead", ["aVL", "V2"])
def test_a_bad_lead_is_missing_and_the_global_limits_stay(X, table, lead, issue):
    found = measured(spoilt(X, lead, issue))
    assert found.filter(like=f"_{lead.lower()}_").isna().all(axis=None)
    others = [f"st_level_{other}_mv" for other in ("i", "ii", "v4", "v6")]
    for name in others + GLOBAL:
        limit = 0.01 if name.endswith("_mv") else 8
        assert (found[name] - table[name]).abs().max() <= limit, name
        assert found[name].notna().all()
    assert reasons(spoilt(X, lead, issue)).str.contains(f"{issue}: {lead}").all()


def test_good_ecgs_keep_every_bit(X, table, monkeypatch):
    forget()
    monkeypatch.setattr(
        _delineated, "lead_issues", lambda ecg, rate: np.full(len(ecg), "")
    )
    without = measured(X)
    forget()
    pd.testing.assert_frame_equal(without, table, check_exact=True)


def test_marks_of_a_bad_lead_are_left_out(X):
    clean, found = (delineate(part, 500) for part in (X, spoilt(X, "V2", "noisy")))
    assert "V2" in set(clean["lead"])
    assert set(found["lead"]) == set(clean["lead"]) - {"V2"}
    before, after = (
        marks[(marks["lead"] == "global") & (marks["wave"] == "QRS")].set_index(
            ["ecg", "beat"]
        )[["onset_ms", "offset_ms"]]
        for marks in (clean, found)
    )
    assert len(before) == len(after) > 100
    assert (before - after).abs().mean().max() < 3


@pytest.mark.parametrize(("n_bad", "is_measured"), [(6, True), (7, False)])
def test_half_of_the_recorded_leads_have_to_be_good(X, table, n_bad, is_measured):
    bad = X[:3].copy()
    bad[:, :n_bad] = np.random.default_rng(0).normal(0, 0.5, bad[:, :n_bad].shape)
    assert measured(bad)[GLOBAL].notna().all(axis=None) == is_measured
    if not is_measured:
        assert measured(bad).isna().all(axis=None)
        assert reasons(bad).str.endswith("too few good leads, 5 of 12").all()
        assert len(delineate(bad, 500)) == 0


def test_leads_are_not_derived_from_a_bad_one(X):
    spoilt_i = spoilt(X[:2], "I", "noisy")
    eight = ECGRecords(spoilt_i, 500).select_leads([*LEADS[:2], *LEADS[6:]])
    found = ECGMeasurements().set_output(transform="pandas").fit_transform(eight)
    assert found[["st_level_avl_mv", "st_level_avf_mv"]].isna().all(axis=None)
    assert found["st_level_ii_mv"].notna().all()


def test_one_good_lead_is_enough_where_only_one_was_recorded(X):
    one = ECGRecords(X[:3], 500).select_leads(["II"])
    assert (ECGMeasurements().fit(one).transform(one)[:, 0] > 0).all()
    assert not ECGMeasurements().quality(one)["reasons"].str.contains("too few").any()


@pytest.mark.parametrize("unit", [1000, 0.001])
def test_issues_are_found_in_any_unit(X, unit):
    for issue in ISSUES:
        ecg = unit * spoilt(X[:1], "V2", issue)[0]
        assert lead_issues(ecg, 500).tolist() == 7 * [""] + [issue] + 4 * [""]


@pytest.mark.parametrize("rr", [0.6, 1.5])
def test_a_baseline_without_noise_is_neither_flat_nor_clipped(rr):
    time = np.arange(5000) / 500
    beats = np.exp(-((((time + 0.3) % rr - rr / 2) / 0.015) ** 2))
    assert (lead_issues(np.stack([beats, -2 * beats]), 500) == "").all()
    assert (lead_issues(np.clip([beats, -2 * beats], -0.2, 0.2), 500) != "").all()


def test_a_calibration_pulse_is_not_clipped(X, table):
    pulsed = X.copy()
    pulsed[:, :, -150:] = 0
    pulsed[:, :, -125:-25] = 2.0  # mV, above every R wave, for 0.2 s
    assert (pulsed.max(axis=2) == 2.0).mean() > 0.5
    assert not any("good leads" in reason for reason in reasons(pulsed))
    change = (measured(pulsed)[GLOBAL] - table[GLOBAL]).abs()
    assert (change.median() <= [1, 4, 8]).all()


@pytest.mark.realdata
def test_bad_recordings_lose_leads_and_good_ones_hardly_any(ecgdan_data):
    """CinC 2011, every third recording; PTB-XL, of which one ECG has a loose V1."""
    stored = np.load(ecgdan_data / "quality2011" / "x_250hz_int16.npz")
    labels = pd.read_csv(ecgdan_data / "quality2011" / "labels.csv")["quality"][::3]
    X = stored["x"][::3] * np.float32(stored["scale_mv"])
    bad = np.array([(lead_issues(ecg, 250) != "").any() for ecg in X])
    assert bad[labels == "acceptable"].mean() < 0.04
    assert bad[labels == "unacceptable"].mean() > 0.7
    ptbxl = np.asarray(load_ptbxl(ecgdan_data / "ptbxl", sampling_rate=100).X)
    assert len(ptbxl) == 343
    assert sum((lead_issues(ecg, 100) != "").sum() for ecg in ptbxl) == 1

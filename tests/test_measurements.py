"""ECGMeasurements: what is measured, on which terms, and what bad input gives."""

import inspect
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort
from ecgdan_sk.measurements import ECGMeasurements, _measurements
from ecgdan_sk.measurements._remembered import forget
from ecgdan_sk.records import LEADS, ECGRecords


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(150, sampling_rate=500, random_state=3)


@pytest.fixture(scope="module")
def table(cohort):
    return measured(cohort.X, 500)


def measured(X, rate=None, **options):
    transformer = ECGMeasurements(rate, **options).set_output(transform="pandas")
    return transformer.fit_transform(X)


def with_degrees(table):
    axes = {
        f"{wave}_axis_deg": np.degrees(
            np.arctan2(table[f"{wave}_axis_sin"], table[f"{wave}_axis_cos"])
        )
        for wave in ("p", "qrs", "t")
    }
    return table.assign(**axes, qtc_ms=table["qtc_fridericia_ms"])


def test_agrees_with_the_truth_of_the_simulator(cohort, table):
    found, truth = with_degrees(table), cohort.parameters
    limits = {
        "heart_rate_bpm": 1,
        "p_duration_ms": 12,
        "pr_interval_ms": 12,
        "qrs_duration_ms": 8,
        "qt_interval_ms": 15,
    }
    columns = [name for name in truth if name in found]
    assert len(columns) >= 26
    for name in columns:
        away = found[name] - truth[name]
        if name.endswith("_deg"):
            away = (away + 180) % 360 - 180
        limit = limits.get(name, 15 if name == "qtc_ms" else 10)
        limit = 0.05 if name.endswith("_mv") else limit
        assert away.abs().mean() <= limit, name


def test_sinus_beats_have_no_missing_values_and_fibrillation_no_p(cohort, table):
    no_p = cohort.conditions["atrial_fibrillation"] | cohort.conditions["paced"]
    assert table[~no_p].isna().to_numpy().mean() < 0.03
    assert no_p.sum() >= 5
    assert table.loc[no_p, ["p_duration_ms", "pr_interval_ms"]].isna().all(axis=None)
    assert table.loc[no_p, "qrs_duration_ms"].notna().all()


@pytest.mark.parametrize("rate", [100, 200, 1000])
def test_the_sampling_rate_hardly_matters(cohort, table, rate):
    sinus = np.flatnonzero(table["p_duration_ms"].notna())[:10]
    X = resample_poly(cohort.X[sinus], rate, 500, axis=2)
    away = (measured(X, rate) - table.iloc[sinus].reset_index(drop=True)).abs().mean()
    for name, limit in [
        ("heart_rate_bpm", 0.1),
        ("qrs_duration_ms", 5),
        ("pr_interval_ms", 5),
        ("qt_interval_ms", 5),
        ("r_amplitude_v5_mv", 0.1),
        ("t_amplitude_v5_mv", 0.01),
    ]:
        assert away[name] < limit, name


def test_long_recordings(cohort, table):
    X = resample_poly(np.tile(cohort.X[:1], 6), 2, 1, axis=2)
    long = measured(X, 1000)
    assert X.shape == (1, 12, 60_000)
    assert abs(long["qrs_duration_ms"][0] - table["qrs_duration_ms"][0]) <= 6


def test_corrected_qt_follows_the_published_formulas(table):
    qt, rr = table["qt_interval_ms"], 60 / table["heart_rate_bpm"]
    np.testing.assert_allclose(table["qtc_bazett_ms"], qt / rr**0.5)
    np.testing.assert_allclose(table["qtc_fridericia_ms"], qt / rr ** (1 / 3))
    np.testing.assert_allclose(table["qtc_framingham_ms"], qt + 154 * (1 - rr))
    hodges = qt + 1.75 * (table["heart_rate_bpm"] - 60)
    np.testing.assert_allclose(table["qtc_hodges_ms"], hodges)
    np.testing.assert_allclose(table["jt_interval_ms"], qt - table["qrs_duration_ms"])


def test_voltage_indices_are_sums_of_amplitudes(table):
    r5, r6 = table["r_amplitude_v5_mv"], table["r_amplitude_v6_mv"]
    sokolow = table["s_amplitude_v1_mv"] + np.maximum(r5, r6)
    np.testing.assert_allclose(table["sokolow_lyon_mv"], sokolow)
    cornell = table["r_amplitude_avl_mv"] + table["s_amplitude_v3_mv"]
    np.testing.assert_allclose(table["cornell_voltage_mv"], cornell)


def test_voltages_scale_with_the_ecg_and_intervals_do_not(cohort, table):
    doubled = measured(1.5 * cohort.X[:8], 500)
    # A Q wave counts from a depth in mV on.
    for name in [name for name in table if not name.startswith("q_duration")]:
        factor = 1.5 if "_mv" in name else 1
        expected = factor * table[name][:8]
        np.testing.assert_allclose(doubled[name], expected, atol=1e-3, rtol=2e-2)


def test_every_measurement_is_defined_in_the_documentation():
    doc = inspect.getdoc(ECGMeasurements)
    defined = re.findall(r"``([a-z0-9_*]+)``", doc)
    patterns = [re.compile(name.replace("*", "[a-z0-9]+")) for name in defined]
    for name in ECGMeasurements().get_feature_names_out():
        assert any(pattern.fullmatch(name) for pattern in patterns), name


def test_names_end_in_their_unit():
    units = (
        "ms",
        "bpm",
        "mv",
        "deg",
        "percent",
        "ratio",
        "sin",
        "cos",
        "score",
        "lead",
    )
    for name in ECGMeasurements().get_feature_names_out():
        assert name.endswith((*units, "ratio_2", "ratio_3")), name


def test_preset_paper15_puts_the_published_limits_to_the_measurements(cohort, table):
    flags = measured(cohort.X, 500, preset="paper15")
    full = with_degrees(table)
    assert flags.shape[1] == 15
    known = full["p_duration_ms"].notna()
    for flag, name, limit in [
        ("p_duration_above_120", "p_duration_ms", 120),
        ("pr_interval_above_200", "pr_interval_ms", 200),
        ("qrs_duration_above_100", "qrs_duration_ms", 100),
    ]:
        np.testing.assert_array_equal(flags[flag][known], full[name][known] > limit)
        assert flags[flag].isna().equals(full[name].isna())
    np.testing.assert_array_equal(flags["heart_rate_bpm"], full["heart_rate_bpm"])
    for name in ("lbbb", "rbbb", "lvh"):
        assert roc_auc_score(cohort.conditions[name], flags[name]) > 0.75


def test_scores_of_bundle_branch_blocks_tell_them(cohort, table):
    for name in ("lbbb", "rbbb"):
        assert roc_auc_score(cohort.conditions[name], table[f"{name}_score"]) > 0.95


def test_a_recording_is_measured_alone(cohort, table):
    part = measured(cohort.X[[4, 2]], 500)
    pd.testing.assert_frame_equal(part, table.iloc[[4, 2]].reset_index(drop=True))
    shared = measured(cohort.X[:6], 500, n_jobs=2)
    pd.testing.assert_frame_equal(shared, table[:6])


def test_scikit_learn_contract(cohort):
    transformer = ECGMeasurements(500, preset="full")
    params = transformer.get_params()
    plain = transformer.fit_transform(cohort.X[:3])
    assert isinstance(plain, np.ndarray)
    assert transformer.get_params() == params == clone(transformer).get_params()
    again = pickle.loads(pickle.dumps(transformer)).transform(cohort.X[:3])
    np.testing.assert_array_equal(again, plain)
    before = dict(vars(transformer))
    transformer.transform(cohort.X[:1])
    transformer.quality(cohort.X[:1])
    assert vars(transformer) == before
    assert transformer.transform(cohort.X[:0]).shape == (0, plain.shape[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_rate": -1}, "sampling_rate"),
        ({"sampling_rate": 500, "preset": "some"}, "preset"),
        ({"sampling_rate": 500, "on_error": "ignore"}, "on_error"),
        ({}, "sampling rate is unknown"),
    ],
)
def test_wrong_parameters_are_named(cohort, options, message):
    with pytest.raises(ValueError, match=message):
        ECGMeasurements(**options).fit(cohort.X[:2])


def test_records_bring_their_sampling_rate(cohort, table):
    records = ECGRecords(cohort.X[:3], sampling_rate=500)
    pd.testing.assert_frame_equal(measured(records), table[:3])
    with pytest.raises(ValueError, match="250 Hz.*500 Hz"):
        measured(records, 250)


def test_absent_leads_take_with_them_what_needs_them(cohort, table):
    X = cohort.X[:4].copy()
    X[:, LEADS.index("V5")] = np.nan
    found = measured(X, 500)
    assert found["r_amplitude_v5_mv"].isna().all()
    assert found["qrs_t_angle_spatial_deg"].isna().all()
    away = (found["qrs_duration_ms"] - table["qrs_duration_ms"][:4]).abs()
    assert away.max() <= 8
    reasons = ECGMeasurements(500).quality(X)["reasons"]
    assert reasons.str.contains("absent: V5").all()


def test_limb_leads_are_derived_from_i_and_ii(cohort, table):
    leads = [lead for lead in LEADS if lead not in ("III", "aVR", "aVL", "aVF")]
    X = ECGRecords(cohort.X[:5], 500).select_leads(leads)
    pd.testing.assert_frame_equal(measured(X), table[:5], atol=1e-3, rtol=1e-2)


def bad(kind, ecg):
    """One bad recording (12, T) at 500 Hz."""
    rng, ecg = np.random.default_rng(0), ecg.copy()
    if kind == "flat":
        ecg[:] = 0
    elif kind == "noise":
        ecg = rng.normal(0, 0.1, ecg.shape)
    elif kind == "no beats":
        time = np.arange(ecg.shape[1]) / 500
        ecg[:] = 0.2 * np.sin(2 * np.pi * 6 * time) + rng.normal(0, 0.01, ecg.shape)
    elif kind == "asystole":
        ecg[:, 1500:] = rng.normal(0, 0.005, ecg[:, 1500:].shape)
        ecg[:, :1500] = rng.normal(0, 0.005, ecg[:, :1500].shape)
    elif kind == "one beat":
        ecg = ecg[:, :500]
    elif kind == "short":
        ecg = ecg[:, :300]
    elif kind == "all absent":
        ecg[:] = np.nan
    elif kind == "mostly gaps":
        ecg[:, 1000:4000] = np.nan
    return ecg.astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("flat", "flat.*too few good leads"),
        ("noise", "noisy.*too few good leads"),
        ("asystole", "noisy.*too few good leads"),
        ("no beats", "no QRS"),
        ("short", "shorter"),
        ("all absent", "no lead"),
        ("mostly gaps", "no lead"),
    ],
)
def test_what_cannot_be_measured_is_nan_with_a_reason(cohort, kind, reason):
    X = bad(kind, cohort.X[0])[None]
    assert measured(X, 500).isna().all(axis=None)
    quality = ECGMeasurements(500).quality(X)
    assert re.search(reason, quality["reasons"][0])
    assert quality["score"][0] == 0
    with pytest.raises(ValueError, match="ECG 0 cannot be measured"):
        measured(X, 500, on_error="raise")
    with pytest.warns(UserWarning, match="ECG 0 cannot be measured"):
        measured(X, 500, on_error="warn")


def test_a_single_beat_gives_no_rate_and_no_p(cohort):
    sinus = cohort.conditions.sum(axis=1).to_numpy() == 0
    slow = sinus & (cohort.parameters["heart_rate_bpm"] < 55).to_numpy()
    found = measured(cohort.X[slow][:3, :, :520], 500)
    quality = ECGMeasurements(500).quality(cohort.X[slow][:3, :, :520])
    single = quality["n_beats"] == 1
    assert single.any()
    assert found.loc[single, ["heart_rate_bpm", "qtc_bazett_ms"]].isna().all(axis=None)
    assert quality.loc[single, "reasons"].str.contains("one beat").all()


@pytest.mark.parametrize("unit", [1000.0, 0.001, 200.0])
def test_wrong_units_give_intervals_but_no_amplitudes(cohort, table, unit):
    X = (unit * cohort.X[:4]).astype(np.float32)
    found, quality = measured(X, 500), ECGMeasurements(500).quality(X)
    assert found.filter(like="_mv").isna().all(axis=None)
    away = (found["qrs_duration_ms"] - table["qrs_duration_ms"][:4]).abs()
    assert away.max() <= 2
    assert quality["reasons"].str.contains("not in mV").all()


def test_short_gaps_are_interpolated_and_said(cohort, table):
    X = cohort.X[:4].copy()
    X[:, :, 1000:1150] = np.nan
    away = (measured(X, 500) - table[:4]).abs()
    assert away["qrs_duration_ms"].max() <= 6
    reasons = ECGMeasurements(500).quality(X)["reasons"]
    assert reasons.str.contains("gaps interpolated").all()


def test_a_noisy_lead_is_left_out(cohort):
    X = cohort.X[:4].copy()
    X[:, 6] += np.random.default_rng(0).normal(0, 2, X[:, 6].shape)
    found = measured(X, 500)
    assert found["s_amplitude_v1_mv"].isna().all()
    assert ECGMeasurements(500).quality(X)["reasons"].str.contains("noisy: V1").all()


@pytest.mark.realdata
def test_measurements_agree_with_labels(ecgdan_data):
    """PTB-XL: the intervals against what cardiologists wrote."""
    ptbxl = load_ptbxl(ecgdan_data / "ptbxl", sampling_rate=500)
    found = measured(ptbxl.X, None if isinstance(ptbxl.X, ECGRecords) else 500)
    codes = [set(record) for record in ptbxl.scp_codes]

    def has(*names):
        return np.array([bool(record & set(names)) for record in codes])

    assert found["qrs_duration_ms"].notna().mean() >= 0.97
    wide = found["qrs_duration_ms"] >= 120
    assert wide[has("CLBBB", "CRBBB")].mean() >= 0.8
    assert wide[has("NORM")].mean() <= 0.05
    assert found["pr_interval_ms"].isna()[has("AFIB")].mean() >= 0.8
    long = found["pr_interval_ms"] > 200
    assert long[has("1AVB")].mean() >= 0.75
    # One V1 is bad.
    known = found["sokolow_lyon_mv"].notna()
    assert known.sum() == len(found) - 1
    for name, column, least in [
        ("LVH", "sokolow_lyon_mv", 0.75),
        ("CRBBB", "rbbb_score", 0.95),
    ]:
        assert roc_auc_score(has(name)[known], found[column][known]) > least


def test_an_ecg_is_measured_once(monkeypatch):
    forget()
    measured, measure_one = [], _measurements._measure_one

    def counted(*arguments):
        measured.append(arguments)
        return measure_one(*arguments)

    monkeypatch.setattr(_measurements, "_measure_one", counted)
    X = make_ecg_cohort(4, sampling_rate=100, event_rate=0.5, random_state=3).X
    first = ECGMeasurements(100).fit(X).transform(X)
    again = ECGMeasurements(100).fit(X[2:]).transform(X[2:])
    assert len(measured) == 4
    np.testing.assert_array_equal(again, first[2:])
    ECGMeasurements(100, preset="paper15").fit(X).transform(X)
    changed = X + np.float32(0.01)
    ECGMeasurements(100).fit(X).transform(changed)
    assert len(measured) == 12
    forget()

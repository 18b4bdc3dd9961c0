import subprocess
import sys
import zlib

import numpy as np
import pandas as pd
import pytest
from scipy.signal import find_peaks
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.linear_model import CoxPHSurvivalAnalysis

from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.records import LEADS
from ecgdan_sk.records._signal_checks import check_ecg, check_training_ecg

I, II, III, AVR, AVL, AVF, V1, V2, V3, V4, V5, V6 = range(12)


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(2000, random_state=0)


@pytest.fixture(scope="module")
def clean():
    return make_ecg_cohort(400, sampling_rate=500, noise=0, random_state=1)


def beats(cohort, i, height=0.4):
    """QRS of recording i by slope, as samples."""
    slope = np.abs(np.diff(cohort.X[i], axis=1)).sum(axis=0)
    distance = int(0.25 * cohort.sampling_rate)
    return find_peaks(slope, height=height * slope.max(), distance=distance)[0]


def only(conditions, name=None):
    """Positions of the ECGs with this condition alone, or with none."""
    wanted = conditions.any(axis=1) if name is None else ~conditions[name]
    others = conditions.drop(columns=[name] if name else []).any(axis=1)
    return np.flatnonzero(~wanted & ~others)


def cox_scores(table, y):
    """C-index of a Cox model over five folds."""
    cox = make_pipeline(
        SimpleImputer(), StandardScaler(), CoxPHSurvivalAnalysis(alpha=1.0)
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(table, y["event"])
    return np.mean(
        [
            concordance_index(
                y[test], cox.fit(table.iloc[train], y[train]).predict(table.iloc[test])
            )
            for train, test in folds
        ]
    )


def test_cohort_is_what_estimators_take(cohort):
    assert cohort.X.shape == (2000, 12, 1000)
    assert cohort.X.dtype == np.float32
    check_training_ecg(check_ecg(cohort.X), LEADS)
    assert cohort.y["event"].sum() == 200
    for name in ("parameters", "covariates", "morphology", "conditions"):
        assert cohort[name].index.equals(pd.RangeIndex(2000)), name
    for name in ("log_risk", "rhythm", "scp_codes", "reports", "report_language"):
        assert len(cohort[name]) == 2000, name
    assert "Simulated" in cohort.DESCR


@pytest.mark.parametrize("noise", [0, 1, 5])
def test_limb_leads_obey_einthoven_and_goldberger(noise):
    X = make_ecg_cohort(60, noise=noise, random_state=2).X
    rounding = 4 * np.finfo(np.float32).eps * np.abs(X).max()
    assert np.abs(X[:, III] - (X[:, II] - X[:, I])).max() <= rounding
    assert np.abs(X[:, AVR] + (X[:, I] + X[:, II]) / 2).max() <= rounding
    assert np.abs(X[:, AVL] - (X[:, I] - X[:, III]) / 2).max() <= rounding
    assert np.abs(X[:, AVF] - (X[:, II] + X[:, III]) / 2).max() <= rounding


def test_clean_ecg_is_a_dipole(clean):
    singular = np.linalg.svd(clean.X[:20].astype(float), compute_uv=False)
    assert (singular[:, 3] < 1e-5 * singular[:, 0]).all()


def test_noise_grows_with_its_argument():
    quiet, usual, loud = (
        make_ecg_cohort(100, noise=noise, random_state=3).X for noise in (0, 1, 2)
    )
    # The hearts are the same.
    assert (loud - quiet).std() == pytest.approx(2 * (usual - quiet).std(), rel=1e-3)
    assert 0.02 < (usual - quiet).std() < 0.12


def test_random_state_decides_every_bit():
    first, again, other = (
        make_ecg_cohort(300, duration=4, random_state=seed) for seed in (0, 0, 1)
    )
    assert first.X.tobytes() == again.X.tobytes()
    assert first.y.tobytes() == again.y.tobytes()
    pd.testing.assert_frame_equal(first.parameters, again.parameters)
    assert first.reports == again.reports
    assert first.scp_codes == again.scp_codes
    assert first.X.tobytes() != other.X.tobytes()


def test_same_cohort_in_another_process():
    code = (
        "from ecgdan_sk.datasets import make_ecg_cohort; import zlib;"
        "print(zlib.crc32(make_ecg_cohort(20, random_state=4).X.tobytes()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    here = zlib.crc32(make_ecg_cohort(20, random_state=4).X.tobytes())
    assert int(run.stdout) == here


def test_callers_generator_is_left_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    make_ecg_cohort(5, random_state=0)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    ("sampling_rate", "duration"),
    [(100, 1.2), (1000, 1.2), (100, 60), (1000, 60), (257.5, 10)],
)
def test_any_usual_rate_and_length(sampling_rate, duration):
    cohort = make_ecg_cohort(
        4, sampling_rate=sampling_rate, duration=duration, random_state=0
    )
    assert cohort.X.shape == (4, 12, round(sampling_rate * duration))
    assert np.isfinite(cohort.X).all()
    assert (cohort.X.std(axis=2) > 0.01).all()


def test_a_rate_is_only_a_way_of_sampling():
    fine = make_ecg_cohort(50, sampling_rate=1000, noise=0, random_state=5)
    coarse = make_ecg_cohort(50, sampling_rate=250, noise=0, random_state=5)
    # Fibrillatory waves are drawn in another order.
    same = fine.rhythm != "atrial fibrillation"
    difference = np.abs(fine.X[same][:, :, ::4] - coarse.X[same])
    assert difference.max() < 1e-3
    assert (fine.y == coarse.y).all()
    pd.testing.assert_frame_equal(fine.parameters, coarse.parameters)


@pytest.mark.parametrize(
    ("risk", "low", "high"),
    [("parameters", 0.80, 0.86), ("morphology", 0.80, 0.85), ("both", 0.87, 0.92)],
)
def test_true_risk_orders_as_strong_predictors_do(risk, low, high):
    cohort = make_ecg_cohort(4000, duration=1.2, noise=0, risk=risk, random_state=6)
    assert low < concordance_index(cohort.y, cohort.log_risk) < high


def test_parameter_risk_is_linear_in_parameters():
    cohort = make_ecg_cohort(500, duration=1.2, risk="parameters", random_state=7)
    table = cohort.parameters.dropna(axis=1)
    fit = LinearRegression().fit(table, cohort.log_risk)
    assert fit.score(table, cohort.log_risk) == pytest.approx(1.0)


def test_cox_on_parameters_reaches_the_truth_where_they_carry_the_risk(cohort):
    cohort = make_ecg_cohort(2000, risk="parameters", duration=1.2, random_state=0)
    truth = concordance_index(cohort.y, cohort.log_risk)
    assert cox_scores(cohort.parameters, cohort.y) > truth - 0.03


def test_cox_on_parameters_is_at_chance_where_morphology_carries_the_risk():
    cohort = make_ecg_cohort(
        4000, duration=1.2, noise=0, event_rate=0.3, risk="morphology", random_state=0
    )
    table = cohort.parameters.join(cohort.covariates)
    # One SD of the C-index of chance at 1200 events is about 0.01.
    assert cox_scores(table, cohort.y) == pytest.approx(0.5, abs=0.03)


def test_morphology_is_independent_of_all_that_is_measured():
    cohort = make_ecg_cohort(5000, duration=1.2, noise=0, random_state=8)
    table = cohort.parameters.join(cohort.covariates).join(cohort.conditions)
    filled = SimpleImputer().fit_transform(table)
    squares = np.column_stack([filled, filled**2])
    for name in cohort.morphology:
        correlation = np.corrcoef(squares.T, cohort.morphology[name])[-1, :-1]
        # 80 correlations of SD 0.014.
        assert np.nanmax(np.abs(correlation)) < 0.06, name


def test_shapes_leave_amplitudes_exactly_in_place(clean):
    """The lowest and highest points of QRS do not depend on how R falls."""
    from ecgdan_sk.datasets._simulation._parameters import true_parameters
    from ecgdan_sk.datasets._simulation._patients import draw_patients
    from ecgdan_sk.datasets._simulation._waves import draw_waves

    tables = []
    for shape in (-2.0, 2.0):
        patients = draw_patients(300, np.random.default_rng(0))
        patients["st_t_doming"] = patients["qrs_slurring"] = shape
        waves = draw_waves(patients, np.random.default_rng(1))
        tables.append(true_parameters(patients, waves, np.zeros((300, 1)), 10.0))
    axes = ["qrs_axis_deg"]  # an axis of a net deflection of nearly nothing may turn
    difference = (tables[0] - tables[1]).drop(columns=axes).abs()
    # Up to the grid on which the QRS is read, and the foot of ST within the QRS.
    assert difference.max().max() < 0.06
    assert difference.mean().max() < 1e-3


@pytest.mark.parametrize("name", ["st_t_doming", "qrs_slurring"])
def test_morphology_shows_in_the_ecg(cohort, name):
    """Beats aligned at their steepest point tell the shape, at 100 Hz with noise."""
    sinus = only(cohort.conditions)
    before, after = 4, 45
    table = []
    for i in sinus:
        peaks = beats(cohort, i)
        peaks = peaks[(peaks > before) & (peaks < 1000 - after)]
        windows = cohort.X[i][:, peaks[:, None] + np.arange(-before, after)]
        beat = np.median(windows, axis=1)
        beat = beat - beat[:, :2].mean(axis=1, keepdims=True)
        table.append((beat[[II, V2, V4, V5]] / np.ptp(beat[V4])).ravel())
    table, shape = np.array(table), cohort.morphology[name].to_numpy()[sinus]
    half = len(sinus) // 2
    fit = make_pipeline(StandardScaler(), LinearRegression()).fit(
        table[:half], shape[:half]
    )
    assert np.corrcoef(fit.predict(table[half:]), shape[half:])[0, 1] > 0.5


def test_rate_is_that_of_the_beats_seen(clean):
    for i in only(clean.conditions)[:40]:
        peaks = beats(clean, i)
        rate = 60 * clean.sampling_rate * (len(peaks) - 1) / np.ptp(peaks)
        # A beat cut by an end of the recording may be seen by one and not the other.
        assert rate == pytest.approx(clean.parameters["heart_rate_bpm"][i], abs=1.5)


def test_stated_intervals_are_those_of_the_waves(clean):
    """The dipole crosses 5 per cent of the peaks at the stated onsets and offsets."""
    fs = clean.sampling_rate
    errors = []
    for i in only(clean.conditions):
        p = clean.parameters.loc[i]
        magnitude = np.linalg.norm(clean.X[i][[I, II, V1, V2, V3, V4, V5, V6]], axis=0)
        peak = beats(clean, i)[3]
        # The PR segment is flat and the ST segment nearly so.
        low = magnitude < 0.05 * magnitude[peak - 10 : peak + 10].max()
        onset = peak - np.argmax(low[peak::-1]) + 1
        offset = peak + np.argmax(low[peak:]) - 1
        t = magnitude[offset : onset + int((p["qt_interval_ms"] + 40) * fs / 1000)]
        if offset - onset > 0.14 * fs:
            continue  # the level of ST hides where the QRS ends
        top = 30 + t[30:].argmax()
        end = offset + top + np.argmax(t[top:] < 0.05 * t[top])
        widths = 1000 / fs * np.array([offset - onset, end - onset])
        errors.append(widths - p[["qrs_duration_ms", "qt_interval_ms"]])
    median = np.median(errors, axis=0)
    # The waves at the edges of the QRS are lower than its peak, on which 5 per cent
    # are taken here, so that it seems shorter.
    assert -10 < median[0] < 0
    assert -5 < median[1] < 5
    assert (np.percentile(np.abs(errors), 95, axis=0) < 13).all()


def test_amplitudes_are_those_of_the_recording(clean):
    for i in only(clean.conditions)[:60]:
        p, X = clean.parameters.loc[i], clean.X[i]
        # Every beat differs by up to 5 per cent.
        highest = max(p["r_amplitude_v5_mv"], p["t_amplitude_v5_mv"])
        assert X[V5].max() == pytest.approx(highest, rel=0.06, abs=0.02)
        assert -X[V1].min() == pytest.approx(p["s_amplitude_v1_mv"], rel=0.06, abs=0.02)


def test_r_wave_grows_from_v1_to_v4(clean):
    normal = only(clean.conditions)
    highest = clean.X[normal][:, V1:].max(axis=2)
    assert (np.diff(np.median(highest, axis=0)[:4]) > 0).all()
    deepest = -clean.X[normal][:, V1:].min(axis=2)
    above = np.median(highest - deepest, axis=0)
    assert above[0] < 0 < above[4]
    # T goes with the QRS in the lateral leads.
    assert (clean.parameters["t_amplitude_v5_mv"][normal] > 0).mean() > 0.98


def test_fibrillation_has_no_p_wave_and_no_regular_beat(cohort):
    fibrillating = np.flatnonzero(cohort.rhythm == "atrial fibrillation")
    assert cohort.parameters["pr_interval_ms"][fibrillating].isna().all()
    assert cohort.parameters["p_axis_deg"][fibrillating].isna().all()
    irregularity = [
        np.std(rr) / np.mean(rr)
        for rr in (np.diff(beats(cohort, i)) for i in only(cohort.conditions)[:80])
    ]
    fibrillation = [
        np.std(rr) / np.mean(rr)
        for rr in (np.diff(beats(cohort, i)) for i in fibrillating[:80])
    ]
    assert np.median(fibrillation) > 3 * np.median(irregularity)


def test_blocks_look_like_blocks(cohort):
    qrs = cohort.parameters["qrs_duration_ms"]
    left, right = only(cohort.conditions, "lbbb"), only(cohort.conditions, "rbbb")
    assert (qrs[left] > 120).all()
    assert (qrs[right] > 120).all()
    assert (qrs[only(cohort.conditions)] < 120).all()
    # Discordant T and QS in V1 in LBBB, a tall R' in V1 in RBBB.
    p = cohort.parameters
    assert (p["t_amplitude_v5_mv"][left] < 0).mean() > 0.9
    assert (
        p["s_amplitude_v1_mv"][left] > 3 * p["r_amplitude_v1_mv"][left]
    ).mean() > 0.9
    normal = only(cohort.conditions)
    assert (
        p["r_amplitude_v1_mv"][right].median()
        > 1.5 * p["r_amplitude_v1_mv"][normal].median()
    )


def test_hypertrophy_is_high_and_low_voltage_low(cohort):
    p, c = cohort.parameters, cohort.conditions
    sokolow = p["s_amplitude_v1_mv"] + p["r_amplitude_v5_mv"]
    assert sokolow[c["lvh"]].median() > 1.4 * sokolow[only(c)].median()
    low = only(c, "low_voltage")
    assert (np.ptp(cohort.X[low][:, :3], axis=2) < 1.2).mean() > 0.9
    assert sokolow[low].median() < 0.6 * sokolow[only(c)].median()
    assert (p["t_amplitude_v5_mv"][c["strain"] & ~c["paced"]] < 0).mean() > 0.9


def test_infarction_leaves_q_waves_in_its_territory():
    cohort = make_ecg_cohort(1500, sampling_rate=250, noise=0, random_state=9)
    inferior = only(cohort.conditions, "inferior_infarction")
    anterior = only(cohort.conditions, "anterior_infarction")
    normal = only(cohort.conditions)
    foot = cohort.X[:, AVF].min(axis=1)
    assert np.median(foot[inferior]) < 1.5 * np.median(foot[normal])
    # QS instead of rS in V2.
    highest = cohort.X[:, V2].max(axis=1)
    assert np.median(highest[anterior]) < 0.5 * np.median(highest[normal])


def test_pacing_spikes_are_there_at_any_rate():
    for sampling_rate in (100, 500):
        cohort = make_ecg_cohort(
            800, sampling_rate=sampling_rate, duration=3, noise=0, random_state=10
        )
        paced = np.flatnonzero(cohort.rhythm == "paced")
        assert len(paced) > 5
        assert cohort.parameters["pr_interval_ms"][paced].isna().all()
        assert np.abs(np.diff(cohort.X[paced][:, II], axis=1)).max(1).min() > 0.15


def test_ectopic_beats_come_early():
    cohort = make_ecg_cohort(800, sampling_rate=250, noise=0, random_state=11)
    for name in ("pvc", "pac"):
        early = []
        for i in only(cohort.conditions, name):
            rr = np.diff(beats(cohort, i, height=0.2))
            early.append(rr.min() / np.median(rr))
        assert np.median(early) < 0.8, name


def test_conditions_go_with_age_and_sex():
    cohort = make_ecg_cohort(6000, duration=1.2, noise=0, random_state=12)
    age, sex = cohort.covariates["age"], cohort.covariates["sex"]
    assert set(sex) == {0, 1}
    assert age.between(18, 95).all()
    c, p = cohort.conditions, cohort.parameters
    for name in ("atrial_fibrillation", "lbbb", "rbbb", "av_block_1", "paced"):
        assert age[c[name]].mean() > age.mean() + 3, name
    assert (sex[c["inferior_infarction"]] == 0).mean() > 0.6
    assert p["qtc_ms"][sex == 1].mean() > p["qtc_ms"][sex == 0].mean() + 5
    assert p["pr_interval_ms"].corr(age) > 0.1
    assert 0.02 < c["atrial_fibrillation"].mean() < 0.12


def test_statements_say_what_the_ecg_shows(cohort):
    c, codes = cohort.conditions, cohort.scp_codes
    named = pd.DataFrame(
        {
            code: [code in d for d in codes]
            for code in (
                "CLBBB",
                "CRBBB",
                "1AVB",
                "LVH",
                "IMI",
                "AFIB",
                "PACE",
                "PVC",
                "PAC",
                "LVOLT",
            )
        }
    )
    for code, name in [
        ("CLBBB", "lbbb"),
        ("CRBBB", "rbbb"),
        ("1AVB", "av_block_1"),
        ("LVH", "lvh"),
        ("IMI", "inferior_infarction"),
        ("AFIB", "atrial_fibrillation"),
        ("PACE", "paced"),
        ("PVC", "pvc"),
        ("PAC", "pac"),
        ("LVOLT", "low_voltage"),
    ]:
        assert (named[code] == c[name]).all(), code
    prolonged = cohort.parameters["pr_interval_ms"] > 200
    assert (prolonged == named["1AVB"]).all()
    assert all(
        ("AMI" in d or "ASMI" in d) == anterior
        for d, anterior in zip(codes, c["anterior_infarction"])
    )


def test_statements_have_the_likelihoods_of_ptbxl(cohort):
    rhythms = {"SR", "SBRAD", "STACH", "SARRH", "AFIB", "PACE"}
    without = rhythms | {
        "PVC",
        "PAC",
        "ABQRS",
        "QWAVE",
        "VCLVH",
        "LVOLT",
        "STD_",
        "INVT",
        "LOWT",
    }
    diagnoses = {"NORM", "IMI", "AMI", "ASMI", "LVH", "CLBBB", "CRBBB"}
    for codes in cohort.scp_codes:
        assert len(rhythms & set(codes)) == 1
        assert {codes[code] for code in without & set(codes)} <= {0.0}
        assert set(codes.values()) <= {0.0, 50.0, 80.0, 100.0}
        if "NORM" in codes:
            assert not (diagnoses - {"NORM"}) & set(codes)
    normal = np.mean(["NORM" in codes for codes in cohort.scp_codes])
    assert 0.35 < normal < 0.65


@pytest.mark.realdata
def test_statements_are_in_ptbxls_list(cohort, ecgdan_data):
    table = pd.read_csv(ecgdan_data / "ptbxl" / "scp_statements.csv", index_col=0)
    assert {code for codes in cohort.scp_codes for code in codes} <= set(table.index)


def test_reports_are_varied_and_say_what_the_statements_say(cohort):
    assert len(set(cohort.reports)) > 1000
    assert set(cohort.report_language) == {"en", "de"}
    assert all(report.strip() for report in cohort.reports)
    words = {
        ("CLBBB", "de"): ("linksschenkelblock", "lsb"),
        ("CLBBB", "en"): ("left bundle branch", "lbbb"),
        ("AFIB", "de"): ("vorhofflimmern",),
        ("AFIB", "en"): ("atrial fibrillation",),
        ("LVH", "de"): ("hypertrophie",),
        ("LVH", "en"): ("hypertrophy", "lvh"),
    }
    for codes, report, language in zip(
        cohort.scp_codes, cohort.reports, cohort.report_language
    ):
        for code in ("CLBBB", "AFIB", "LVH"):
            said = any(word in report.lower() for word in words[code, language])
            assert said == (code in codes), report


def test_statements_do_not_give_the_risk_away(cohort):
    table = pd.DataFrame([dict.fromkeys(codes, 1) for codes in cohort.scp_codes])
    table = table.fillna(0)
    fit = LinearRegression().fit(table, cohort.log_risk)
    assert fit.score(table, cohort.log_risk) < 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1, got 0"),
        ({"n_samples": 2.5}, TypeError, "n_samples must be an integer, got 2.5"),
        (
            {"sampling_rate": 50},
            ValueError,
            "sampling_rate must be finite and at least",
        ),
        ({"sampling_rate": "100"}, TypeError, "sampling_rate must be a number"),
        ({"duration": 1.0}, ValueError, "duration must be finite and at least 1.2 s"),
        ({"duration": np.inf}, ValueError, "duration must be finite"),
        ({"noise": -1}, ValueError, "noise must be finite and at least 0"),
        ({"noise": np.nan}, ValueError, "noise must be finite"),
        ({"event_rate": 0}, ValueError, "event_rate must be above 0"),
        ({"event_rate": 1.5}, ValueError, "event_rate must be above 0"),
        ({"risk": "shape"}, ValueError, "risk must be one of parameters, morphology"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_ecg_cohort(**({"n_samples": 5} | arguments))

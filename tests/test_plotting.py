import re

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sksurv.datasets import load_whas500
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

plt = pytest.importorskip("matplotlib.pyplot")

from ecgdan_sk import DualAttentionSurvival  # noqa: E402
from ecgdan_sk.architectures import Compact  # noqa: E402
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort  # noqa: E402
from ecgdan_sk.explain import attention_maps, compare_groups  # noqa: E402
from ecgdan_sk.metrics import cumulative_dynamic_auc, net_benefit  # noqa: E402
from ecgdan_sk.model_selection import out_of_fold  # noqa: E402
from ecgdan_sk.plotting import (  # noqa: E402
    AttentionDisplay,
    CalibrationDisplay,
    DecisionCurveDisplay,
    ECGDisplay,
    EmbeddingDisplay,
    GroupDifferenceDisplay,
    KaplanMeierDisplay,
    MeasurementDisplay,
    SurvivalCurveDisplay,
    TimeDependentAUCDisplay,
    TrainingCurveDisplay,
)
from ecgdan_sk.records import (  # noqa: E402
    LEADS,
    ECGRecords,
    LazySignals,  # noqa: E402
)

MM = 25.4  # per inch


@pytest.fixture(autouse=True)
def _no_open_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        80, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )


@pytest.fixture(scope="module")
def network(cohort):
    model = DualAttentionSurvival(n_members=2, max_epochs=3, random_state=0)
    return model.fit(cohort.X, cohort.y)


@pytest.fixture(scope="module")
def whas():
    X, y = load_whas500()
    return X[["age", "bmi", "hr"]].to_numpy(dtype=float), y


@pytest.fixture(scope="module")
def cox(whas):
    X, y = whas
    return CoxPHSurvivalAnalysis().fit(X[:250], y[:250])


def texts(ax):
    return [text.get_text() for text in ax.texts]


def flat(n=1, rate=100, seconds=10):
    return np.zeros((n, 12, rate * seconds), np.float32)


# ECG paper


@pytest.mark.parametrize("dpi", [100, 254])
def test_a_saved_ecg_has_its_true_size(tmp_path, dpi):
    image_module = pytest.importorskip("PIL.Image")
    X = flat(rate=500)
    X[0, 1, 1000] = 2.0  # 2 mV at 2 s
    X[0, 1, 4000] = 2.0  # and at 8 s
    figure = ECGDisplay.from_signals(X, sampling_rate=500).figure_
    figure.savefig(tmp_path / "ecg.png", dpi=dpi)
    with image_module.open(tmp_path / "ecg.png") as image:
        assert image.info["dpi"] == pytest.approx((dpi, dpi), rel=1e-3)
        assert image.width / dpi * MM == pytest.approx(270, abs=0.3)
        dark = np.asarray(image.convert("L")) < 60
    mm_per_pixel = MM / dpi
    # The rhythm strip lies in the lowest 52 mm, but for the scale in words below it.
    strip = dark[-round(52 / mm_per_pixel) : -round(8 / mm_per_pixel)]
    spikes = strip[: round(8 / mm_per_pixel)]
    columns = np.flatnonzero(spikes.any(axis=0)) * mm_per_pixel
    assert np.ptp(columns) == pytest.approx(6 * 25, abs=0.6)
    column = strip[:, round(columns[0] / mm_per_pixel)]
    assert np.ptp(np.flatnonzero(column)) * mm_per_pixel == pytest.approx(20, abs=0.8)
    pulse = strip[:, : round(14 / mm_per_pixel)]
    height = np.ptp(np.flatnonzero(pulse.any(axis=1))) * mm_per_pixel
    assert height == pytest.approx(10, abs=0.6)


def test_a_pdf_has_a_page_of_true_size_for_each_ecg(tmp_path):
    ECGDisplay.save_pdf(tmp_path / "ecg.pdf", flat(3), sampling_rate=100)
    pdf = (tmp_path / "ecg.pdf").read_bytes()
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    points = np.array(boxes, dtype=float)
    assert points / 72 * MM == pytest.approx(np.tile([270, 150], (3, 1)), abs=0.1)
    assert not plt.get_fignums()


def test_a_pdf_of_a_large_cohort_is_read_one_ecg_at_a_time(tmp_path, monkeypatch):
    happened = []

    def read(key):
        if happened[-1:] != [key]:
            happened.append(key)
        return flat()[0]

    def written(pdf, figure):
        happened.append("page")

    monkeypatch.setattr("matplotlib.backends.backend_pdf.PdfPages.savefig", written)
    X = LazySignals(read, [0, 1, 2], (12, 1000))
    ECGDisplay.save_pdf(tmp_path / "ecg.pdf", X, sampling_rate=100)
    assert happened == [0, "page", 1, "page", 2, "page"]


def test_leads_and_absent_leads_are_named():
    X = flat()
    X[0, 4] = np.nan
    display = ECGDisplay.from_signals(X, sampling_rate=100)
    named = texts(display.ax_)
    assert "aVL  absent" in named
    assert set(LEADS) - set(named) == {"aVL"}
    assert named.count("II") == 2  # with the rhythm strip
    without = ECGRecords(X[:, [0, 6]], 100, ["I", "V1"])
    named = texts(ECGDisplay.from_signals(without, layout="12x1").ax_)
    assert sum("absent" in name for name in named) == 10


def test_an_ecg_without_any_lead_is_drawn_as_that():
    X = np.full_like(flat(), np.nan)
    named = texts(ECGDisplay.from_signals(X, sampling_rate=100).ax_)
    assert sum("absent" in name for name in named) == 13


def test_a_gap_stays_a_gap():
    X = flat()
    X[0, 1, 100:120] = np.nan
    ax = ECGDisplay.from_signals(X, sampling_rate=100).ax_
    gaps = [np.isnan(line.get_ydata()).sum() for line in ax.lines]
    assert sorted(gaps)[-2:] == [20, 20]


def test_columns_follow_each_other_in_time():
    X = flat()
    X[0, :, 600] = 1.0  # at 6 s, in the third of four columns of 2.5 s
    ax = ECGDisplay.from_signals(X, sampling_rate=100).ax_
    peaks = [line.get_xdata()[line.get_ydata().argmax()] for line in ax.lines]
    high = [x for x, line in zip(peaks, ax.lines) if len(line.get_xdata()) > 100]
    assert sum(x == pytest.approx(15 + 6 * 25) for x in high) == 4


def test_a_high_voltage_stays_on_the_paper():
    X = flat()
    X[0, 9, ::80] = 5.0
    ax = ECGDisplay.from_signals(X, sampling_rate=100).ax_
    highest = max(line.get_ydata().max() for line in ax.lines)
    assert highest < ax.get_ylim()[1] - 5


def test_several_ecgs_share_a_picture_at_true_size():
    display = ECGDisplay.from_signals(flat(5), sampling_rate=100)
    assert len(display.axes_) == 5
    width, height = display.figure_.get_size_inches() * MM
    assert (width, height) == pytest.approx((540, 450))
    box = display.axes_[3].get_position()
    assert box.width * width == pytest.approx(270)


def test_an_ecg_is_drawn_on_an_axes_that_is_given():
    _, ax = plt.subplots()
    assert ECGDisplay.from_signals(flat(), sampling_rate=100, ax=ax).ax_ is ax
    with pytest.raises(ValueError, match="An Axes holds one ECG, got 2"):
        ECGDisplay.from_signals(flat(2), sampling_rate=100, ax=ax)


@pytest.mark.parametrize(
    ("X", "rate", "layout", "message"),
    [
        (flat()[0], 100, "3x4", r"sample axis.*signals\[None\]"),
        (flat(201), 100, "3x4", "at most 200 ECGs, got 201.*save_pdf"),
        (flat(0), 100, "3x4", "X is empty"),
        (flat(), None, "3x4", "sampling rate is unknown"),
        (flat(), 100, "6x2", "'3x4' or '12x1', got '6x2'"),
        (flat() + np.inf, 100, "3x4", "infinity"),
        (1000 * np.sin(np.arange(1000)) + flat(), 100, "3x4", "microvolts"),
    ],
)
def test_what_cannot_be_drawn_is_refused(X, rate, layout, message):
    with pytest.raises(ValueError, match=message):
        ECGDisplay.from_signals(X, sampling_rate=rate, layout=layout)


# Measurements


def test_fiducials_stand_where_they_were_measured():
    cohort = make_ecg_cohort(1, sampling_rate=500, random_state=0)
    display = MeasurementDisplay.from_signals(cohort.X, sampling_rate=500)
    duration = display.measurements["qrs_duration_ms"]
    assert f"QRS {duration:.0f} ms" in " ".join(texts(display.ax_))
    bands = [c.get_paths()[0].get_extents() for c in display.ax_.collections[2:]]
    widths = [band.width for band in bands]
    assert min(abs(np.array(widths) - duration / 1000 * 50)) < 0.05


def test_an_ecg_without_beats_cannot_be_measured():
    with pytest.raises(ValueError, match="ECG 0 cannot be measured.*ECGDisplay"):
        MeasurementDisplay.from_signals(flat(), sampling_rate=100)
    with pytest.raises(ValueError, match="no ECG 3 among 1"):
        MeasurementDisplay.from_signals(flat(), 3, sampling_rate=100)


def test_what_stands_in_the_way_of_measuring_is_said():
    X = make_ecg_cohort(1, sampling_rate=250, random_state=0).X.copy()
    X[0, 8] = np.nan
    display = MeasurementDisplay.from_signals(X, sampling_rate=250)
    assert any("absent: V3" in text for text in texts(display.ax_))
    assert "V3  absent" in texts(display.ax_)


# Attention


def test_attention_of_an_estimator_is_that_of_its_explanation(network, cohort):
    display = AttentionDisplay.from_estimator(
        network, cohort.X, 3, sampling_rate=cohort.sampling_rate
    )
    maps = attention_maps(network, cohort.X[:5])
    again = AttentionDisplay.from_explanation(maps, cohort.X[:5], 3, sampling_rate=100)
    assert list(display.axes_) == ["temporal", "cross_lead", "lead_importance"]
    for name in display.axes_:
        one, other = getattr(display, name), getattr(again, name)
        assert one == pytest.approx(other, rel=1e-4)


def test_heads_are_averaged(network, cohort):
    X = cohort.X[:2]
    maps = [attention_maps(network, X, per_head=apart) for apart in (False, True)]
    mean, heads = (
        AttentionDisplay.from_explanation(m, X, 1, sampling_rate=100) for m in maps
    )
    for name in mean.axes_:
        assert getattr(mean, name) == pytest.approx(getattr(heads, name), rel=1e-4)


def test_a_panel_is_drawn_alone(network, cohort):
    maps = attention_maps(network, cohort.X[:1])
    rate = {"sampling_rate": 100}
    _, ax = plt.subplots()
    display = AttentionDisplay.from_explanation(
        maps, cohort.X, panel="lead_importance", ax=ax, **rate
    )
    assert display.axes_ == {"lead_importance": ax}
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx(maps.lead_importance[0])
    with pytest.raises(ValueError, match="An Axes holds one panel"):
        display.plot(ax)
    with pytest.raises(ValueError, match="Expected a panel of temporal.*'heads'"):
        display.plot(panel="heads")


def test_absent_leads_have_no_attention(network, cohort):
    X = cohort.X[:1].copy()
    X[0, 2] = np.nan
    display = AttentionDisplay.from_estimator(network, X, sampling_rate=100)
    assert "III  absent" in texts(display.axes_["temporal"])
    assert " absent" in texts(display.axes_["lead_importance"])


def test_attention_needs_maps_that_fit():
    with pytest.raises(ValueError, match="nothing to draw"):
        AttentionDisplay(LEADS)
    with pytest.raises(ValueError, match=r"cross_lead of shape \(12, 12\), got \(3, 3"):
        AttentionDisplay(LEADS, cross_lead=np.eye(3))
    with pytest.raises(ValueError, match="behind the ECG"):
        AttentionDisplay(LEADS, temporal=np.ones((12, 100)))


@pytest.mark.parametrize("peak", [1.2, 9.0])
def test_attention_that_is_nearly_even_says_so(cohort, peak):
    temporal = np.ones((12, 250))
    temporal[:, 0] = peak
    display = AttentionDisplay(
        LEADS, temporal=temporal, ecg=cohort.X[0], sampling_rate=100
    ).plot()
    said = " ".join(text.get_text() for text in display.axes_["temporal"].texts)
    assert ("nearly even" in said) == (peak < 1.5)


def test_a_map_that_was_switched_off_is_said_not_to_exist(cohort):
    model = DualAttentionSurvival(
        architecture=Compact(temporal_attention=False),
        n_members=1,
        max_epochs=1,
        random_state=0,
    ).fit(cohort.X, cohort.y)
    with pytest.raises(ValueError, match="temporal map does not exist"):
        AttentionDisplay.from_estimator(model, cohort.X, sampling_rate=100)
    display = AttentionDisplay.from_estimator(
        model, cohort.X, sampling_rate=100, maps=("cross_lead",)
    )
    assert list(display.axes_) == ["cross_lead", "lead_importance"]


def test_group_differences_are_marked_where_they_are_significant(network, cohort):
    maps = attention_maps(network, cohort.X[:20])
    groups = np.arange(20) < 10
    comparison = compare_groups(maps, groups, n_permutations=99, random_state=0)
    display = GroupDifferenceDisplay.from_comparison(comparison)
    n_dots = len(display.ax_.lines[0].get_xdata())
    assert display.leads == LEADS
    assert n_dots == (comparison.p_value < 0.05).sum()
    leads_alone = compare_groups(
        maps.lead_importance, groups, n_permutations=9, random_state=0
    )
    with pytest.raises(ValueError, match="attention across leads"):
        GroupDifferenceDisplay.from_comparison(leads_alone)


# Kaplan-Meier


class Direction(BaseEstimator):
    """Risk along the direction in which early events lie, for quick simulations."""

    def fit(self, X, y):
        event, time = (y[name] for name in y.dtype.names)
        early = event - np.argsort(np.argsort(time)) / len(y)
        self.direction_ = X.T @ (early - early.mean())
        return self

    def predict(self, X):
        return X @ self.direction_


def noise(rng, n=90, n_features=5):
    """Features that say nothing of the outcomes."""
    event, end = rng.exponential(1, n), rng.uniform(0.5, 2, n)
    y = Surv.from_arrays(event <= end, np.minimum(event, end))
    return rng.normal(size=(n, n_features)), y


@pytest.fixture
def _without_drawing(monkeypatch):
    """Simulations are after p-values, not after pictures."""
    monkeypatch.setattr(KaplanMeierDisplay, "plot", lambda self, ax=None: self)


@pytest.mark.usefixtures("_without_drawing")
def test_test_patients_of_noise_are_not_told_apart():
    rng, p_values = np.random.default_rng(0), []
    for _ in range(200):
        X, y = noise(rng, 180)
        risk = Direction().fit(X[:90], y[:90]).predict(X[90:])
        p_values.append(KaplanMeierDisplay.from_predictions(y[90:], risk).p_value)
    assert kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.usefixtures("_without_drawing")
def test_permuted_folds_of_noise_are_not_told_apart():
    rng, p_values = np.random.default_rng(0), []
    for seed in range(200):
        X, y = noise(rng, 60)
        display = KaplanMeierDisplay.from_estimator(
            Direction(), X, y, cv=2, n_permutations=4, random_state=seed
        )
        # Spread over its step of a fifth, a permutation p is uniform, not discrete.
        p_values.append(display.p_value - rng.uniform(0, 0.2))
    assert kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.usefixtures("_without_drawing")
def test_log_rank_of_pooled_folds_is_a_little_too_small_and_training_risks_much():
    rng, pooled, training = np.random.default_rng(0), [], []
    for _ in range(200):
        X, y = noise(rng, n_features=10)
        risk = out_of_fold(Direction(), X, y)
        pooled.append(KaplanMeierDisplay.from_predictions(y, risk).p_value)
        risk = Direction().fit(X, y).predict(X)
        same = KaplanMeierDisplay.from_predictions(y, risk)
        training.append(same.p_value)
    assert np.mean(np.less(pooled, 0.05)) < 0.2
    assert np.mean(np.less(training, 0.05)) > 0.5


def test_risks_of_an_estimator_are_out_of_fold(whas):
    X, y = whas
    display = KaplanMeierDisplay.from_estimator(CoxPHSurvivalAnalysis(), X, y, cv=3)
    risk = out_of_fold(CoxPHSurvivalAnalysis(), X, y, 3)
    same = KaplanMeierDisplay.from_predictions(y, risk)
    assert (display.group == same.group).all()
    # The log-rank test is not valid for pooled folds.
    assert display.p_value is None
    assert not any("p " in text.get_text() for text in display.ax_.texts)
    assert any("Log-rank p" in text.get_text() for text in same.ax_.texts)
    pooled = KaplanMeierDisplay.from_predictions(y, risk, pooled_folds=True)
    assert pooled.p_value is None


def test_log_rank_p_is_that_of_lifelines(whas):
    statistics = pytest.importorskip("lifelines.statistics")
    X, y = whas
    display = KaplanMeierDisplay.from_predictions(y, X[:, 0])
    expected = statistics.multivariate_logrank_test(
        y["lenfol"], display.group, y["fstat"]
    )
    assert display.p_value == pytest.approx(expected.p_value, rel=1e-6)


def test_numbers_at_risk_are_counted(whas):
    X, y = whas
    display = KaplanMeierDisplay.from_predictions(y, X[:, 0], quantiles=(0.5, 0.9))
    said = texts(display.ax_)
    assert display.labels == ("Lowest 50 %", "50 to 90 %", "Highest 10 %")
    for k, label in enumerate(display.labels):
        at_start = said[said.index(label) + 2]
        at_a_year = said[said.index(label) + 3]
        inside = display.group == k
        assert int(at_start) == inside.sum()
        assert int(at_a_year) == (y["lenfol"][inside] >= 365.25).sum()


def test_outcomes_of_a_patient_are_not_permuted_apart(whas):
    X, y = whas
    with pytest.raises(ValueError, match="Keep one sample of each"):
        KaplanMeierDisplay.from_estimator(
            Direction(), X, y, groups=np.arange(500) // 2, n_permutations=3
        )


@pytest.mark.parametrize(
    ("risk", "quantiles", "message"),
    [
        (np.ones(500), (0.5,), "two or more samples.*Lowest 50 %': 0"),
        (np.arange(500.0), (0.999,), "Highest 0 %': 1|two or more samples"),
        (np.arange(500.0), (0.9, 0.5), "increasing quantiles"),
        (np.arange(500.0), (1.0,), "inside"),
        (np.arange(500.0), (), "increasing quantiles"),
        (np.arange(499.0), (0.5,), "each of the 500 samples"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(whas, risk, quantiles, message):
    with pytest.raises(ValueError, match=message):
        KaplanMeierDisplay.from_predictions(whas[1], risk, quantiles=quantiles)


# Probabilities


def test_survival_curves_are_those_of_the_estimator(cox, whas):
    X, _ = whas
    display = SurvivalCurveDisplay.from_estimator(cox, X[:2], cohort=X, labels="AB")
    expected = cox.predict_survival_function(X[:2])[1](display.times[50])
    assert display.survival[1, 50] == pytest.approx(expected)
    assert display.cohort.shape == (500, 200)
    assert [line.get_label() for line in display.ax_.lines[1:]] == ["A", "B"]


def test_survival_curves_of_the_network(network, cohort):
    display = SurvivalCurveDisplay.from_estimator(network, cohort.X[:3])
    expected = network.predict_survival_at(cohort.X[:3], display.times[::20])
    assert display.survival[:, ::20] == pytest.approx(expected)


def test_too_many_curves_are_refused(cox, whas):
    with pytest.raises(ValueError, match="At most 7 curves.*got 8"):
        SurvivalCurveDisplay.from_estimator(cox, whas[0][:8])
    with pytest.raises(ValueError, match="one label for each of the 2"):
        SurvivalCurveDisplay([1, 2], np.ones((2, 2)), labels="A")


def test_displays_of_probabilities_need_them(whas):
    X, y = whas
    ranks = Direction().fit(X, y)
    with pytest.raises(TypeError, match="no predict_survival_function.*Calibrated"):
        CalibrationDisplay.from_estimator(ranks, X, y, time=365)
    with pytest.raises(ValueError, match="between 0 and 1"):
        DecisionCurveDisplay.from_predictions(y, X[:, 0], time=365)


def test_calibration_is_that_of_the_metric(cox, whas):
    X, y = whas
    display = CalibrationDisplay.from_estimator(cox, X[250:], y[250:], time=365)
    risk = 1 - np.array([f(365) for f in cox.predict_survival_function(X[250:])])
    assert display.y_pred == pytest.approx(risk)
    points = display.ax_.lines[2].get_xydata()
    assert points == pytest.approx(
        np.c_[display.result.predicted, display.result.observed]
    )


def test_calibration_tells_years_and_what_is_not_defined():
    rng = np.random.default_rng(0)
    y = Surv.from_arrays(rng.random(80) < 0.3, rng.uniform(1, 4000, 80))
    display = CalibrationDisplay.from_predictions(y, np.full(80, 0.2), time=1826)
    assert display.ax_.get_xlabel() == "Predicted risk by 5 years"
    said = display.ax_.get_legend().get_title().get_text()
    assert "nan" not in said
    assert "Slope not defined" in said


def test_auc_is_that_of_the_metric_inside_its_interval(cox, whas):
    X, y = whas[0][250:], whas[1][250:]
    display = TimeDependentAUCDisplay.from_estimator(
        cox, X, y, times=[100, 365], n_resamples=30, random_state=0
    )
    expected = cumulative_dynamic_auc(y, cox.predict(X), times=[100, 365])
    assert display.auc == pytest.approx(expected)
    assert (display.low < display.auc).all()
    assert (display.auc < display.high).all()
    assert display.name == "CoxPHSurvivalAnalysis"


def test_auc_of_copies_of_patients_is_no_surer(whas):
    X, y = whas[0][250:], whas[1][250:]
    owner = np.repeat(np.arange(len(y)), 4)
    few = {"times": [365], "n_resamples": 60, "random_state": 0}
    widths = [
        (display.high - display.low)[0]
        for display in (
            TimeDependentAUCDisplay.from_predictions(
                y[owner], X[owner, 0], groups=groups, **few
            )
            for groups in (owner, None)
        )
    ]
    assert widths[0] > 1.5 * widths[1]


def test_two_models_share_a_picture_in_two_colours(cox, whas):
    X, y = whas[0][250:], whas[1][250:]
    few = {"times": [100, 365], "n_resamples": 5, "random_state": 0}
    ax = TimeDependentAUCDisplay.from_estimator(cox, X, y, name="A", **few).ax_
    TimeDependentAUCDisplay.from_predictions(y, X[:, 0], name="B", ax=ax, **few)
    lines = [line for line in ax.lines if line.get_label() in "AB"]
    assert len({line.get_color() for line in lines}) == 2


def test_auc_of_few_events_starts_where_bootstrap_samples_hold_some():
    rng = np.random.default_rng(0)
    time = rng.exponential(size=90)
    y = Surv.from_arrays(np.arange(90) < 30, time)
    display = TimeDependentAUCDisplay.from_predictions(
        y, rng.normal(size=90), n_resamples=30, random_state=0
    )
    assert (time[:30] <= display.times[0]).sum() >= 10
    assert np.isfinite(display.low).all()


def test_net_benefit_is_that_of_the_metric_and_its_rivals_are_drawn_once(cox, whas):
    X, y = whas[0][250:], whas[1][250:]
    first = DecisionCurveDisplay.from_estimator(
        cox, X, y, time=365, thresholds=[0.1, 0.3], name="A"
    )
    risk = 1 - np.array([f(365) for f in cox.predict_survival_function(X)])
    for cut, benefit in zip((0.1, 0.3), first.benefit):
        expected = net_benefit(y, risk, time=365, threshold=cut)
        assert benefit == pytest.approx(expected)
    DecisionCurveDisplay.from_predictions(y, risk / 2, time=365, name="B", ax=first.ax_)
    labels = [line.get_label() for line in first.ax_.lines]
    assert labels == ["Treat all", "Treat none", "A", "B"]


# Training and latent features


def test_training_curves_are_those_of_the_networks(network):
    display = TrainingCurveDisplay.from_estimator(network)
    assert len(display.valid_losses) == 2
    losses = [row["valid_loss"] for row in network.nets_[1].history]
    assert display.valid_losses[1].tolist() == losses
    assert display.best_epochs[1] == int(np.argmin(losses)) + 1


def test_training_curves_need_a_network(cox):
    with pytest.raises(TypeError, match="keeps no network"):
        TrainingCurveDisplay.from_estimator(cox)
    with pytest.raises(ValueError, match="Expected two Axes"):
        TrainingCurveDisplay([[1.0]], [[1.0]]).plot(plt.subplots()[1])
    with pytest.raises(ValueError, match="each epoch of each network"):
        TrainingCurveDisplay([[1.0, 2.0]], [[1.0]])


def test_embedding_keeps_distances_along_its_axes(network, cohort):
    display = EmbeddingDisplay.from_estimator(network, cohort.X)
    features = network.transform(cohort.X)
    variance = features.var(axis=0).sum()
    assert display.components.var(axis=0) / variance == pytest.approx(display.explained)
    assert display.values == pytest.approx(network.predict(cohort.X))


def test_embedding_by_labels_or_numbers():
    features = np.random.default_rng(0).normal(size=(9, 4))
    labels = np.array(["a", "b", "c"] * 3)
    ax = EmbeddingDisplay(features, labels).plot().ax_
    assert [t.get_text() for t in ax.get_legend().texts] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="At most 7 labels"):
        EmbeddingDisplay(features, [str(i) for i in range(9)])
    with pytest.raises(ValueError, match="each of the 9 samples"):
        EmbeddingDisplay(features, labels[:4])


# All of them


@pytest.mark.parametrize(
    "draw",
    [
        lambda model, X, y: AttentionDisplay.from_estimator(
            model, X, sampling_rate=100
        ),
        lambda model, X, y: CalibrationDisplay.from_estimator(model, X, y, time=100),
        lambda model, X, y: DecisionCurveDisplay.from_estimator(model, X, y, time=100),
        lambda model, X, y: EmbeddingDisplay.from_estimator(model, X),
        lambda model, X, y: SurvivalCurveDisplay.from_estimator(model, X[:2]),
        lambda model, X, y: TimeDependentAUCDisplay.from_estimator(model, X, y),
        lambda model, X, y: TrainingCurveDisplay.from_estimator(model),
    ],
)
def test_an_unfitted_estimator_is_refused(draw, cohort):
    with pytest.raises(NotFittedError):
        draw(DualAttentionSurvival(), cohort.X, cohort.y)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install ecgdan_sk\[plot\]"):
        TrainingCurveDisplay([[1.0]], [[1.0]]).plot()


@pytest.mark.realdata
def test_real_ecgs_are_drawn_whole(ecgdan_data):
    ptbxl = load_ptbxl(ecgdan_data / "ptbxl", sampling_rate=500)
    for i in range(0, 40, 4):
        X = np.asarray(ptbxl.X[[i]])
        ax = ECGDisplay.from_signals(X, sampling_rate=500).ax_
        top = max(np.nanmax(line.get_ydata()) for line in ax.lines)
        assert top < ax.get_ylim()[1]
        MeasurementDisplay.from_signals(X, sampling_rate=500)
        plt.close("all")

"""A patient's page: what it says is true, and what it is told stays text."""

import hashlib
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.explain import (
    attention_maps,
    lead_occlusion,
    report,
    segment_occlusion,
)
from ecgdan_sk.explain._report._clock import Clock, nice_ticks
from ecgdan_sk.explain._report._make import _age_and_sex
from ecgdan_sk.explain._report._measured import SHOWN, against_limits
from ecgdan_sk.explain._report._model_card import _is_poor
from ecgdan_sk.explain._report._page._charts import percent
from ecgdan_sk.explain._report._page._ecg import ecg_svg
from ecgdan_sk.explain._report._page._evidence import _verdict
from ecgdan_sk.measurements import ECGMeasurements, normal_limits
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.records import LEADS, ECGRecords

HOSTILE = "<script>alert('x')</script>&\"é\x00\ud800"
QUICK = {"max_epochs": 2, "batch_size": 32, "random_state": 0}
I = 5
ABSENT = "V3"


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(90, duration=2.5, event_rate=0.5, random_state=0)


@pytest.fixture(scope="module")
def model(cohort):
    records = ECGRecords(cohort.X[:60], 100)
    return DualAttentionSurvival(n_members=1, **QUICK).fit(records, cohort.y[:60])


@pytest.fixture(scope="module")
def records(cohort):
    """Thirty ECGs, of which the reported one lacks V3 and has a hostile name."""
    X = cohort.X[60:].copy()
    X[I, LEADS.index(ABSENT)] = np.nan
    ids = [HOSTILE if k == I else f"patient {k}" for k in range(len(X))]
    return ECGRecords(X, 100, ids=ids)


@pytest.fixture(scope="module")
def page(model, records, cohort):
    with pytest.MonkeyPatch.context() as patch:
        # Else the tests of faithfulness take most of the time.
        patch.setattr("ecgdan_sk.explain._report._make._MOST_TESTED", 4)
        patch.setattr("ecgdan_sk.explain._report._make._N_REPEATS", 2)
        return report(
            model,
            records,
            I,
            y=cohort.y[60:],
            y_train=cohort.y[:60],
            outcome=f"heart failure {HOSTILE}",
            random_state=0,
        )


class Outline(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} is closed in the wrong place"

    def handle_data(self, data):
        name = self.open[-1] if self.open else None
        self.text[name] = self.text.get(name, "") + data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page.to_html())


def test_page_is_one_well_formed_document(outline):
    assert outline.open == []
    assert len(outline.all("h1")) == 1
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    used = {attrs["href"] for attrs in outline.all("use")}
    assert used <= {f"#{name}" for name in ids}


def test_page_needs_nothing_else(page, outline):
    for _, attrs in outline.elements:
        assert not {"src", "srcset", "data", "action", "style"} & attrs.keys()
        assert attrs.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attrs)
    assert not outline.all("link")
    assert "url(" not in outline.text["style"]
    assert "@import" not in outline.text["style"]
    assert "http" not in page.to_html().replace("http-equiv", "")


def test_policy_allows_this_style_and_this_script_alone(outline):
    (policy,) = [
        attrs["content"]
        for attrs in outline.all("meta")
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for kind in ("style", "script"):
        digest = hashlib.sha256(outline.text[kind].encode()).digest()
        assert rules[f"{kind}-src"] == f"'sha256-{b64encode(digest).decode()}'"
    assert "unsafe" not in policy


def test_hostile_text_stays_text(page, outline):
    assert len(outline.all("script")) == 1
    assert "alert" not in outline.text["script"]
    assert "<script>alert('x')</script>" in outline.text["h1"]
    assert "&lt;script&gt;alert" in page.to_html()


def test_frame_for_notebooks_holds_the_page_and_nothing_else(page):
    frame = Outline(page._repr_html_())
    ((tag, attrs),) = frame.elements
    assert tag == "iframe"
    assert attrs["sandbox"] == "allow-scripts"
    assert attrs["srcdoc"].replace("\x00", "") == page.to_html().replace("\x00", "")


def test_saved_file_is_the_page(page, tmp_path):
    path = page.save_html(tmp_path / "page.html")
    assert path.read_bytes().decode("utf-8") == page.to_html()
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_page_of_the_same_is_the_same(page, model, records, cohort):
    again = report(
        model,
        records,
        I - len(records),
        y=cohort.y[60:],
        y_train=cohort.y[:60],
        faithfulness=page.faithfulness,
        outcome=page.outcome,
        random_state=0,
    )
    assert again.to_html() == page.to_html()


def test_figures_are_those_of_the_estimator(page, model, records, cohort):
    one = records[[I]]
    assert page.log_risk == pytest.approx(model.predict(one)[0])
    others = np.delete(model.predict(records), I)
    assert page.percentile == pytest.approx(100 * (others < page.log_risk).mean())
    assert page.n_cohort == 30
    pd.testing.assert_series_equal(
        page.lead_changes, lead_occlusion(model, one).to_frame().iloc[0]
    )
    pd.testing.assert_series_equal(
        page.segment_changes, segment_occlusion(model, one).to_frame().iloc[0]
    )
    maps = attention_maps(model, one).temporal[0]
    np.testing.assert_allclose(page.temporal["II"], maps[1])
    c = concordance_index(cohort.y[60:], model.predict(records))
    assert page.card["C-index"].startswith(f"{c:.3f} (95 % interval ")
    assert page.card["Trained on"].startswith(
        f"60 ECGs, {cohort.y['event'][:60].sum()} events"
    )


def test_risk_over_time_is_one_less_survival(page, model, records):
    table = page.risk_over_time
    days = table.index.to_numpy() * (365.25 if page.time_unit == "years" else 1)
    days = np.minimum(days, model.follow_up_)
    survival = model.predict_survival_at(records, days)
    np.testing.assert_allclose(table["patient"], 1 - survival[I], atol=1e-6)
    median = np.median(1 - survival, axis=0)
    np.testing.assert_allclose(table["q50"], median, atol=1e-6)
    quantiles = table[["q10", "q25", "q50", "q75", "q90"]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (np.diff(table["patient"]) >= 0).all()


def test_given_risks_decide_the_place_and_the_c_index(page, model, records, cohort):
    ranks = np.linspace(0.9, 0.1, len(records))
    other = report(
        model,
        records,
        I,
        y=cohort.y[60:],
        cohort_risks=ranks,
        faithfulness=page.faithfulness,
        random_state=0,
    )
    assert other.percentile == pytest.approx(100 * (29 - I) / 29)
    c = concordance_index(cohort.y[60:], ranks)
    assert other.card["C-index"].startswith(f"{c:.3f}")
    assert "cohort_risks" in other.card["C-index"]
    assert "Calibration" not in other.card


def test_each_explanation_of_the_page_is_tested(page, outline):
    rows = {pair[:2] for pair in page.faithfulness.index}
    assert rows == {
        ("Lead occlusion", "leads"),
        ("Segment occlusion", "segments"),
        ("Attention", "leads"),
        ("Attention", "moments"),
    }
    for explanation, level in rows:
        assert f"{explanation}: {level}" in outline.text["th"]


@pytest.mark.parametrize(
    ("low", "high", "expected", "mark"),
    [
        (0.1, 0.2, "above 0", "✓"),
        (-0.1, 0.2, "above 0", "?"),
        (-0.2, 0.0, "above 0", "✗"),
        (-0.4, 0.2, "near 0", "✓"),
        (0.2, 0.4, "near 0", "?"),
        (0.4, 0.6, "near 0", "✗"),
        (0.8, 0.9, "near 1", "✓"),
        (0.6, 0.8, "near 1", "?"),
        (0.1, 0.2, "near 1", "✗"),
    ],
)
def test_verdict_asks_for_the_whole_interval(low, high, expected, mark):
    assert _verdict(low, high, expected) == mark


def test_an_absent_lead_is_said_to_be_absent(page, outline):
    assert np.isnan(page.lead_changes[ABSENT])
    assert ABSENT not in page.temporal
    assert f"{ABSENT} absent" in page.to_html()
    pressed = {
        attrs["data-wash"] for attrs in outline.all("button") if "data-wash" in attrs
    }
    assert pressed == set(LEADS) - {ABSENT}


def test_switches_are_buttons_that_name_their_state(outline):
    buttons = [attrs for attrs in outline.all("button") if "data-wash" in attrs]
    assert all(attrs["aria-pressed"] == "true" for attrs in buttons)
    assert all(attrs["type"] == "button" for attrs in buttons)
    ids = {attrs.get("id") for _, attrs in outline.elements}
    assert {f"wash-{attrs['data-wash']}" for attrs in buttons} <= ids


def test_an_r_wave_pushes_the_name_of_its_lead_below():
    signals = np.zeros((12, 1000))
    signals[0, 10:20] = signals[1, 10:20] = 1.2  # in the way of I and II
    signals[1, 20:30] = -1.2  # and below II, too
    names = ecg_svg(signals, 100.0, {}).iter("text")
    heights = [e.get("y") for e in names if e.get("class") == "lead"]
    assert heights == ["11", *["-8"] * 12]  # the last is that of the long strip


def test_trace_has_its_true_size():
    """25 mm/s and 10 mm/mV, in hundredths of a mm, and mm on paper."""
    signals = np.zeros((12, 1000), np.float32)
    signals[1, 100] = 1.5
    svg = ecg_svg(signals, 100.0, {})
    (path,) = [e.get("d") for e in svg.iter("path") if e.get("id") == "trace-II"]
    start, steps = path.split("l")
    assert start == "M0 0"
    x, y = np.cumsum(np.array(steps.split(), int).reshape(-1, 2), axis=0).T
    assert x[-1] == 999 * 25
    assert y.min() == -1500
    assert x[y.argmin()] == 2500
    width, height = (float(v) for v in svg.get("viewBox").split()[2:])
    assert svg.get("width") == f"{width:g}mm"
    assert svg.get("height") == f"{height:g}mm"
    assert width <= 279  # within the margins of A4
    assert height <= 192


@pytest.mark.parametrize(("n", "rate"), [(250, 100.0), (5000, 500.0), (15000, 500.0)])
def test_wash_lies_where_attention_is(n, rate):
    weights = np.full(n, 0.5 / n)
    focus = slice(int(0.4 * rate), int(0.8 * rate))
    weights[focus] += 0.5 / (focus.stop - focus.start)
    svg = ecg_svg(np.zeros((12, n), np.float32), rate, {"V1": weights})
    (wash,) = [e for e in svg.iter("g") if e.get("id") == "wash-V1"]
    edges = [(float(r.get("x")), float(r.get("width"))) for r in wash]
    assert min(x for x, _ in edges) == pytest.approx(10)
    assert max(x + width for x, width in edges) == pytest.approx(20)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("heart_rate_bpm", 47.4, "below"),
        ("heart_rate_bpm", 47.6, "within"),
        ("qtc_bazett_ms", 458, "above"),
        ("qtc_fridericia_ms", 455, "above for men"),
        ("qtc_fridericia_ms", 461, "above"),
        ("cornell_voltage_mv", 2.4, "above for women"),
        ("cornell_voltage_mv", 2.9, "above"),
        ("pr_interval_ms", np.nan, "not measured"),
    ],
)
def test_measurements_are_held_against_their_range(name, value, status):
    assert against_limits({name: value}).loc[name, "status"] == status


def test_limits_are_those_of_the_age_and_the_sex():
    found = {"qt_interval_ms": 420.0, "heart_rate_bpm": 70, "qrs_duration_ms": 106}
    woman = against_limits(found, 63, 1)
    assert woman.loc["qrs_duration_ms", "status"] == "above"
    assert woman.loc["qrs_duration_ms", "group"] == "women, 50 to 79"
    # 420 ms times 190 over 180
    assert woman.loc["qtc_rautaharju_ms", "value"] == 443
    assert woman.loc["qtc_rautaharju_ms", "status"] == "within"
    man = against_limits(found, 63, 0)
    assert man.loc["qrs_duration_ms", ["range", "status"]].tolist() == [
        "69 to 109",
        "within",
    ]
    assert man.loc["qtc_rautaharju_ms", "status"] == "above"
    either = against_limits(found, 63, None)
    assert either.loc["qtc_rautaharju_ms", ["range", "group", "status"]].tolist() == [
        "up to 450 (women), 440 (men)",
        "adults, 40 to 69",
        "above for men",
    ]
    assert "qtc_rautaharju_ms" not in against_limits(found).index
    child = against_limits(found, 9, 0)
    assert set(child["status"]) == {"no limits", "not measured"}


@pytest.mark.parametrize(
    ("covariates", "groups"),
    [
        ({"age": 63.0, "sex": 1.0}, ["women, 50 to 79", "women, 40 to 69"]),
        ({"age": np.nan, "sex": 0.0}, ["adults", "men"]),
        ({"age": -0.3, "sex": -1.1}, ["adults", "adults"]),
        ({"bmi": 30.0}, ["adults", "adults"]),
    ],
)
def test_age_and_sex_are_read_from_the_covariates(covariates, groups):
    one = ECGRecords(np.zeros((1, 12, 500)), 100, covariates=pd.DataFrame([covariates]))
    table = against_limits({}, *_age_and_sex(one))
    last = "qtc_rautaharju_ms" if "63" in str(covariates) else "cornell_voltage_mv"
    assert table.loc[["qrs_duration_ms", last], "group"].tolist() == groups


def test_axis_is_told_in_degrees():
    angle = np.radians(-60)
    found = {"qrs_axis_sin": np.sin(angle), "qrs_axis_cos": np.cos(angle)}
    row = against_limits(found).loc["qrs_axis_deg"]
    assert (row["value"], row["status"]) == (-60, "below")


def test_every_measurement_with_limits_is_shown():
    known = normal_limits(63, 1).index
    assert [shown.name for shown in SHOWN] == known.tolist()


def test_given_measurements_are_shown(page, model, records):
    other = report(
        model,
        records,
        I,
        measurements={"pr_interval_ms": 231.0},
        faithfulness=page.faithfulness,
    )
    assert other.measurements.loc["pr_interval_ms", "value"] == 231
    assert other.measurements.loc["heart_rate_bpm", "status"] == "not measured"


def test_measurements_are_those_of_the_ecg(page, records):
    measured = ECGMeasurements(100).set_output(transform="pandas")
    rate = measured.fit_transform(records[[I]])["heart_rate_bpm"].iloc[0]
    assert page.measurements.loc["heart_rate_bpm", "value"] == pytest.approx(
        rate, abs=0.5
    )
    (reasons,) = measured.quality(records[[I]])["reasons"]
    assert ABSENT in reasons
    assert page.unmeasured == reasons
    assert reasons in page.to_html()


def test_one_ecg_makes_a_page_without_a_cohort(model, cohort):
    page = report(model, cohort.X[:1], 0, sampling_rate=100)
    assert page.faithfulness is None
    assert np.isnan(page.percentile)
    assert page.id == "ECG 0"
    text = page.to_html()
    assert "no cohort to compare" in text
    assert "nan" not in Outline(text).text["td"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"architecture": Compact(temporal_attention=False)},
            "without temporal attention",
        ),
        ({"architecture": "paper", "crop": 1.0}, "mixes the leads"),
    ],
)
def test_page_says_why_there_is_no_attention(changes, words, cohort):
    settings = {**QUICK, "max_epochs": 1} | changes
    model = DualAttentionSurvival(n_members=1, **settings)
    model.fit(ECGRecords(cohort.X[:60], 100), cohort.y[:60])
    page = report(model, ECGRecords(cohort.X[:1], 100), 0)
    assert words in page.to_html()
    assert "data-wash" not in "".join(str(e) for e in Outline(page.to_html()).elements)


def test_competing_causes_tell_the_risk_of_the_first(cohort, page):
    tests = page.faithfulness
    causes = cohort.y["event"].astype(int)
    causes[np.flatnonzero(causes)[::3]] = 2
    dtype = [("event", int), ("time", float)]
    y = np.array([*zip(causes, cohort.y["time"])], dtype=dtype)
    model = DualAttentionSurvival(loss="cause-specific", n_members=1, **QUICK)
    model.fit(ECGRecords(cohort.X[:60], 100), y[:60])
    records = ECGRecords(cohort.X[60:63], 100)
    page = report(model, records, 0, y_train=y[:60], faithfulness=tests)
    days = model.follow_up_
    expected = model.predict_cumulative_incidence(records[[0]], [days])[0, 0, 0]
    assert page.risk_over_time["patient"].iloc[-1] == pytest.approx(expected)
    assert f"{(causes[:60] == 1).sum()} events" in page.card["Trained on"]


def test_records_in_files_make_the_same_page(page, model, records, cohort, tmp_path):
    saved = ECGRecords(records.signals, 100).save(tmp_path / "records", "float32")
    lazy = ECGRecords.open(saved)
    assert not isinstance(lazy.signals, np.ndarray)
    other = report(model, lazy, I, faithfulness=page.faithfulness)
    assert other.log_risk == page.log_risk
    pd.testing.assert_series_equal(other.lead_changes, page.lead_changes)
    for explain in (attention_maps, lead_occlusion, segment_occlusion):
        expected, found = explain(model, records), explain(model, lazy)
        pd.testing.assert_frame_equal(expected.to_frame(), found.to_frame())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"i": 30}, IndexError, "no ECG 30 among 30"),
        ({"i": 1.5}, TypeError, "whole number, got 1.5"),
        ({"cohort_risks": np.zeros(7)}, ValueError, r"shape \(30,\).*got \(7,\)"),
        ({"cohort_risks": np.full(30, np.nan)}, ValueError, "cohort_risks"),
        ({"y": Surv.from_arrays([True], [1.0])}, ValueError, "30 ECGs, but y holds 1"),
        ({"y": np.zeros(30)}, ValueError, "structured array"),
        ({"faithfulness": pd.DataFrame()}, ValueError, "Give other_page.faithfulness"),
    ],
)
def test_bad_arguments_are_told(arguments, error, words, page, model, records):
    rest = {"i": I, "faithfulness": page.faithfulness} | arguments
    with pytest.raises(error, match=words):
        report(model, records, rest.pop("i"), **rest)


def test_bad_ecgs_and_estimators_are_told(model, records, cohort):
    with pytest.raises(ValueError, match="Add the sample axis"):
        report(model, cohort.X[0], 0)
    with pytest.raises(NotFittedError):
        report(DualAttentionSurvival(), records, I)
    with pytest.raises(TypeError, match="explain its last step"):
        report(make_pipeline(model), records, I)
    unknown = DualAttentionSurvival(n_members=1, **{**QUICK, "max_epochs": 1})
    unknown.fit(cohort.X[:60], cohort.y[:60])
    with pytest.raises(ValueError, match="sampling rate is unknown"):
        report(unknown, cohort.X[60:], I)


def test_a_risk_that_misleads_is_no_headline(page):
    poor = replace(page, card={"Calibration": "poor: within 8 years: slope 127.00"})
    good = replace(page, card={"Calibration": "within 8 years: slope 0.90"})
    assert poor.is_poorly_calibrated
    assert not good.is_poorly_calibrated
    assert "<dd>withheld</dd>" in poor.to_html()
    assert "poorly calibrated here" in poor.to_html()
    assert "withheld" not in good.to_html()


@pytest.mark.parametrize(
    ("slope", "ici", "poor"),
    [(1.0, 0.02, False), (0.4, 0.02, True), (127, 0.02, True), (1.0, 0.2, True)],
)
def test_poor_calibration_is_by_slope_and_error(slope, ici, poor):
    assert _is_poor(SimpleNamespace(slope=slope, ici=ici)) == poor
    assert _is_poor(SimpleNamespace(slope=np.nan, ici=0.01))


def test_times_are_told_in_a_unit_of_their_size():
    assert Clock.of(730.5, "days").unit == "years"
    assert Clock.of(3652.5, "days").told(365.25) == "1 year"
    assert Clock.of(100.0, "days").unit == "days"
    assert Clock.of(3652.5, "months").unit == "months"
    assert nice_ticks(9.81).tolist() == [0, 2, 4, 6, 8]
    assert nice_ticks(0.3).tolist() == [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]


def test_page_works_in_a_browser_by_keyboard(browser, page, tmp_path):
    said, asked = [], []
    view = browser.new_page()
    view.on("console", lambda message: said.append(message.text))
    view.on("pageerror", lambda error: said.append(str(error)))
    view.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
    view.on("request", lambda request: asked.append(request.url))
    view.goto(page.save_html(tmp_path / "page.html").as_uri())
    button, wash = view.locator("[data-wash=V2]"), view.locator("#wash-V2")
    for _ in range(8):
        view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.dataset.wash") == "V2"
    for state, shown in [("false", "none"), ("true", "inline")]:
        view.keyboard.press("Space")
        assert button.get_attribute("aria-pressed") == state
        assert wash.get_attribute("display") == shown
    view.locator("[data-all=false]").press("Enter")
    assert view.locator("[data-wash][aria-pressed=true]").count() == 0
    view.locator("#strip-lead").select_option("V5")
    assert view.locator("#strip-trace").get_attribute("href") == "#trace-V5"
    for width in (1280, 390):
        view.set_viewport_size({"width": width, "height": 800})
        assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.0004, "< 0.1 %"), (0.046, "4.6 %"), (0.52, "52 %"), (0.997, "> 99 %")],
)
def test_risks_are_said_as_finely_as_a_model_knows_them(probability, said):
    assert percent(probability) == said

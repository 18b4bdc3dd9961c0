"""Scores of survival predictions, against definitions and against other programs."""

import importlib.util
import json
import pickle
import tracemalloc
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv import metrics as sksurv_metrics
from sksurv.functions import StepFunction
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.nonparametric import (
    cumulative_incidence_competing_risks,
    kaplan_meier_estimator,
)
from sksurv.svm import FastSurvivalSVM
from sksurv.util import Surv

from ecgdan_sk.metrics import (
    CensoringKaplanMeier,
    WithCensoring,
    bootstrap_ci,
    brier_score,
    calibration,
    compare_models,
    concordance_index,
    concordance_index_ipcw,
    concordance_scorer,
    cumulative_dynamic_auc,
    high_risk_group,
    integrated_auc,
    integrated_brier_score,
    net_benefit,
    paired_c_index_difference,
    survival_scorers,
)
from ecgdan_sk.metrics._bootstrap import _counted_without, _draws, _scored_without
from ecgdan_sk.metrics._concordance import ComparablePairs
from ecgdan_sk.metrics._incidence import pseudo_values
from ecgdan_sk.metrics._scorers import survival_curves
from ecgdan_sk.model_selection import EventKFold

FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "metrics.json").read_text())
COHORTS = ["whas500", "gbsg2", "veterans"]


@pytest.fixture(scope="session")
def maker():
    """The script that made the golden numbers: it knows the inputs."""
    spec = importlib.util.spec_from_file_location("maker", FOLDER / "make_metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def follow_up(seed, n_samples=80, ties="none", event_rate=0.5):
    """A target, and risks that say something about it."""
    rng = np.random.default_rng(seed)
    log_risk = rng.normal(size=n_samples)
    own = rng.exponential(np.exp(-log_risk))
    censoring = rng.exponential((1 - event_rate) ** -1, n_samples)
    time = np.minimum(own, censoring) + 0.01
    risk = log_risk + rng.normal(size=n_samples)
    if ties in ("time", "both"):
        time = np.ceil(time * 5)
    if ties in ("risk", "both"):
        risk = np.round(risk)
    event = own <= censoring
    event[np.argmin(time)] = True
    return Surv.from_arrays(event, time), risk


def concordance_by_definition(y, risk, weight):
    event, time = y["event"], y["time"]
    later = (time[:, None] < time) | ((time[:, None] == time) & ~event)
    pairs = (event[:, None] & later) * weight[:, None] * weight
    credit = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    return (pairs * credit).sum() / pairs.sum()


# Concordance


@pytest.mark.parametrize("ties", ["none", "time", "risk", "both"])
@pytest.mark.parametrize("n_samples", [3, 16, 17, 80, 300])
@pytest.mark.parametrize("seed", range(5))
def test_concordance_is_that_of_scikit_survival(seed, n_samples, ties):
    y, risk = follow_up(seed, n_samples, ties)
    theirs = sksurv_metrics.concordance_index_censored(y["event"], y["time"], risk)[0]
    assert concordance_index(y, risk) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("ties", ["none", "time", "risk", "both"])
@pytest.mark.parametrize("seed", range(5))
def test_concordance_is_that_of_lifelines(seed, ties):
    lifelines = pytest.importorskip("lifelines.utils")
    y, risk = follow_up(seed, ties=ties)
    theirs = lifelines.concordance_index(y["time"], -risk, y["event"])
    assert concordance_index(y, risk) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("ties", ["none", "time", "risk"])
@pytest.mark.parametrize("seed", range(5))
def test_concordance_is_that_of_pycox(maker, seed, ties):
    event, time, risk = maker.random_follow_up(seed, ties)
    ours = concordance_index(Surv.from_arrays(event, time), risk)
    assert ours == pytest.approx(GOLDEN["pycox"][ties][seed], abs=1e-12)


@pytest.mark.parametrize("ties", ["none", "time", "risk", "both"])
@pytest.mark.parametrize("seed", range(5))
def test_a_pair_weighs_the_product_of_its_weights(seed, ties):
    y, risk = follow_up(seed, ties=ties)
    weight = np.random.default_rng(seed).gamma(1, size=len(y))
    ours = concordance_index(y, risk, sample_weight=weight)
    theirs = concordance_by_definition(y, risk, weight)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_whole_weights_repeat_samples():
    y, risk = follow_up(0, ties="both")
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), counts)
    ours = concordance_index(y, risk, sample_weight=counts)
    theirs = concordance_index(y[repeated], risk[repeated])
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_strata_compare_within_themselves_alone():
    y, risk = follow_up(0, ties="both")
    strata = np.random.default_rng(0).integers(0, 4, len(y))
    event, time = y["event"], y["time"]
    later = (time[:, None] < time) | ((time[:, None] == time) & ~event)
    pairs = event[:, None] & later & (strata[:, None] == strata)
    credit = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    assert concordance_index(y, risk, strata=strata) == pytest.approx(
        credit[pairs].mean()
    )
    # A scale of its own for each stratum changes nothing.
    moved = concordance_index(y, risk + 100 * strata, strata=strata)
    assert moved == concordance_index(y, risk, strata=strata)


def test_concordance_depends_on_the_order_of_risks_alone():
    y, risk = follow_up(0)
    assert concordance_index(y, np.exp(risk)) == concordance_index(y, risk)
    assert concordance_index(y, -risk) == pytest.approx(1 - concordance_index(y, risk))
    assert concordance_index(y, -y["time"]) == 1
    assert concordance_index(y, np.zeros(len(y))) == 0.5
    shuffled = np.random.default_rng(0).permutation(len(y))
    assert concordance_index(y[shuffled], risk[shuffled]) == concordance_index(y, risk)


def test_risks_are_tied_only_if_they_are_equal():
    y = Surv.from_arrays([True, False], [1.0, 2.0])
    assert concordance_index(y, [1e-9, 0.0]) == 1
    theirs = sksurv_metrics.concordance_index_censored([True, False], [1, 2], [1e-9, 0])
    assert theirs[0] == 0.5


def test_concordance_takes_memory_in_proportion():
    y, risk = follow_up(0, 100_000)
    tracemalloc.start()
    concordance_index(y, risk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * len(y)


def test_pair_totals_are_those_of_the_definition():
    y, risk = follow_up(0, ties="both")
    weight = np.random.default_rng(0).gamma(1, size=len(y))
    pairs = ComparablePairs(y["event"], y["time"], risk)
    concordant, comparable = pairs.totals(weight)
    whole = concordance_by_definition(y, risk, weight)
    assert concordant.sum() / comparable.sum() == pytest.approx(whole)
    for i in range(5):
        rest = np.arange(len(y)) != i
        left = (concordant.sum() / 2 - concordant[i]) / (
            comparable.sum() / 2 - comparable[i]
        )
        theirs = concordance_by_definition(y[rest], risk[rest], weight[rest])
        assert left == pytest.approx(theirs)


# scikit-survival weighs tied times in another way, see below.
@pytest.mark.parametrize("ties", ["none", "risk"])
@pytest.mark.parametrize("tau", [None, 1.2])
def test_uno_concordance_is_that_of_scikit_survival(ties, tau):
    train, _ = follow_up(0, 400, ties)
    y, risk = follow_up(1, 80, ties)
    # The training set must be followed for longer, or scikit-survival refuses.
    train["time"][:2], train["event"][:2] = 1000.0, [True, False]
    theirs = sksurv_metrics.concordance_index_ipcw(train, y, risk, tau)[0]
    ours = concordance_index_ipcw(y, risk, censoring=train, tau=tau)
    assert ours == pytest.approx(theirs, abs=1e-12)


# Scores at times


@pytest.mark.parametrize("ties", ["none", "risk"])
@pytest.mark.parametrize("seed", range(3))
def test_scores_at_times_are_those_of_scikit_survival(seed, ties):
    train, _ = follow_up(seed + 10, 400, ties)
    y, risk = follow_up(seed, 120, ties)
    train["time"][:2], train["event"][:2] = 1000.0, [True, False]
    times = np.quantile(y["time"], [0.3, 0.5, 0.8])
    survival = np.exp(-np.exp(risk)[:, None] * times / times.max())
    auc, mean_auc = sksurv_metrics.cumulative_dynamic_auc(train, y, risk, times)
    _, brier = sksurv_metrics.brier_score(train, y, survival, times)
    ibs = sksurv_metrics.integrated_brier_score(train, y, survival, times)
    at = {"times": times, "censoring": train}
    close = partial(pytest.approx, abs=1e-12)
    assert cumulative_dynamic_auc(y, risk, **at) == close(auc)
    assert integrated_auc(y, risk, **at) == close(mean_auc)
    assert brier_score(y, survival, **at) == close(brier)
    assert integrated_brier_score(y, survival, **at) == close(ibs)


def test_auc_takes_a_risk_for_each_time():
    y, risk = follow_up(0, 120)
    times, changing = np.array([0.5, 1.0]), np.stack([risk, -risk], axis=1)
    theirs = sksurv_metrics.cumulative_dynamic_auc(y, y, changing, times)[0]
    assert cumulative_dynamic_auc(y, changing, times=times) == pytest.approx(theirs)


def test_order_of_times_is_kept():
    y, risk = follow_up(0, 120)
    rising, falling = (
        cumulative_dynamic_auc(y, risk, times=t) for t in ([0.5, 1.0], [1.0, 0.5])
    )
    assert rising.tolist() == falling[::-1].tolist()
    assert cumulative_dynamic_auc(y, risk, times=0.5) == rising[0]


def test_scores_without_censoring_are_the_plain_ones():
    y, risk = follow_up(0, 120)
    y["event"] = True
    dead, survival = y["time"] <= 0.7, stats.norm.cdf(-risk)
    assert brier_score(y, survival, times=0.7) == pytest.approx(
        np.mean((survival - ~dead) ** 2)
    )
    ranks = stats.rankdata(risk)[dead].sum() - dead.sum() * (dead.sum() + 1) / 2
    auc = ranks / (dead.sum() * (~dead).sum())
    assert cumulative_dynamic_auc(y, risk, times=0.7) == pytest.approx(auc)


@pytest.mark.parametrize("name", COHORTS)
def test_public_cohorts_give_the_numbers_of_scikit_survival(maker, name):
    y, event, time, risk, survival, times = maker.read_cohort(name)
    golden, test = GOLDEN["scikit-survival"][name], slice(1, None, 2)
    y, close = Surv.from_arrays(event, time), partial(pytest.approx, abs=1e-12)
    at = {"times": times, "censoring": y}
    assert concordance_index(y, risk) == close(golden["concordance_index"])
    assert concordance_index(y, risk) == close(
        GOLDEN["lifelines"][name]["concordance_index"]
    )
    y = maker.untied(event, time)
    at["censoring"] = y
    uno = concordance_index_ipcw(y[test], risk[test], censoring=y, tau=times[1])
    assert uno == close(golden["concordance_index_ipcw"])
    for metric, prediction in [
        (cumulative_dynamic_auc, risk),
        (integrated_auc, risk),
        (brier_score, survival),
        (integrated_brier_score, survival),
    ]:
        ours = metric(y[test], prediction[test], **at)
        assert ours == close(golden[metric.__name__])


# Weights of censoring at tied times


@pytest.mark.parametrize("per_unit", [1, 2, 12])
@pytest.mark.parametrize("seed", range(3))
def test_weights_add_up_to_the_samples_on_any_grid(seed, per_unit):
    y, _ = follow_up(seed, 300)
    y["time"] = np.ceil(y["time"] * per_unit) / per_unit
    event, time = y["event"], y["time"]
    curve = CensoringKaplanMeier().fit(event, time)
    for at in np.unique(time)[:-1]:
        cases, controls = curve.weights_at(at, event, time)
        assert cases.sum() + controls.sum() == pytest.approx(len(y), rel=1e-12)


@pytest.mark.parametrize("per_unit", [1, 2, 12])
def test_equal_predictions_get_the_brier_score_of_kaplan_meier(per_unit):
    # Sums over samples against sums over the survival curve, which knows no weights.
    y, _ = follow_up(0, 300)
    y["time"] = np.ceil(y["time"] * per_unit) / per_unit
    observed, survival = kaplan_meier_estimator(y["event"], y["time"])
    for at, alive in list(zip(observed, survival))[:-1]:
        expected = 0.7**2 * (1 - alive) + 0.3**2 * alive
        ours = brier_score(y, np.full(300, 0.7), times=at)
        assert ours == pytest.approx(expected, rel=1e-12)


def test_grids_of_months_and_years_leave_the_brier_score_unbiased():
    rng = np.random.default_rng(0)
    hazard = np.exp(rng.normal(size=20_000) - 3)
    own, censoring = rng.exponential(1 / hazard), rng.uniform(0, 15, 20_000)
    survival = np.exp(-5 * hazard)
    uncensored = np.mean((survival - (own > 5)) ** 2)
    for per_year in (12, 2, 1):
        # Of an event and a censoring in the same month, the event is seen.
        event, censored = (np.ceil(t * per_year) / per_year for t in (own, censoring))
        y = Surv.from_arrays(event <= censored, np.minimum(event, censored))
        score = brier_score(y, survival, times=5.0)
        assert score == pytest.approx(uncensored, rel=0.01)


# Delayed entry and strata


def entered_late(seed, n_samples=300, ties=False):
    """Ages at entry and at the end; the hazard rises with age and with the risk."""
    rng = np.random.default_rng(seed)
    entry, log_risk = rng.uniform(40, 70, n_samples), rng.normal(size=n_samples)
    grown = np.exp(0.1 * entry) + rng.exponential(size=n_samples) * 500
    own, censoring = np.log(grown) * 10, entry + rng.uniform(5, 15, n_samples)
    time = np.minimum(own, censoring)
    if ties:
        entry, time = np.floor(entry), np.ceil(time)
    return Surv.from_arrays(own <= censoring, time), log_risk, entry


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_only_those_at_risk_together_are_compared(seed, ties):
    y, risk, entry = entered_late(seed, ties=ties)
    risk, strata = np.round(risk), np.arange(300) % 3
    weight = np.random.default_rng(seed).gamma(1, size=300)
    event, time = y["event"], y["time"]
    later = (time[:, None] < time) | ((time[:, None] == time) & ~event)
    pairs = event[:, None] & later & (entry < time[:, None])
    pairs = pairs & (strata == strata[:, None])
    credit = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    given = {"strata": strata, "entry": entry}
    ours = concordance_index(y, risk, sample_weight=weight, **given)
    product = np.outer(weight, weight)
    assert ours == pytest.approx(np.average(credit, weights=pairs * product))
    # With censoring after all events nobody needs a weight.
    late = Surv.from_arrays(event, np.where(event, time, entry + 100))
    uno = concordance_index_ipcw(late, risk, **given)
    assert uno == pytest.approx(concordance_index(late, risk, **given))
    concordant, comparable = ComparablePairs(event, time, risk, entry).totals(weight)
    pairs = product * (event[:, None] & later & (entry < time[:, None]))
    assert comparable == pytest.approx(pairs.sum(0) + pairs.sum(1))
    expected = (pairs * credit).sum(0) + (pairs * credit).sum(1)
    assert concordant == pytest.approx(expected)


def test_the_age_at_entry_says_nothing_about_those_at_risk_together():
    scores = []
    for seed in range(20):
        y, _, entry = entered_late(seed, 500)
        assert concordance_index(y, -entry) > 0.7
        given = {"entry": entry}
        scores.append(
            [
                concordance_index(y, -entry, **given),
                concordance_index_ipcw(y, -entry, tau=70, **given),
                cumulative_dynamic_auc(y, -entry, times=65, **given),
                integrated_auc(y, -entry, times=[55, 65], **given),
            ]
        )
    assert np.mean(scores, axis=0) == pytest.approx(np.full(4, 0.5), abs=0.03)


def test_entry_at_zero_changes_nothing():
    y, risk = follow_up(0, 120, ties="both")
    zero, at = np.zeros(120), {"times": [1.0, 3.0]}
    survival = stats.norm.cdf(-risk)[:, None] ** [0.5, 1]
    for metric, prediction, params in [
        (concordance_index, risk, {}),
        (concordance_index_ipcw, risk, {"tau": 4}),
        (cumulative_dynamic_auc, risk, at),
        (integrated_auc, risk, at),
        (brier_score, survival, at),
        (integrated_brier_score, survival, at),
    ]:
        entered = metric(y, prediction, entry=zero, **params)
        assert entered == pytest.approx(metric(y, prediction, **params), abs=1e-12)


def test_brier_score_of_true_conditional_survival_is_its_variance():
    scores, truths = [], []
    for seed in range(20):
        y, _, entry = entered_late(seed, 500)
        grown = np.exp(0.1 * 60) - np.exp(0.1 * np.minimum(entry, 60))
        survival = np.exp(-grown / 500)
        curve = CensoringKaplanMeier().fit(y["event"], y["time"], entry)
        followed = curve.reach(60, entry)
        truths.append(np.mean((survival * (1 - survival))[followed]))
        scores.append(brier_score(y, survival, times=60, entry=entry, censoring=curve))
    assert np.mean(scores) == pytest.approx(np.mean(truths), rel=0.05)


def test_strata_of_the_auc_are_compared_within_themselves():
    y, risk = follow_up(0, 200)
    strata = np.arange(200) % 2
    moved = risk + 100 * strata
    ours = cumulative_dynamic_auc(y, moved, times=0.7, strata=strata)
    assert ours == pytest.approx(
        cumulative_dynamic_auc(y, risk, times=0.7, strata=strata)
    )
    both = cumulative_dynamic_auc(
        y, risk, times=0.7, strata=strata, entry=np.zeros(200)
    )
    assert ours == pytest.approx(both)
    assert ours != cumulative_dynamic_auc(y, moved, times=0.7)


def test_a_curve_since_entry_is_not_taken_for_another():
    y, risk, entry = entered_late(0)
    curve = CensoringKaplanMeier().fit(y["event"], y["time"], entry)
    assert curve.end_ < 15.1
    with pytest.raises(ValueError, match="estimated with times of entry, but"):
        cumulative_dynamic_auc(y, risk, times=60, censoring=curve)
    with pytest.raises(ValueError, match="estimated without times of entry, but"):
        cumulative_dynamic_auc(y, risk, times=60, censoring=y, entry=entry)
    with pytest.raises(ValueError, match="Nobody entered before time 20"):
        brier_score(y, np.full(300, 0.5), times=20, censoring=curve, entry=entry)


# Censoring, and scorers


def test_events_leave_before_those_censored_at_the_same_time():
    event = np.array([True, False, True, False])
    curve = CensoringKaplanMeier().fit(event, [1.0, 1.0, 2.0, 3.0])
    assert curve.survival([0.5, 1.0, 2.5, 3.0]) == pytest.approx([1, 2 / 3, 2 / 3, 0])
    assert curve.end_ == 2


def test_without_censoring_the_curve_stays_at_one():
    curve = CensoringKaplanMeier().fit([1, 2, 1], [1.0, 2.0, 3.0])
    assert curve.survival([0.5, 3.0]).tolist() == [1, 1]
    assert curve.end_ == 3


def test_weights_after_the_end_say_which_sample_and_what_to_do():
    curve = CensoringKaplanMeier().fit([True, False], [1.0, 2.0])
    message = "up to time 2, but 1 samples .* sample 2 at time 2.5. Score at earlier"
    with pytest.raises(ValueError, match=message):
        curve.weights([0.5, 5, 2.5], needed=np.array([True, False, True]))


def test_at_the_last_censoring_an_event_is_seen_and_nobody_is_followed_beyond():
    curve, needed = CensoringKaplanMeier().fit([True, False], [1.0, 2.0]), np.array([1])
    assert curve.weights([2.0], needed == 1).tolist() == [1]
    with pytest.raises(ValueError, match="up to time 2, but 1 samples"):
        curve.weights([2.0], needed == 1, before=False)


def heavy_tailed(seed, n_samples=300):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 3))
    own = rng.exponential(np.exp(-X[:, 0])) * 1000
    censoring = rng.exponential(2000, n_samples)
    return X, Surv.from_arrays(own <= censoring, np.minimum(own, censoring) + 1)


@pytest.mark.filterwarnings("ignore:These 60 samples can be scored from")
@pytest.mark.parametrize("seed", range(4))
def test_no_fold_is_nan(seed):
    X, y = heavy_tailed(seed)
    scores = cross_validate(
        WithCensoring(CoxPHSurvivalAnalysis()),
        X,
        y,
        scoring=survival_scorers(times=[1, 365, 1e6]),
        cv=EventKFold(5, random_state=seed),
        error_score="raise",
    )
    names = {name.removeprefix("test_") for name in scores if name[:4] == "test"}
    assert names == {
        "concordance_index",
        "concordance_index_ipcw",
        *(
            f"{kind}_{t}"
            for kind in ("auc", "neg_brier")
            for t in ("1", "365", "1e+06")
        ),
        "neg_integrated_brier",
    }
    assert all(np.isfinite(values).all() for values in scores.values())


def test_scorers_are_the_metrics_with_the_censoring_of_the_training_set():
    X, y = heavy_tailed(0)
    model = WithCensoring(CoxPHSurvivalAnalysis()).fit(X[:200], y[:200])
    X, test = X[200:], y[200:]
    scores, risk = survival_scorers(365)(model, X, test), model.predict(X)
    at = {"times": 365, "censoring": y[:200]}
    survival = np.array([curve(365) for curve in model.predict_survival_function(X)])
    assert scores["concordance_index"] == concordance_index(test, risk)
    assert scores["auc_365"] == cumulative_dynamic_auc(test, risk, **at)
    assert scores["neg_brier_365"] == pytest.approx(-brier_score(test, survival, **at))


def test_a_score_at_another_time_than_its_name_says_so():
    X, y = heavy_tailed(0)
    model = WithCensoring(CoxPHSurvivalAnalysis()).fit(X, y)
    last = np.sort(y["time"])[-2]
    message = f"samples can be scored from time .* time 1e\\+06 was scored at {last:g}"
    with pytest.warns(UserWarning, match=message):
        scores = survival_scorers([365, 1e6])(model, X, y)
    at_the_end = cumulative_dynamic_auc(y, model.predict(X), times=last)
    assert scores["auc_1e+06"] == pytest.approx(at_the_end)


def test_scorers_know_entry_and_strata_through_metadata_routing():
    y, risk, entry = entered_late(0, 400)
    strata, X = np.arange(400) % 2, np.stack([risk, entry], axis=1)

    class FromEntry(CoxPHSurvivalAnalysis):
        def fit(self, X, y, *, entry=None):
            return super().fit(X, y)

    scorers, params = survival_scorers([55, 60]), {"entry": entry, "strata": strata}
    cv = EventKFold(2, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = WithCensoring(FromEntry()).set_fit_request(entry=True)
        options = {"cv": cv, "scoring": scorers, "error_score": "raise"}
        scores = cross_validate(model, X, y, params=params, **options)
    for k, (train, test) in enumerate(cv.split(X, y)):
        model = WithCensoring(FromEntry()).fit(X[train], y[train], entry=entry[train])
        given = {name: values[test] for name, values in params.items()}
        alone = scorers(model, X[test], y[test], **given)
        assert {name: scores[f"test_{name}"][k] for name in alone} == alone
        expected = concordance_index(y[test], model.predict(X[test]), **given)
        assert alone["concordance_index"] == expected
        alive = survival_curves(model, X[test])
        at_entry = np.maximum(np.diag(alive(entry[test])), 1e-300)
        brier = brier_score(
            y[test],
            np.minimum(alive([60])[:, 0] / at_entry, 1),
            times=60,
            entry=entry[test],
            censoring=model.censoring_,
        )
        assert alone["neg_brier_60"] == pytest.approx(-brier)


def test_scorers_look_into_pipelines_and_searches():
    X, y = heavy_tailed(0)
    pipeline = make_pipeline(StandardScaler(), WithCensoring(CoxPHSurvivalAnalysis()))
    search = GridSearchCV(
        pipeline,
        {"withcensoring__estimator__alpha": [0.1, 1]},
        scoring=survival_scorers(times=[365, 1000]),
        refit="neg_integrated_brier",
        cv=EventKFold(3, random_state=0),
    ).fit(X, y)
    assert "mean_test_auc_1000" in search.cv_results_
    assert survival_scorers(365)(search, X, y)["auc_365"] > 0.7


def test_scorers_ask_for_one_prediction_of_each_kind():
    X, y = heavy_tailed(0)
    calls = []

    class Counting(WithCensoring):
        def predict(self, X):
            calls.append("risk")
            return super().predict(X)

        def predict_survival_function(self, X):
            calls.append("survival")
            return super().predict_survival_function(X)

    model = Counting(CoxPHSurvivalAnalysis()).fit(X, y)
    survival_scorers(times=[100, 365])(model, X, y)
    assert calls == ["risk", "survival"]


def test_models_without_survival_functions_get_the_other_scores():
    X, y = heavy_tailed(0)
    model = WithCensoring(FastSurvivalSVM(random_state=0)).fit(X, y)
    assert not hasattr(model, "predict_survival_function")
    assert set(survival_scorers(365)(model, X, y)) == {
        "concordance_index",
        "concordance_index_ipcw",
        "auc_365",
    }


def test_scorers_survive_pickling():
    X, y = heavy_tailed(0)
    model = pickle.loads(pickle.dumps(WithCensoring(CoxPHSurvivalAnalysis()).fit(X, y)))
    scorers = pickle.loads(pickle.dumps(survival_scorers(times=365)))
    assert scorers(model, X, y) == survival_scorers(365)(model, X, y)
    assert repr(scorers) == "survival_scorers(times=[365.0])"


def test_foreign_estimators_are_asked_to_be_wrapped():
    X, y = heavy_tailed(0)
    with pytest.raises(ValueError, match=r"Wrap it: WithCensoring\(estimator\)"):
        survival_scorers(365)(CoxPHSurvivalAnalysis().fit(X, y), X, y)


def test_wrapper_leaves_its_estimator_alone_and_scores_as_it():
    X, y = heavy_tailed(0)
    bare = CoxPHSurvivalAnalysis()
    model = WithCensoring(bare).fit(X, y)
    assert not hasattr(bare, "coef_")
    assert model.score(X, y) == bare.fit(X, y).score(X, y)
    hazards = model.predict_cumulative_hazard_function(X[:2], return_array=True)
    assert hazards.shape[0] == 2


def test_concordance_scorer_is_ready():
    X, y = heavy_tailed(0)
    cv, cox = EventKFold(3, random_state=0), CoxPHSurvivalAnalysis()
    ready = cross_val_score(cox, X, y, cv=cv, scoring=concordance_scorer)
    made = cross_val_score(cox, X, y, cv=cv, scoring=make_scorer(concordance_index))
    assert ready == pytest.approx(cross_val_score(cox, X, y, cv=cv))
    assert ready.tolist() == made.tolist()


# Calibration and decisions


def proportional(seed, n_samples, horizon=1.0):
    """A target, the true probability of the event by the horizon."""
    rng = np.random.default_rng(seed)
    hazard = np.exp(0.8 * rng.normal(size=n_samples) - 1)
    own, censoring = rng.exponential(1 / hazard), rng.uniform(0.3, 3, n_samples)
    y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring))
    return y, -np.expm1(-hazard * horizon)


def incidence_by_definition(causes, time, horizon, cause):
    survival, incidence = 1.0, 0.0
    for t in np.unique(time[time <= horizon]):
        at_risk, now = (time >= t).sum(), time == t
        incidence += survival * (now & (causes == cause)).sum() / at_risk
        survival *= 1 - (now & (causes > 0)).sum() / at_risk
    return incidence


@pytest.mark.parametrize("seed", range(10))
def test_pseudo_values_are_those_of_leaving_each_sample_out(seed):
    rng = np.random.default_rng(seed)
    n, horizon = rng.integers(4, 25), rng.integers(1, 12)
    causes, time = rng.choice(3, n), rng.integers(1, 12, n).astype(float)
    incidence, pseudo = pseudo_values(causes, time, horizon, cause=1)
    whole = incidence_by_definition(causes, time, horizon, 1)
    left_out = [
        incidence_by_definition(np.delete(causes, i), np.delete(time, i), horizon, 1)
        for i in range(n)
    ]
    assert incidence == pytest.approx(whole)
    assert pseudo == pytest.approx(n * whole - (n - 1) * np.array(left_out))


@pytest.mark.parametrize("seed", range(3))
def test_incidence_is_that_of_aalen_and_johansen_in_lifelines(maker, seed):
    causes, time = maker.competing_risks(seed)
    incidence, _ = pseudo_values(causes, time, 1.0, cause=2)
    assert incidence == pytest.approx(GOLDEN["aalen-johansen"][str(seed)], abs=1e-6)


@pytest.mark.parametrize("name", COHORTS)
def test_incidence_is_one_minus_kaplan_meier_in_lifelines(maker, name):
    _, event, time, _, _, times = maker.read_cohort(name)
    y, golden = Surv.from_arrays(event, time), GOLDEN["lifelines"][name]
    overall = calibration(y, np.full(len(y), 0.2), time=times[0], n_bins=1)
    assert overall.observed == pytest.approx([golden["incidence"]])


def test_true_risks_are_calibrated():
    y, risk = proportional(0, 8000)
    result = calibration(y, risk, time=1.0)
    assert result.slope == pytest.approx(1, abs=0.06)
    assert result.intercept == pytest.approx(0, abs=0.06)
    assert result.ici < 0.015
    assert result.n_samples.tolist() == [800] * 10
    inside = (result.low <= result.predicted) & (result.predicted <= result.high)
    assert inside.sum() >= 8
    assert (np.abs(result.smooth - risk) <= result.e90).mean() == pytest.approx(0.9)


def test_slope_and_intercept_undo_a_distortion():
    y, risk = proportional(1, 8000)
    log_hazard = np.log(-np.log1p(-risk))
    extreme = -np.expm1(-np.exp(2 * log_hazard))
    too_low = -np.expm1(-np.exp(log_hazard - 0.7))
    assert calibration(y, extreme, time=1.0).slope == pytest.approx(0.5, abs=0.04)
    shifted = calibration(y, too_low, time=1.0)
    assert shifted.intercept == pytest.approx(0.7, abs=0.06)
    assert shifted.slope == pytest.approx(1, abs=0.06)
    assert shifted.ici == pytest.approx((risk - too_low).mean(), abs=0.015)


def test_calibration_knows_competing_causes():
    rng = np.random.default_rng(0)
    hazard = np.exp(0.8 * rng.normal(size=(8000, 2)) - [1, 0.5])
    own, cause = rng.exponential(1 / hazard.sum(1)), np.ones(8000, int)
    cause[rng.random(8000) > hazard[:, 0] / hazard.sum(1)] = 2
    censoring = rng.uniform(0.3, 3, 8000)
    y = np.empty(8000, dtype=[("event", int), ("time", float)])
    y["event"] = np.where(own <= censoring, cause, 0)
    y["time"] = np.minimum(own, censoring)
    share = hazard[:, 0] / hazard.sum(1)
    risk = share * -np.expm1(-hazard.sum(1))
    right = calibration(y, risk, time=1.0, cause=1)
    assert right.slope == pytest.approx(1, abs=0.08)
    assert right.ici < 0.015
    as_if_censored = np.array(y)
    as_if_censored["event"][y["event"] == 2] = 0
    naive = calibration(as_if_censored, risk, time=1.0)
    assert naive.intercept > right.intercept + 0.2


@pytest.mark.realdata
def test_deaths_of_heart_failure_patients_compete_as_in_other_programs(ecgdan_data):
    lifelines = pytest.importorskip("lifelines")
    table = pd.read_csv(
        ecgdan_data / "music" / "subject-info.csv", sep=";", encoding="latin-1"
    )
    # Pump failure (6, 7) against sudden and other deaths (1, 3).
    causes = table["Cause of death"].map({0: 0, 6: 1, 7: 1, 1: 2, 3: 2}).to_numpy()
    time = table.iloc[:, 1].to_numpy(float)
    times, curves = cumulative_incidence_competing_risks(causes, time)
    y = np.empty(len(time), dtype=[("event", int), ("time", float)])
    y["event"], y["time"] = causes, time
    assert np.bincount(causes).tolist() == [726, 111, 155]
    for horizon in (365, 730, 1460):
        last = np.searchsorted(times, horizon, side="right") - 1
        for cause in (1, 2):
            overall = {"time": horizon, "n_bins": 1, "cause": cause}
            observed = calibration(y, np.full(len(y), 0.1), **overall).observed[0]
            assert observed == pytest.approx(curves[cause, last], abs=1e-12)
            # lifelines parts tied times at random.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitter = lifelines.AalenJohansenFitter(calculate_variance=False, seed=0)
                curve = fitter.fit(time, causes, cause).cumulative_density_
            theirs = curve[curve.index < horizon + 0.5].iloc[-1, 0]
            assert observed == pytest.approx(theirs, abs=1e-4)


def test_known_survival_scores_better_than_that_of_everybody():
    y, risk = proportional(0, 2000)
    times = np.linspace(0.1, 2, 20)
    hazard = -np.log1p(-risk)
    known = np.exp(-hazard[:, None] * times)
    curve = StepFunction(*kaplan_meier_estimator(y["event"], y["time"]))(times)
    everybody = np.broadcast_to(curve, known.shape)
    ours, null = (
        integrated_brier_score(y, survival, times=times)
        for survival in (known, everybody)
    )
    assert ours < 0.95 * null


def test_equal_predictions_have_a_level_but_no_slope():
    y, risk = proportional(0, 2000)
    result = calibration(y, np.full(2000, risk.mean()), time=1.0)
    assert np.isnan(result.slope)
    assert result.n_samples.tolist() == [2000]
    assert result.ici < 0.03


def test_bins_of_several_ecgs_each_are_as_sure_as_their_patients():
    y, risk = proportional(0, 500)
    rows = np.repeat(np.arange(500), 3)
    once = calibration(y, risk, time=1.0, n_bins=4)
    thrice = calibration(y[rows], risk[rows], time=1.0, n_bins=4, groups=rows)
    alone = calibration(y[rows], risk[rows], time=1.0, n_bins=4)
    assert thrice.high == pytest.approx(once.high, rel=0.01)
    assert (alone.high < thrice.high - 0.01).all()


@pytest.mark.parametrize(("longer", "slope"), [(0, 1.0), (1, 0.72)])
def test_slope_is_right_only_if_censoring_ignores_the_risk(longer, slope):
    # Those of high risk are followed for shorter where `longer` is 1.
    rng = np.random.default_rng(0)
    log_hazard = 0.8 * rng.normal(size=20_000) - 1
    own = rng.exponential(np.exp(-log_hazard))
    follow_up = rng.exponential(1.5 * np.exp(-longer * (log_hazard + 1)))
    y = Surv.from_arrays(own <= follow_up, np.minimum(own, follow_up))
    result = calibration(y, -np.expm1(-np.exp(log_hazard)), time=1.0)
    assert result.slope == pytest.approx(slope, abs=0.06)


def test_net_benefit_without_censoring_is_that_of_the_counts():
    y, risk = proportional(0, 500)
    y["event"] = True
    dead = y["time"] <= 1
    expected = np.mean((risk >= 0.3) & dead) - np.mean((risk >= 0.3) & ~dead) * 3 / 7
    ours = net_benefit(y, risk, time=1.0, threshold=[0.3, 0.999])
    assert ours == pytest.approx([expected, 0.0])


def test_treating_everybody_is_worth_the_incidence_at_low_thresholds():
    y, risk = proportional(0, 2000)
    everybody = net_benefit(y, np.ones(2000), time=1.0, threshold=1e-9)
    observed = calibration(y, risk, time=1.0, n_bins=1).observed[0]
    assert everybody == pytest.approx(observed)
    at = {"time": 1.0, "threshold": 0.4}
    assert net_benefit(y, risk, **at) > max(0, net_benefit(y, np.ones(2000), **at))


@pytest.mark.parametrize("name", COHORTS)
def test_high_risk_group_is_that_of_lifelines(maker, name):
    _, event, time, risk, _, _ = maker.read_cohort(name)
    group = high_risk_group(Surv.from_arrays(event, time), risk, quantile=0.75)
    assert group[:4] == pytest.approx(
        GOLDEN["lifelines"][name]["high_risk_group"], rel=1e-5
    )
    assert group.n_samples == (risk >= group.cutoff).sum()
    assert group.n_events == event[risk >= group.cutoff].sum()


# Uncertainty and comparison


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_by_counts_is_that_by_rows(method):
    y, risk = follow_up(0, 150, ties="both")
    fast, slow = (
        bootstrap_ci(m, y, risk, method=method, n_resamples=200, random_state=0)
        for m in (concordance_index, partial(concordance_index))
    )
    assert fast == pytest.approx(slow, abs=1e-12)
    assert fast.low < fast.value < fast.high


def test_jackknife_of_the_concordance_is_that_of_the_definition():
    y, risk = follow_up(0, 60, ties="both")
    alone = (concordance_index, (y, risk, {}), np.arange(60))
    quick, blocks = _counted_without(*alone), _scored_without(*alone)
    slow = [
        concordance_index(np.delete(y, i), np.delete(risk, i)) for i in range(len(y))
    ]
    assert quick == pytest.approx(slow)
    assert np.sort(blocks) == pytest.approx(np.sort(slow))


def test_bootstrap_is_seeded_and_leaves_the_global_generator_alone():
    y, risk = follow_up(0)
    draw = partial(bootstrap_ci, concordance_index, y, risk, n_resamples=50)
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    assert draw(random_state=0) == draw(random_state=0) != draw(random_state=1)
    assert np.array_equal(before, np.random.get_state()[1])


def test_only_metrics_of_ranks_are_resampled_with_the_events_fixed():
    y, _ = follow_up(0)
    owner, n_events = np.arange(len(y)), y["event"].sum()

    def numbers_of_events(metric):
        draws = _draws(metric, y, owner, 50, np.random.RandomState(0))
        assert (draws.sum(axis=1) == len(y)).all()
        return set(draws[:, y["event"]].sum(axis=1))

    for metric in (concordance_index, partial(cumulative_dynamic_auc, times=0.5)):
        assert numbers_of_events(metric) == {n_events}
    assert len(numbers_of_events(partial(brier_score, times=0.5))) > 5


def test_patients_are_drawn_with_all_their_samples():
    y, risk = follow_up(0, 90)
    patients = np.arange(90) // 3
    seen = []

    def metric(y_true, y_pred, entry):
        seen.append(np.bincount(y_pred, minlength=90).reshape(30, 3))
        return float(len(y_true) + entry.sum())

    per_sample = {"entry": np.zeros(90)}
    bootstrap_ci(
        metric,
        y,
        np.arange(90),
        groups=patients,
        per_sample=per_sample,
        n_resamples=20,
        random_state=0,
    )
    assert len(seen) == 1 + 20
    assert all((counts == counts[:, :1]).all() for counts in seen)
    assert any(counts.max() > 1 for counts in seen)
    # From how often each patient is drawn, and row by row; with entry and strata.
    per_sample = {"entry": 0.3 * y["time"], "strata": np.arange(90) % 2}
    fast, slow = (
        bootstrap_ci(
            m,
            y,
            risk,
            groups=patients,
            per_sample=per_sample,
            method="percentile",
            n_resamples=50,
            random_state=0,
        )
        for m in (concordance_index, partial(concordance_index))
    )
    assert fast == pytest.approx(slow)


def test_intervals_of_the_brier_score_know_that_events_vary():
    # Without censoring, equal predictions score by the share of events alone.
    n, hits = 150, 0
    for seed in range(40):
        event = np.random.default_rng(seed).random(n) < 0.2
        y = Surv.from_arrays(np.ones(n, bool), np.where(event, 1.0, 3.0))
        y["time"][0] = 4.0
        score = partial(brier_score, times=2.0)
        interval = bootstrap_ci(
            score,
            y,
            np.full(n, 0.9),
            method="percentile",
            n_resamples=100,
            random_state=seed,
        )
        truth = 0.2 * 0.9**2 + 0.8 * 0.1**2
        hits += interval.low <= truth <= interval.high
    assert hits >= 34


def test_intervals_of_several_ecgs_each_are_those_of_their_patients():
    y, risk = follow_up(0, 120)
    rows = np.repeat(np.arange(120), 4)
    once, alone = (
        bootstrap_ci(concordance_index, *data, n_resamples=300, random_state=0)
        for data in ((y, risk), (y[rows], risk[rows]))
    )
    four = bootstrap_ci(
        concordance_index,
        y[rows],
        risk[rows],
        groups=rows,
        n_resamples=300,
        random_state=0,
    )
    width = once.high - once.low
    assert four.high - four.low == pytest.approx(width, rel=0.02)
    assert alone.high - alone.low < 0.65 * width


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_intervals_cover(method):
    y, risk = follow_up(99, 20_000)
    truth, covered = concordance_index(y, risk), 0
    for seed in range(100):
        y, risk = follow_up(seed, 100)
        interval = bootstrap_ci(
            concordance_index,
            y,
            risk,
            method=method,
            n_resamples=200,
            confidence_level=0.9,
            random_state=seed,
        )
        covered += interval.low <= truth <= interval.high
    assert 80 <= covered <= 98


def test_jackknife_of_blocks_knows_what_patients_differ_in():
    # 2,000 patients in 200 blocks, sorted by what is measured.
    y = np.sort(follow_up(0, 2000)[0], order=["event", "time"])

    def observed(y_true, y_pred):
        return y_true["event"].mean()

    interval = bootstrap_ci(observed, y, np.zeros(2000), method="jackknife")
    error = y["event"].std() / np.sqrt(2000)
    assert interval.high - interval.value == pytest.approx(1.96 * error, rel=0.15)


def test_jackknife_of_a_mean_is_its_standard_error_over_patients():
    y, risk = follow_up(0, 60)
    owner = np.repeat(np.arange(20), 3)
    interval = bootstrap_ci(
        lambda y_true, y_pred: y_pred.mean(),
        y,
        risk,
        groups=owner,
        method="jackknife",
    )
    error = risk.reshape(20, 3).mean(axis=1).std(ddof=1) / np.sqrt(20)
    width = stats.norm.ppf(0.975) * error
    expected = (risk.mean(), risk.mean() - width, risk.mean() + width)
    assert interval == pytest.approx(expected)


def test_comparison_is_the_corrected_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.75, 0.05, 10), rng.normal(0.7, 0.05, 10)
    result = compare_models(a, b, n_splits=2, confidence_level=0.9)
    plain = stats.ttest_rel(a, b)
    # 10 scores, half of the samples in each test set: 1/10 becomes 1/10 + 1. The two
    # of each of the five repeats have one degree of freedom.
    statistic = plain.statistic * np.sqrt((1 / 10) / (1 / 10 + 1))
    assert result.value == pytest.approx((a - b).mean())
    assert result.p_value == pytest.approx(2 * stats.t(5).sf(statistic))
    half = stats.t(5).ppf(0.95) * result.value / statistic
    assert (result.low, result.high) == pytest.approx(
        (result.value - half, result.value + half)
    )


@pytest.mark.parametrize(
    ("n_scores", "n_splits", "n_free"), [(50, 5, 5), (40, 2, 5), (5, 5, 4), (2, 2, 1)]
)
def test_more_folds_of_the_same_patients_add_no_freedom(n_scores, n_splits, n_free):
    a = np.random.default_rng(0).normal(0.02, 0.05, n_scores)
    result = compare_models(a, np.zeros(n_scores), n_splits=n_splits)
    variance = (1 / n_scores + 1 / (n_splits - 1)) * a.var(ddof=1)
    statistic = abs(a.mean()) / np.sqrt(variance)
    assert result.p_value == pytest.approx(2 * stats.t(n_free).sf(statistic))


def test_copies_of_an_ecg_say_nothing_new_of_the_high_risk_group():
    y, risk = follow_up(0, 300)
    owner = np.repeat(np.arange(300), 4)
    once = high_risk_group(y, risk, quantile=0.75, groups=np.arange(300))
    copies = high_risk_group(y[owner], risk[owner], quantile=0.75, groups=owner)
    # Copies are ties, which Efron's method takes a little apart.
    assert copies[:3] == pytest.approx(once[:3], rel=0.03)
    blind = high_risk_group(y[owner], risk[owner], quantile=0.75)
    assert np.log(blind.high / blind.low) < 0.6 * np.log(copies.high / copies.low)
    assert blind.p_value < copies.p_value


def test_equal_scores_do_not_differ():
    assert compare_models([0.7, 0.8], [0.7, 0.8], n_splits=2).p_value == 1


def test_paired_difference_is_that_of_the_indices():
    y, risk = follow_up(0, 300)
    other = risk + np.random.default_rng(0).normal(size=300)
    result = paired_c_index_difference(y, risk, other)
    assert result.value == pytest.approx(
        concordance_index(y, risk) - concordance_index(y, other)
    )
    assert result.low < result.value < result.high
    reverse = paired_c_index_difference(y, other, risk)
    assert reverse.low == pytest.approx(-result.high)
    assert paired_c_index_difference(y, risk, np.exp(risk))[:] == (0, 0, 0, 1)


def test_standard_error_of_the_paired_difference_is_that_of_the_bootstrap():
    y, risk = follow_up(0, 400)
    rng = np.random.default_rng(0)
    other = risk + rng.normal(size=400)
    result = paired_c_index_difference(y, risk, other, confidence_level=0.6827)
    rows = rng.integers(0, 400, (500, 400))
    replicates = [
        concordance_index(y[r], risk[r]) - concordance_index(y[r], other[r])
        for r in rows
    ]
    assert result.high - result.value == pytest.approx(np.std(replicates), rel=0.12)


def test_paired_difference_finds_nothing_where_nothing_is():
    p_values = []
    for seed in range(200):
        y, risk = follow_up(seed, 120)
        noise = np.random.default_rng(seed + 1000).normal(size=(2, 120))
        p_values.append(paired_c_index_difference(y, *(risk + noise)).p_value)
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_samples_of_one_patient_count_as_one():
    y, risk = follow_up(0)
    other = risk + np.random.default_rng(0).normal(size=len(y))
    once = paired_c_index_difference(y, risk, other)
    rows = np.repeat(np.arange(len(y)), 2)
    twice = paired_c_index_difference(y[rows], risk[rows], other[rows], groups=rows)
    assert twice == pytest.approx(once)


# Bad input


def bad_calls():
    y, risk = follow_up(0, 50)
    good = np.full(50, 0.5)
    weights = partial(concordance_index, y, risk)
    return {
        "y_pred of shape (49,)": lambda: concordance_index(y, risk[1:]),
        "Input y_pred contains NaN": lambda: concordance_index(y, np.full(50, np.nan)),
        "contains infinity": lambda: concordance_index(y, np.full(50, np.inf)),
        "structured array": lambda: concordance_index(risk, risk),
        "nobody was followed beyond": lambda: concordance_index(
            Surv.from_arrays([True, True], [1.0, 1.0]), [1, 2]
        ),
        "1 negative": lambda: weights(sample_weight=np.arange(50) - 1.0),
        "50 zero of 50": lambda: weights(sample_weight=np.zeros(50)),
        "Input sample_weight contains NaN": lambda: weights(
            sample_weight=np.full(50, np.nan)
        ),
        "sample_weight of shape (3,)": lambda: weights(sample_weight=[1, 2, 3]),
        "strata of shape (3,)": lambda: concordance_index(y, risk, strata=[1, 2, 3]),
        "earlier than the end of follow-up": lambda: brier_score(y, good, times=1e9),
        "must be positive": lambda: cumulative_dynamic_auc(y, risk, times=-1),
        "Nobody had the event by time": lambda: cumulative_dynamic_auc(
            y, risk, times=1e-6
        ),
        "Expected risks of shape (50,), or (50, 2)": lambda: cumulative_dynamic_auc(
            y, np.zeros((50, 3)), times=[0.5, 1]
        ),
        "survival probabilities, between 0 and 1": lambda: brier_score(
            y, risk, times=0.5
        ),
        "of shape (50, 2), got (50,)": lambda: brier_score(y, good, times=[0.5, 1]),
        "2 or more increasing times": lambda: integrated_brier_score(
            y, good, times=[0.5]
        ),
        "1 or more increasing times": lambda: integrated_auc(y, risk, times=[1, 0.5]),
        "censoring distribution is known up to": lambda: concordance_index_ipcw(
            y, risk, censoring=Surv.from_arrays([True, False], [0.1, 0.2])
        ),
        "Expected positive, finite times": lambda: survival_scorers(times=[0, 1]),
        "Nobody has cause 3; y_true holds the causes [1]": lambda: calibration(
            y, good, time=0.5, cause=3
        ),
        "probabilities of the event, between": lambda: calibration(y, risk, time=0.5),
        "n_bins from 1 to the 50 samples": lambda: calibration(
            y, good, time=0.5, n_bins=0
        ),
        "thresholds inside (0, 1)": lambda: net_benefit(y, good, time=0.5, threshold=1),
        "quantile inside (0, 1)": lambda: high_risk_group(y, risk, quantile=1),
        "needs events in both": lambda: high_risk_group(y, good),
        "'bca', 'percentile' or 'jackknife'": lambda: bootstrap_ci(
            concordance_index, y, risk, method="basic"
        ),
        "at least 2 resamples": lambda: bootstrap_ci(
            concordance_index, y, risk, n_resamples=1
        ),
        "too few to bootstrap": lambda: bootstrap_ci(
            concordance_index, Surv.from_arrays([True, True], [1.0, 2.0]), [2, 1]
        ),
        "scores on the same two or more folds": lambda: compare_models(
            [0.5, 0.6], [0.5], n_splits=2
        ),
        "scores of folds [1] are NaN": lambda: compare_models(
            [0.5, np.nan], [0.5, 0.6], n_splits=2
        ),
        "got b of shape (49,)": lambda: paired_c_index_difference(y, risk, risk[1:]),
    }


@pytest.mark.parametrize("message", bad_calls())
def test_bad_input_is_explained(message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        bad_calls()[message]()
    assert message in str(error.value)


def test_a_fold_with_only_its_last_sample_an_event_says_so():
    X, y = heavy_tailed(0)
    model = WithCensoring(CoxPHSurvivalAnalysis()).fit(X, y)
    late = Surv.from_arrays([False, False, True], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="can be compared|Use fewer folds"):
        survival_scorers(2)(model, X[:3], late)


def test_event_codes_must_be_whole():
    y = np.array([(0.5, 1.0), (1, 2.0)], dtype=[("event", float), ("time", float)])
    with pytest.raises(ValueError, match="0 for censored and 1, 2, "):
        calibration(y, [0.5, 0.5], time=1.5)


class NoScore(BaseEstimator):
    """An estimator without predictions."""

    def fit(self, X, y):
        return self


def test_wrapper_offers_what_its_estimator_has():
    assert not hasattr(WithCensoring(NoScore()), "predict")

"""What the estimator predicts, and what it says to bad input."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import cross_validate
from skorch.callbacks import Callback
from sksurv.metrics import integrated_brier_score
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._training import ECGDataset, ECGNet
from ecgdan_sk.metrics import survival_scorers
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import LEADS, ECGRecords

QUICK = {"max_epochs": 2, "batch_size": 32, "n_members": 1, "random_state": 0}
# Enough for a strong signal in few, short ECGs.
LEARN = {
    "max_epochs": 15,
    "lr": 0.003,
    "batch_size": 64,
    "n_members": 1,
    "dropout": 0.0,
    "crop": 1.0,
    "lead_masking": 0.0,
    "random_state": 0,
}
SINGLE = ["cox", "logistic-hazard", "deephit"]
COMPETING = ["cause-specific", "discrete-competing"]


def _cohort(n_samples, seed):
    """ECGs whose amplitude tells the log risk; exponential times, 3 in 4 observed."""
    rng = np.random.default_rng(seed)
    log_risk = rng.standard_normal(n_samples)
    wave = np.sin(np.arange(1, 13)[:, None] * np.arange(48) / 10)
    X = 0.5 * np.exp(0.4 * log_risk)[:, None, None] * wave
    X = X + 0.05 * rng.standard_normal(X.shape)
    own, censoring = rng.exponential(np.exp(-log_risk)), rng.exponential(2.0, n_samples)
    y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring) + 1e-3)
    return X.astype(np.float32), y, log_risk


def _with_causes(y, seed=0):
    """The same target with each event of cause 1 or, for one in three, 2."""
    rng = np.random.default_rng(seed)
    target = np.empty(len(y), dtype=[("cause", int), ("time", float)])
    target["cause"] = np.where(y["event"], 1 + (rng.random(len(y)) < 1 / 3), 0)
    target["time"] = y["time"]
    return target


@pytest.fixture(scope="module")
def data():
    return _cohort(60, 0)[:2]


@pytest.fixture(scope="module")
def fitted(data):
    return DualAttentionSurvival(**QUICK).fit(*data)


@pytest.fixture(scope="module")
def learned():
    """Models that have learned, by loss, with unseen ECGs and their outcome."""
    X, y, _ = _cohort(600, 0)
    models = {
        loss: DualAttentionSurvival(loss=loss, **LEARN).fit(X, _target(loss, y))
        for loss in SINGLE + COMPETING
    }
    return models, y, _cohort(1000, 1)


def _target(loss, y):
    return _with_causes(y) if loss in COMPETING else y


@pytest.mark.parametrize("loss", SINGLE + COMPETING)
def test_every_loss_learns_the_risk(learned, loss):
    models, _, (X, y, log_risk) = learned
    assert models[loss].score(X, _target(loss, y)) > 0.7
    assert np.corrcoef(models[loss].predict(X), log_risk)[0, 1] > 0.9


@pytest.mark.parametrize("loss", ["cox", "logistic-hazard", *COMPETING])
def test_survival_comes_closer_to_the_truth_than_kaplan_meier(learned, loss):
    models, y_train, (X, y, log_risk) = learned
    times = np.linspace(0.1, 1.5, 8)
    ours = models[loss].predict_survival_at(X, times)
    observed, curve = kaplan_meier_estimator(y_train["event"], y_train["time"])
    km = curve[np.searchsorted(observed, times, side="right") - 1]
    truth = np.exp(-np.exp(log_risk)[:, None] * times)
    assert np.abs(ours - truth).mean() < 0.6 * np.abs(km - truth).mean()
    known = y["time"] < y_train["time"].max()
    scores = [
        integrated_brier_score(y_train, y[known], survival[known], times)
        for survival in (ours, np.tile(km, (len(X), 1)))
    ]
    assert scores[0] < 0.9 * scores[1]


@pytest.mark.parametrize("loss", COMPETING)
def test_incidences_of_competing_causes(learned, loss):
    models, _, (X, _, log_risk) = learned
    model, times = models[loss], np.array([0.2, 0.5, 1.0])
    incidence = model.predict_cumulative_incidence(X, times)
    assert incidence.shape == (1000, 2, 3)
    survival = model.predict_survival_at(X, times)
    np.testing.assert_allclose(incidence.sum(1) + survival, 1)
    np.testing.assert_array_equal(model.predict_risk(X, times), incidence[:, 0])
    np.testing.assert_allclose(model.predict_risk(X, 0.5), incidence[:, 0, 1])
    # Both causes have the same relative hazards: 2 to 1 in everyone.
    truth = 1 - np.exp(-np.exp(log_risk)[:, None] * times)
    assert np.abs(incidence[:, 0] - 2 / 3 * truth).mean() < 0.08
    assert np.abs(incidence[:, 1] - 1 / 3 * truth).mean() < 0.08


@pytest.mark.parametrize("loss", SINGLE + COMPETING)
def test_curves_agree_with_each_other(learned, loss):
    models, _, (X, _, _) = learned
    model, X = models[loss], X[:20]
    survival = model.predict_survival_function(X, return_array=True)
    hazard = model.predict_cumulative_hazard_function(X, return_array=True)
    np.testing.assert_allclose(survival, np.exp(-hazard))
    assert (np.diff(survival) <= 1e-12).all()
    times = model.unique_times_
    incidence = model.predict_cumulative_incidence(X)
    np.testing.assert_allclose(incidence.sum(1), 1 - survival, atol=1e-12)
    functions = model.predict_survival_function(X)
    np.testing.assert_allclose(np.stack([f(times) for f in functions]), survival)
    np.testing.assert_allclose(model.predict_survival_at(X, times), survival)
    median = model.predict_median_survival_time(X)
    for curve, at in zip(functions, median):
        assert np.isinf(at) or curve(at) <= 0.5 < curve(np.nextafter(at, 0))
    assert functions[0](1e9) == survival[0, -1]


def test_the_order_of_median_times_is_that_of_the_risks(learned):
    models, _, (X, _, _) = learned
    by_risk = np.argsort(models["cox"].predict(X))
    median = models["cox"].predict_median_survival_time(X)[by_risk]
    assert (median[1:] <= median[:-1]).all()
    assert median[-1] < median[0]


def test_discrete_curves_bend_between_cut_points_only(learned):
    models, _, (X, _, _) = learned
    model = models["logistic-hazard"]
    cuts = np.concatenate([[0], model.likelihood_.cut_points_])
    thirds = cuts[:-1, None] + np.diff(cuts)[:, None] * [0, 1 / 3, 2 / 3, 1]
    hazard = -np.log(model.predict_survival_at(X[:5], thirds.ravel()))
    steps = np.diff(hazard.reshape(5, -1, 4))
    np.testing.assert_allclose(steps, steps[..., :1].repeat(3, -1), atol=1e-9)
    assert len(cuts) == model.n_intervals + 1


@pytest.mark.parametrize("loss", ["logistic-hazard", "deephit"])
def test_untrained_discrete_models_predict_the_life_table(loss):
    X, y, _ = _cohort(400, 0)
    settings = LEARN | {"max_epochs": 1, "lr": 1e-9}
    model = DualAttentionSurvival(loss=loss, **settings).fit(X, y)
    observed, curve = kaplan_meier_estimator(y["event"], y["time"])
    at = np.searchsorted(observed, model.likelihood_.cut_points_)
    ours = model.predict_survival_at(X[:5], model.likelihood_.cut_points_[:-1])
    np.testing.assert_allclose(ours, np.tile(curve[at][:-1], (5, 1)), atol=0.03)


@pytest.mark.parametrize("given", ["sample_weight", "strata", "entry"])
def test_what_fit_takes_besides_changes_the_fit(data, fitted, given):
    X, y = data
    values = {
        "sample_weight": np.where(y["time"] > np.median(y["time"]), 3.0, 0.5),
        "strata": np.array(["a", "b"])[np.arange(60) % 2],
        "entry": 0.9 * y["time"],
    }
    model = DualAttentionSurvival(**QUICK).fit(X, y, **{given: values[given]})
    assert not np.allclose(model.predict(X), fitted.predict(X), atol=0)
    at = np.median(y["time"])
    assert (
        not np.allclose(
            model.predict_survival_at(X, at),
            fitted.predict_survival_at(X, at),
            atol=1e-4,
        )
        or given == "strata"
    )


def test_each_stratum_has_its_own_baseline():
    X, y, _ = _cohort(200, 0)
    strata = np.arange(200) % 2
    y["time"][strata == 1] *= 10
    model = DualAttentionSurvival(**QUICK).fit(X, y, strata=strata)
    survival = model.predict_survival_at(X, 1.0, strata=strata)
    pooled = model.predict_survival_at(X, 1.0)
    assert survival[strata == 1].min() > pooled.max()
    assert survival[strata == 0].max() < pooled.min()
    assert model.score(X, y, strata=strata) != model.score(X, y)


def test_late_entry_does_not_dilute_the_baseline():
    X, y, _ = _cohort(300, 0)
    # Everyone is seen only from half of the own time on: nobody could die before.
    entry = y["time"] / 2
    model = DualAttentionSurvival(**QUICK).fit(X, y, entry=entry)
    naive = DualAttentionSurvival(**QUICK).fit(X, y)
    at = np.median(y["time"])
    assert (model.predict_survival_at(X, at) < naive.predict_survival_at(X, at)).all()


def test_baseline_of_validation_is_that_of_unseen_log_risks(data):
    X, y = data
    train, valid = (
        DualAttentionSurvival(baseline=b, **QUICK).fit(X, y)
        for b in ("train", "validation")
    )
    np.testing.assert_array_equal(train.predict(X), valid.predict(X))
    assert len(valid.unique_times_) < len(train.unique_times_)
    n_events = round(y["event"].sum() * valid.validation_fraction)
    assert len(valid.unique_times_) == n_events


def test_members_are_averaged_as_log_risks(data):
    X, y = data
    model = DualAttentionSurvival(**QUICK | {"n_members": 3}).fit(X, y)
    outputs = np.stack([net.predict(ECGDataset(X)) for net in model.nets_])
    outputs = outputs.astype(float)
    assert np.ptp(outputs, axis=0).min() > 0
    expected = (outputs - outputs.mean(1)[:, None]).mean(0)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-6)
    assert model.transform(X).shape == (60, 3 * 64)
    assert len(model.get_feature_names_out()) == 3 * 64


def test_scorers_find_what_they_need(data, fitted):
    X, y = data
    scores = survival_scorers(times=np.median(y["time"]))(fitted, X, y)
    assert np.isfinite(list(scores.values())).all()
    assert len(scores) == 5


def test_absent_leads_at_predict(data, fitted):
    X, _ = data
    limb = LEADS[:6]
    by_name = fitted.predict(ECGRecords(X[:, :6], leads=limb).select_leads(LEADS))
    by_nan = X.copy()
    by_nan[:, 6:] = np.nan
    np.testing.assert_array_equal(by_name, fitted.predict(by_nan))
    assert np.isfinite(by_name).all()
    assert not np.allclose(by_name, fitted.predict(X), atol=0)
    turned = ECGRecords(X[:, ::-1], leads=LEADS[::-1])
    np.testing.assert_array_equal(fitted.predict(turned), fitted.predict(X))


def test_all_events_are_fine():
    X, y, _ = _cohort(60, 0)
    y["event"] = True
    model = DualAttentionSurvival(**QUICK).fit(X, y)
    assert np.isfinite(model.predict_survival_function(X, return_array=True)).all()


def test_verbose_shows_a_bar_on_stderr_and_0_shows_nothing(data, capfd):
    DualAttentionSurvival(verbose=1, **QUICK).fit(*data)
    out, err = capfd.readouterr()
    assert out == ""
    assert "2/2" in err
    assert "valid_loss" in err
    DualAttentionSurvival(verbose=0, **QUICK).fit(*data)
    assert capfd.readouterr() == ("", "")


class _Counter(Callback):
    seen = 0

    def on_epoch_end(self, net, **kwargs):
        type(self).seen += 1


class _Recorder(Callback):
    heads = None

    def on_epoch_end(self, net, **kwargs):
        type(self).heads.append(net.module_.head.weight.detach().clone())


def test_callbacks_of_the_user_are_called(data):
    _Counter.seen = 0
    DualAttentionSurvival(callbacks=[_Counter()], **QUICK).fit(*data)
    assert _Counter.seen == 2


def test_a_loss_that_is_not_finite_names_epoch_and_remedy(data):
    with pytest.raises(FloatingPointError, match=r"in epoch \d+.*Lower lr"):
        DualAttentionSurvival(**QUICK | {"lr": 1e30, "max_epochs": 20}).fit(*data)


def _interrupt(monkeypatch, at_step):
    """Let the user press Ctrl-C in some training step."""
    step, steps = ECGNet.train_step_single, iter(range(10**6))

    def interrupted(*args, **kwargs):
        if next(steps) == at_step:
            raise KeyboardInterrupt
        return step(*args, **kwargs)

    monkeypatch.setattr(ECGNet, "train_step_single", interrupted)


def test_ctrl_c_keeps_the_best_weights_and_warns(data, monkeypatch):
    n_steps = 2  # batches of an epoch
    _interrupt(monkeypatch, at_step=3 * n_steps)
    _Recorder.heads = []
    model = DualAttentionSurvival(
        callbacks=[_Recorder()], **QUICK | {"n_members": 2, "max_epochs": 20}
    )
    with pytest.warns(UserWarning, match="interrupted in epoch 4 of network 1 of 2"):
        model.fit(*data)
    assert len(model.history_) == 4
    # The weights are those after the best of the three epochs that had ended.
    best = np.argmin([epoch["valid_loss"] for epoch in model.history_[:3]])
    kept = model.network_.head.weight
    assert [bool((kept == seen).all()) for seen in _Recorder.heads] == [
        epoch == best for epoch in range(3)
    ]
    assert len(model.nets_) == 1
    assert np.isfinite(model.predict(data[0])).all()


class Slow(Callback):
    """Works in a function of its own at the end of the second epoch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            self.work()

    def work(self):
        raise KeyboardInterrupt  # the user's, who cannot know what runs


def test_ctrl_c_within_a_callback_is_no_early_stop(data):
    model = DualAttentionSurvival(callbacks=[Slow()], **QUICK | {"max_epochs": 9})
    with pytest.warns(UserWarning, match="interrupted in epoch"):
        model.fit(*data)
    assert len(model.history_) == 2


def test_ctrl_c_before_any_epoch_has_ended(data, monkeypatch):
    _interrupt(monkeypatch, at_step=1)
    with pytest.raises(KeyboardInterrupt, match="No epoch had ended"):
        DualAttentionSurvival(**QUICK).fit(*data)


def _fit(data, **columns):
    return DualAttentionSurvival(**QUICK).fit(*data, **columns)


def test_a_batch_size_that_leaves_no_event_in_a_batch():
    X, y, _ = _cohort(60, 0)
    y["event"] = np.arange(60) < 6
    with pytest.raises(ValueError, match=r"batch_size=4 makes 12 .* only 5 .* Use ba"):
        DualAttentionSurvival(**QUICK | {"batch_size": 4}).fit(X, y)


def test_other_leads_length_or_rate_at_predict(data, fitted):
    X, y = data
    with pytest.raises(ValueError, match="X has 11 leads without names"):
        fitted.predict(X[:, :11])
    with pytest.raises(ValueError, match="None of the leads"):
        fitted.predict(ECGRecords(X[:, :1], leads=["X"]))
    with pytest.raises(ValueError, match="X has 40 samples per lead, but .* with 48"):
        fitted.predict(X[:, :, :40])
    model = _fit((ECGRecords(X, sampling_rate=100), y))
    with pytest.raises(ValueError, match="500 Hz, but the model was fitted at 100 Hz"):
        model.predict(ECGRecords(X, sampling_rate=500))
    with pytest.raises(ValueError, match="microvolts"):
        fitted.predict(1000 * X)


@pytest.mark.parametrize("time", [-0.1, 1e6, np.nan])
def test_times_beyond_the_follow_up(data, fitted, time):
    X, y = data
    end = f"{y['time'].max():g}"
    for predict in (fitted.predict_survival_at, fitted.predict_cumulative_incidence):
        with pytest.raises(ValueError, match=f"follow-up seen in fit runs .* {end}"):
            predict(X, [0.1, time])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([0, 1, 3], r"the causes \[1, 3\], but causes are numbered"),
        ([0, 2, 2], r"the causes \[2\], but causes are numbered"),
        ([0, -1, 1], "0 for censored and 1, 2"),
        ([0, 0, 0], "All 60 samples are censored"),
    ],
)
def test_bad_cause_codes(data, codes, message):
    X, y = data
    target = _with_causes(y)
    target["cause"] = np.tile(codes, 20)
    with pytest.raises(ValueError, match=message):
        DualAttentionSurvival(loss="cause-specific", **QUICK).fit(X, target)


def test_causes_that_the_loss_or_the_model_does_not_know(data):
    X, y = data
    target = _with_causes(y)
    with pytest.raises(ValueError, match="2 causes, but loss='cox' takes one event"):
        _fit((X, target))
    model = DualAttentionSurvival(loss="cause-specific", **QUICK).fit(X, target)
    target["cause"][0] = 3
    with pytest.raises(ValueError, match="cause 3, but the model was fitted with"):
        model.score(X, target)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.where(np.arange(60) == 3, -1.0, 1.0), "got 1 negative and 0 zero of 60"),
        (np.where(np.arange(60) == 3, np.nan, 1.0), "sample_weight contains NaN"),
        (np.zeros(60), "0 negative and 60 zero"),
        (np.ones(5), r"one weight for each of the 60 samples, .* shape \(5,\)"),
    ],
)
def test_bad_weights(data, weight, message):
    with pytest.raises(ValueError, match=message):
        _fit(data, sample_weight=weight)


def test_weights_that_leave_no_event(data):
    with pytest.raises(ValueError, match="weights of all .* events are zero"):
        _fit(data, sample_weight=np.where(data[1]["event"], 0.0, 1.0))


def test_a_stratum_without_events(data):
    strata = np.where(data[1]["event"], "big", "small")
    with pytest.raises(ValueError, match="'small'.* but no event"):
        _fit(data, strata=strata)


def test_entry_after_exit(data):
    entry = np.zeros(60)
    entry[7] = data[1]["time"][7]
    with pytest.raises(ValueError, match="1 of 60 samples enter .* sample 7"):
        _fit(data, entry=entry)
    with pytest.raises(ValueError, match="one time of entry for each of the 60"):
        _fit(data, entry=entry[:5])


@pytest.mark.parametrize("given", ["strata", "entry"])
def test_discrete_time_has_no_strata_and_no_entry(data, given):
    values = {"strata": np.arange(60) // 30, "entry": np.zeros(60)}
    with pytest.raises(ValueError, match=f"{given} cannot be used with loss='deephit'"):
        DualAttentionSurvival(loss="deephit", **QUICK).fit(
            *data, **{given: values[given]}
        )


def test_metadata_routing_brings_weights_to_fit(data):
    X, y = data
    weight = np.where(y["time"] > np.median(y["time"]), 3.0, 0.5)
    cv = EventKFold(2, random_state=0)
    with config_context(enable_metadata_routing=True):
        model = DualAttentionSurvival(**QUICK).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False, strata=False)
        models = cross_validate(
            model, X, y, cv=cv, params={"sample_weight": weight}, return_estimator=True
        )["estimator"]
    train = next(cv.split(X, y))[0]
    alone = DualAttentionSurvival(**QUICK).fit(
        X[train], y[train], sample_weight=weight[train]
    )
    np.testing.assert_array_equal(models[0].predict(X), alone.predict(X))

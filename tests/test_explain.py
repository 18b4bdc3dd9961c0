"""Explanations: what they sum to, what an absent lead does, what bad input is told."""

import copy
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.explain import (
    SEGMENTS,
    attention_maps,
    integrated_gradients,
    lead_group_shapley,
    lead_occlusion,
    segment_occlusion,
    sum_over_segments,
)
from ecgdan_sk.explain._receptive_field import receptive_field, time_weights
from ecgdan_sk.explain._segments import segment_limits
from ecgdan_sk.network import Encoder
from ecgdan_sk.paper_network import PaperEncoder
from ecgdan_sk.records import LEADS, ECGRecords

# The beats of the planted cohorts are of 0.6 mV in every lead.
pytestmark = pytest.mark.filterwarnings("ignore:The typical amplitude")
QUICK = {"max_epochs": 3, "batch_size": 32, "random_state": 0}
EXPLAIN = [
    attention_maps,
    lead_occlusion,
    lead_group_shapley,
    lambda estimator, X: segment_occlusion(estimator, X, sampling_rate=100),
    integrated_gradients,
]
NAMES = ["attention", "lead", "shapley", "segment", "gradients"]
PLANTED = LEADS.index("V2")


def _planted(n_samples, seed):
    """ECGs whose log risk lies in the height of the beats of one lead."""
    rng = np.random.default_rng(seed)
    time = np.arange(200) / 100
    beat = np.exp(-(((time % 0.7 - 0.35) / 0.03) ** 2))
    X = 0.6 * np.exp(0.2 * rng.standard_normal((n_samples, 12, 1))) * beat
    log_risk = rng.standard_normal(n_samples)
    X[:, PLANTED] = 0.6 * np.exp(0.4 * log_risk)[:, None] * beat
    X += 0.02 * rng.standard_normal(X.shape)
    hazard = np.exp(2 * log_risk)
    own, censoring = rng.exponential(1 / hazard), rng.exponential(2.0, n_samples)
    y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring) + 1e-3)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(80, duration=3, event_rate=0.5, random_state=0)


@pytest.fixture(scope="module")
def fitted(cohort):
    return DualAttentionSurvival(n_members=2, **QUICK).fit(cohort.X, cohort.y)


@pytest.fixture(scope="module")
def X(cohort):
    """Twelve ECGs, of which the first lacks V3 and the second lacks V1 and V2."""
    X = cohort.X[:12].copy()
    X[0, 8] = np.nan
    X[1, 6:8] = np.nan
    return X


@pytest.fixture(scope="module")
def paper(cohort):
    model = DualAttentionSurvival(
        architecture="paper", n_members=1, crop=1.0, max_epochs=1, random_state=0
    )
    return model.fit(cohort.X, cohort.y)


@pytest.fixture(scope="module")
def learned():
    """An estimator that knows where the risk lies, with unseen ECGs of high risk."""
    model = DualAttentionSurvival(
        n_members=1, max_epochs=12, batch_size=32, crop=1.0, random_state=0
    )
    model.fit(*_planted(300, 0))
    X, _ = _planted(200, 1)
    risk = model.predict(X)
    return model, X[risk > np.quantile(risk, 0.8)]


@pytest.mark.parametrize("explain", [lead_occlusion, integrated_gradients])
def test_the_planted_lead_comes_first(learned, explain):
    model, X = learned
    first = explain(model, X).lead_importance.argmax(axis=1)
    assert (first == PLANTED).mean() >= 0.95


def test_the_group_of_the_planted_lead_has_the_largest_share(learned):
    shares = lead_group_shapley(*learned)
    assert (shares.values.argmax(axis=1) == shares.groups.index("V1-V2")).mean() >= 0.95


def test_attention_rows_and_maps_over_time_sum_to_one(fitted, X):
    maps = attention_maps(fitted, X)
    whole = slice(2, None)
    np.testing.assert_allclose(maps.cross_lead[whole].sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(maps.temporal[whole].sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(maps.lead_importance[whole].sum(-1), 1, atol=1e-5)
    importance = maps.cross_lead[whole].mean(axis=1)
    np.testing.assert_allclose(maps.lead_importance[whole], importance, rtol=1e-4)


def test_attention_is_the_mean_of_the_networks_with_its_spread(fitted, X):
    maps, x = attention_maps(fitted, X), torch.from_numpy(X[2:])
    with torch.no_grad():
        single = [net.module_.encoder.attention_maps(x) for net in fitted.nets_]
    lead = np.stack([maps[0].mean(1).numpy() for maps in single])
    np.testing.assert_allclose(maps.cross_lead[2:], lead.mean(0), rtol=1e-4)
    np.testing.assert_allclose(maps.cross_lead_sd[2:], lead.std(0, ddof=1), atol=1e-6)


def test_attention_per_head_averages_to_the_map(fitted, X):
    maps, heads = attention_maps(fitted, X), attention_maps(fitted, X, per_head=True)
    assert heads.cross_lead.shape == (12, 4, 12, 12)
    assert heads.temporal.shape == (12, 12, 4, 300)
    for name, axis in [("cross_lead", 1), ("lead_importance", 1), ("temporal", 2)]:
        mean = getattr(heads, name).mean(axis)
        np.testing.assert_allclose(mean, getattr(maps, name), rtol=1e-4)
    np.testing.assert_allclose(heads.to_frame(), maps.to_frame(), rtol=1e-4)


def test_spread_of_a_single_network_is_unknown(paper, cohort):
    assert np.isnan(attention_maps(paper, cohort.X[:3]).cross_lead_sd).all()


def test_attention_of_the_paper_network(paper, cohort):
    maps = attention_maps(paper, cohort.X[:3])
    assert maps.cross_lead.shape == (3, 12, 12)
    assert maps.temporal.shape == (3, 12, 300)
    np.testing.assert_allclose(maps.temporal.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("encoder", [Encoder(12), PaperEncoder(320)], ids=type)
def test_receptive_field_is_what_moves_a_step(encoder):
    encoder.eval()
    trunk = encoder.trunk if isinstance(encoder, Encoder) else encoder.encoder
    if isinstance(encoder, Encoder):
        x = torch.randn(1, 12, 640, requires_grad=True)
        features = trunk(x)
    else:  # GroupNorm of the stem sees everything: its convolutions alone
        x = torch.randn(1, 12, 640, requires_grad=True)
        stem = encoder.input_conv
        features = trunk(stem[3](stem[0](x)).unflatten(1, (4, 12)))
    field, step = receptive_field(encoder), features.shape[-1] // 2
    features[..., step].square().sum().backward()
    moved = np.flatnonzero(x.grad.abs().amax((0, 1)).numpy())
    first = field.start + field.stride * step
    assert moved.min() >= first
    assert moved.max() < first + len(field.profile)
    assert moved.min() <= first + 2
    assert moved.max() >= first + len(field.profile) - 3


def test_even_attention_makes_an_even_map():
    weights = time_weights(Encoder(12), 63, 1000)
    np.testing.assert_allclose(weights.sum(1), 1)
    np.testing.assert_allclose(weights.mean(0), 1 / 1000, rtol=0.02)


def test_map_over_time_peaks_where_the_step_looks():
    weights = time_weights(Encoder(12), 63, 1000)
    centre = weights @ np.arange(1000)
    np.testing.assert_allclose(centre[5:-5], 16 * np.arange(63)[5:-5], atol=8)


def test_padding_of_the_paper_network_is_no_part_of_the_map(paper):
    encoder = paper.network_.encoder
    weights = time_weights(encoder, 10, 300)
    # 320 samples after padding with 10 on each side; a step sees to both of its sides.
    centre = weights @ np.arange(300)
    np.testing.assert_allclose(np.diff(centre[3:7]), 32, atol=4)
    assert abs(centre.mean() - 149.5) < 16


def test_occlusion_is_the_change_of_predict(fitted, X):
    occlusion = lead_occlusion(fitted, X)
    without = X.copy()
    without[:, 4] = np.nan
    expected = fitted.predict(X) - fitted.predict(without)
    np.testing.assert_allclose(occlusion.change[:, 4], expected, atol=1e-6)
    np.testing.assert_allclose(occlusion.log_risk, fitted.predict(X), atol=1e-6)


def test_the_only_lead_of_an_ecg_holds_all_of_its_risk(fitted, X):
    only = X[2:4].copy()
    only[:, 1:] = np.nan
    occlusion = lead_occlusion(fitted, only)
    np.testing.assert_allclose(occlusion.change[:, 0], fitted.predict(only), atol=1e-6)


def test_shapley_values_sum_to_the_log_risk(fitted, X):
    shares = lead_group_shapley(fitted, X)
    assert shares.groups == ("limb", "V1-V2", "V3-V4", "V5-V6")
    total = np.nansum(shares.values, axis=1)
    np.testing.assert_allclose(total, fitted.predict(X), atol=1e-6)


def test_shapley_value_is_the_mean_over_all_orders(fitted, X):
    one = X[2:3]
    rows = [range(6), (6, 7), (8, 9), (10, 11)]
    expected = np.zeros(4)
    for order in permutations(range(4)):
        kept, before = np.full_like(one, np.nan), 0.0
        for group in order:
            kept[:, rows[group]] = one[:, rows[group]]
            now = fitted.predict(kept)[0]
            expected[group] += (now - before) / 24
            before = now
    values = lead_group_shapley(fitted, one).values[0]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_leads_of_no_group_are_another_player(cohort):
    leads = ("I", "V1", "X", "Y")
    records = ECGRecords(cohort.X[:, :4], 100, leads)
    model = DualAttentionSurvival(n_members=1, **QUICK).fit(records, cohort.y)
    shares = lead_group_shapley(model, records[:3])
    assert shares.groups == ("limb", "V1-V2", "other")
    total = shares.values.sum(axis=1)
    np.testing.assert_allclose(total, model.predict(records[:3]), atol=1e-6)


def test_segments_follow_the_truth(cohort):
    """Onsets and offsets in milliseconds, against those of the simulation."""
    sinus = (cohort.rhythm == "sinus") & ~cohort.conditions.any(axis=1).to_numpy()
    found = []
    for i in np.flatnonzero(sinus)[:20]:
        limits = segment_limits(cohort.X[i], 100)
        true = cohort.parameters.iloc[i]
        qrs = np.ptp(limits["QRS"], axis=1).mean() * 10 - true["qrs_duration_ms"]
        onset = limits["QRS"][0, 0]
        end_of_t = limits["T"][limits["T"][:, 1] > onset][0, 1]
        found.append((qrs, (end_of_t - onset) * 10 - true["qt_interval_ms"]))
    assert np.abs(np.median(found, axis=0)).max() <= 20


def test_segments_of_a_beat_follow_each_other(cohort):
    limits = segment_limits(cohort.X[3], 100)
    assert set(limits) <= set(SEGMENTS)
    np.testing.assert_array_equal(limits["QRS"][:2, 1], limits["ST"][:2, 0])
    np.testing.assert_array_equal(limits["ST"][:2, 1], limits["T"][:2, 0])


def test_without_p_or_beats_there_is_no_value(fitted, cohort):
    fibrillating = cohort.X[cohort.rhythm == "atrial fibrillation"]
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 12, 300))
    X = np.concatenate([fibrillating, noise.astype(np.float32)])
    change = segment_occlusion(fitted, X, sampling_rate=100).change
    assert len(fibrillating)
    assert np.isnan(change[:, 0]).all()
    assert np.isfinite(change[: len(fibrillating), 1]).all()


@pytest.mark.filterwarnings("ignore:The amplitudes of 1")
def test_a_segment_gives_way_to_a_line_in_one_lead_or_all(fitted, X):
    together = segment_occlusion(fitted, X, sampling_rate=100)
    apart = segment_occlusion(fitted, X, sampling_rate=100, per_lead=True)
    first, last = segment_limits(X[3], 100)["QRS"].T
    flat = X[3:4].copy()
    for start, end in zip(first, last):
        for lead in range(12):
            ends = flat[0, lead, [start, end]]
            flat[0, lead, start : end + 1] = np.linspace(*ends, end - start + 1)
    expected = fitted.predict(X[3:4]) - fitted.predict(flat)
    np.testing.assert_allclose(together.change[3, 1], expected[0], atol=1e-5)
    one = X[3:4].copy()
    one[0, 7] = flat[0, 7]
    expected = fitted.predict(X[3:4]) - fitted.predict(one)
    np.testing.assert_allclose(apart.change[3, 7, 1], expected[0], atol=1e-5)
    assert apart.to_frame().shape == (12, 48)
    assert apart.to_frame()["V2"]["QRS"][3] == apart.change[3, 7, 1]


def test_sums_over_segments_count_samples(X):
    limits = segment_limits(X[3], 100)
    sums = sum_over_segments(np.ones_like(X), X, sampling_rate=100)
    assert sums[3, 0, 1] == (np.diff(limits["QRS"]) + 1).sum()
    with pytest.raises(ValueError, match="one value for each sample"):
        sum_over_segments(np.ones((3, 12)), X, sampling_rate=100)


def test_integrated_gradients_are_complete(learned):
    model, X = learned
    result = integrated_gradients(model, X)
    np.testing.assert_allclose(result.log_risk, model.predict(X), atol=1e-6)
    change = np.abs(result.log_risk - result.baseline_log_risk).mean()
    assert result.completeness_error.mean() < 0.03 * change


def test_baselines_of_other_ecgs_are_averaged(learned):
    model, X = learned
    X = X[:4].copy()
    X[3, 5] = np.nan
    both = integrated_gradients(model, X, baseline=X[:2], n_steps=16)
    each = [
        integrated_gradients(model, X, baseline=X[i : i + 1], n_steps=16)
        for i in range(2)
    ]
    mean = np.mean([result.attributions for result in each], axis=0)
    np.testing.assert_allclose(both.attributions, mean, atol=1e-5)
    # There is no way from an ECG to itself.
    np.testing.assert_allclose(each[0].attributions[0], 0, atol=1e-6)
    masked = X[:2].copy()
    masked[:, 5] = np.nan
    expected = [model.predict(X[:2]).mean()] * 3 + [model.predict(masked).mean()]
    np.testing.assert_allclose(both.baseline_log_risk, expected, atol=1e-4)


def test_an_offset_of_the_electrode_changes_no_attribution(fitted, X):
    before = integrated_gradients(fitted, X[2:4], n_steps=16).attributions
    after = integrated_gradients(fitted, X[2:4] + 0.5, n_steps=16).attributions
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_few_steps_are_warned_of(fitted, X):
    with pytest.warns(UserWarning, match="Raise n_steps, now 1"):
        integrated_gradients(fitted, X, n_steps=1)


def test_integrated_gradients_equal_captum(fitted, X):
    attr = pytest.importorskip("captum.attr")
    member = copy.copy(fitted)
    member.nets_ = fitted.nets_[:1]
    member.likelihood_ = copy.copy(fitted.likelihood_)
    member.likelihood_.means_ = fitted.likelihood_.means_[:1]
    ours = integrated_gradients(member, X[2:], n_steps=16).attributions
    x = torch.from_numpy(X[2:] - X[2:].mean(2, keepdims=True))
    # The log risk of a single network is its output less the mean.
    theirs = attr.IntegratedGradients(member.network_).attribute(
        x, torch.zeros_like(x), n_steps=16, method="gausslegendre"
    )
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-6)


@pytest.mark.parametrize("loss", ["logistic-hazard", "deephit"])
def test_gradients_of_discrete_time_are_complete(cohort, loss):
    model = DualAttentionSurvival(n_members=2, loss=loss, n_intervals=4, **QUICK)
    model.fit(cohort.X, cohort.y)
    result = integrated_gradients(model, cohort.X[:6], n_steps=128)
    change = np.abs(result.log_risk - result.baseline_log_risk).mean()
    assert result.completeness_error.max() < 0.05 * change


def test_paper_network_has_no_way_from_a_flat_line(paper, cohort):
    with pytest.raises(ValueError, match="scales each lead by itself"):
        integrated_gradients(paper, cohort.X[:3])


@pytest.mark.parametrize("explain", [lead_occlusion, lead_group_shapley])
def test_hidden_leads_that_training_never_hid_are_warned_of(fitted, X, explain):
    never = copy.copy(fitted).set_params(lead_masking=0.0)
    with pytest.warns(
        UserWarning, match="lead_masking=0, that is, never without a lead"
    ):
        explain(never, X[:1])


def test_covariates_are_no_part_of_what_the_ecg_explains(cohort):
    records = ECGRecords(cohort.X, 100, covariates=cohort.covariates)
    model = DualAttentionSurvival(n_members=1, covariates=["age"], **QUICK)
    model.fit(records, cohort.y)
    older = cohort.covariates.assign(age=90.0)
    other = ECGRecords(cohort.X[:4], 100, covariates=older.iloc[:4])
    assert not np.allclose(model.predict(other), model.predict(records[:4]))
    a, b = lead_occlusion(model, records[:4]), lead_occlusion(model, other)
    np.testing.assert_allclose(a.log_risk, b.log_risk)
    without = other.signals.copy()
    without[:, 5] = np.nan
    without = ECGRecords(without, 100, covariates=other.covariates)
    expected = model.predict(other) - model.predict(without)
    np.testing.assert_allclose(b.change[:, 5], expected, atol=1e-6)


@pytest.mark.parametrize(
    "explain", [attention_maps, lead_occlusion, integrated_gradients]
)
def test_an_absent_lead_has_no_importance(fitted, X, explain):
    importance = explain(fitted, X).to_frame()
    absent = np.isnan(X[:, :, 0])
    np.testing.assert_array_equal(importance.isna(), absent)


def test_absent_leads_in_maps_and_groups(fitted, X):
    maps, shares = attention_maps(fitted, X), lead_group_shapley(fitted, X)
    assert np.isnan(maps.cross_lead[0, 8]).all()
    assert np.isnan(maps.cross_lead[0, :, 8]).all()
    assert np.isnan(maps.temporal[0, 8]).all()
    rest = np.nansum(maps.cross_lead[0], axis=1)
    np.testing.assert_allclose(np.delete(rest, 8), 1, atol=1e-5)
    # V3-V4 still has V4 in the first ECG; V1-V2 has nothing in the second.
    np.testing.assert_array_equal(np.nonzero(np.isnan(shares.values)), [[1], [1]])


def test_a_missing_named_lead_is_absent(fitted, X):
    eleven = ECGRecords(np.delete(X[2:5], 9, axis=1), 100, [*LEADS[:9], *LEADS[10:]])
    with pytest.warns(UserWarning, match="X has no lead V4"):
        occlusion = lead_occlusion(fitted, eleven)
    assert occlusion.leads == LEADS
    assert np.isnan(occlusion.change[:, 9]).all()


@pytest.mark.parametrize("explain", EXPLAIN, ids=NAMES)
def test_nothing_is_changed(fitted, X, explain):
    before, risk = X.copy(), fitted.predict(X)
    np_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    explain(fitted, X)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(fitted.predict(X), risk)
    np.testing.assert_array_equal(np.random.get_state()[1], np_state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert all(p.grad is None or not p.grad.isnan().any() for p in _weights(fitted))


def _weights(estimator):
    return [p for net in estimator.nets_ for p in net.module_.parameters()]


@pytest.mark.parametrize("explain", EXPLAIN, ids=NAMES)
def test_explanations_are_made_in_batches(fitted, cohort, explain, monkeypatch):
    whole = explain(fitted, cohort.X[:7])
    monkeypatch.setattr("ecgdan_sk.explain._model._BATCH_SIZE", 3)
    parts = explain(fitted, cohort.X[:7])
    np.testing.assert_allclose(whole.to_frame(), parts.to_frame(), atol=1e-5)


@pytest.mark.parametrize("explain", EXPLAIN, ids=NAMES)
def test_bad_input_is_explained(fitted, cohort, explain):
    with pytest.raises(NotFittedError):
        explain(DualAttentionSurvival(), cohort.X[:2])
    with pytest.raises(ValueError, match="Add the sample axis"):
        explain(fitted, cohort.X[0])
    with pytest.raises(ValueError, match="fitted with 300"):
        explain(fitted, cohort.X[:2, :, :200])
    with pytest.raises(TypeError, match="pipeline"):
        explain(fitted.net_, cohort.X[:2])


@pytest.mark.parametrize(
    ("switch", "missing", "other"),
    [
        ("lead_attention", "cross_lead", "temporal"),
        ("temporal_attention", "temporal", "cross_lead"),
    ],
)
def test_a_map_that_was_switched_off_does_not_exist(cohort, switch, missing, other):
    model = DualAttentionSurvival(
        architecture=Compact(**{switch: False}), n_members=1, **QUICK
    )
    model.fit(cohort.X, cohort.y)
    with pytest.raises(ValueError, match=f"The {missing} map does not exist"):
        attention_maps(model, cohort.X[:2])
    maps = attention_maps(model, cohort.X[:2], maps=(other,))
    assert getattr(maps, missing) is None
    assert getattr(maps, other) is not None
    if missing == "cross_lead":
        with pytest.raises(ValueError, match="no importance of leads"):
            maps.to_frame()


@pytest.mark.parametrize("maps", ["temporal", (), ("lead",)])
def test_unknown_maps_are_refused(fitted, X, maps):
    with pytest.raises(ValueError, match="cross_lead, temporal"):
        attention_maps(fitted, X, maps=maps)


def test_segments_need_a_sampling_rate(fitted, X):
    with pytest.raises(ValueError, match="sampling rate is unknown"):
        segment_occlusion(fitted, X)
    with pytest.raises(ValueError, match="sampling rate is unknown"):
        sum_over_segments(X, X)
    known = segment_occlusion(fitted, ECGRecords(X, 100))
    given = segment_occlusion(fitted, X, sampling_rate=100)
    np.testing.assert_array_equal(known.change, given.change)


@pytest.mark.parametrize("n_steps", [0, 2.5])
def test_steps_must_be_a_count(fitted, X, n_steps):
    with pytest.raises(ValueError, match="n_steps must be an integer"):
        integrated_gradients(fitted, X, n_steps=n_steps)


@pytest.mark.filterwarnings("ignore:Leads are constant")
def test_a_flat_lead_gets_no_credit(fitted, X):
    flat = X[3:5].copy()
    flat[:, 5] = 0.3
    result = integrated_gradients(fitted, flat)
    np.testing.assert_allclose(result.lead_importance[:, 5], 0, atol=1e-7)

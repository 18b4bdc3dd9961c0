"""Tests of explanations: they tell what is true of a network from what is not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr, ttest_ind
from sklearn.exceptions import NotFittedError
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.explain import (
    attention_maps,
    compare_groups,
    faithfulness,
    integrated_gradients,
    lead_group_shapley,
    lead_occlusion,
    segment_occlusion,
)
from ecgdan_sk.explain._faithfulness._tests import rank_correlation
from ecgdan_sk.explain._faithfulness._units import keep_ends, units_of
from ecgdan_sk.explain._model import single_networks, with_shuffled_weights
from ecgdan_sk.records import LEADS

# The beats of the planted cohorts are of 0.6 mV in every lead.
pytestmark = pytest.mark.filterwarnings("ignore:The typical amplitude")


def _cohort(n_samples, seed):
    """ECGs of 2 s whose risk lies in the height of the beats of V1, V2 and V3."""
    rng = np.random.default_rng(seed)
    time = np.arange(200) / 100
    beat = np.exp(-(((time % 0.7 - 0.35) / 0.03) ** 2))
    X = 0.6 * np.exp(0.2 * rng.standard_normal((n_samples, 12, 1))) * beat
    parts = rng.standard_normal((n_samples, 3))
    X[:, 6:9] = 0.6 * np.exp(0.4 * parts)[:, :, None] * beat
    X += 0.02 * rng.standard_normal(X.shape)
    own = rng.exponential(np.exp(-1.5 * parts.sum(axis=1)))
    censoring = rng.exponential(2.0, n_samples)
    y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring) + 1e-3)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def fitted():
    model = DualAttentionSurvival(
        n_members=2, max_epochs=10, batch_size=32, crop=1.0, random_state=0
    )
    return model.fit(*_cohort(250, 0))


@pytest.fixture(scope="module")
def X():
    return _cohort(20, 1)[0]


@pytest.fixture(scope="module")
def occlusion(fitted, X):
    return lead_occlusion(fitted, X)


@pytest.fixture(scope="module")
def table(fitted, X, occlusion):
    return faithfulness(fitted, X, occlusion, n_repeats=5, random_state=0)


def test_a_true_explanation_passes(table):
    tests = table.loc["leads"]
    assert (tests.loc[["deletion", "insertion"], "low"] > 0).all()
    assert tests.loc["weight randomisation", "value"] < 0.3
    assert tests.loc["stability under noise", "value"] > 0.9
    assert tests.loc["agreement with integrated_gradients", "value"] > 0.4
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_a_false_explanation_fails(fitted, X, occlusion, table):
    """One with its leads turned round gains little, one upside down loses."""
    shifted = replace(occlusion, change=np.roll(occlusion.change, 6, axis=1))
    opposite = replace(occlusion, change=-occlusion.change)
    gains = [["deletion", "insertion"], "value"]
    true = table.loc["leads"].loc[tuple(gains)]
    for wrong, most in ((shifted, 0.3 * true), (opposite, -0.5 * true)):
        tests = faithfulness(fitted, X, wrong, n_repeats=2, random_state=0).loc["leads"]
        assert (tests.loc[tuple(gains)] < most).all()


def test_random_order_gains_next_to_nothing(fitted, X, occlusion, table):
    rng = np.random.default_rng(0)
    random = replace(occlusion, change=rng.standard_normal(occlusion.change.shape))
    random = faithfulness(fitted, X, random, n_repeats=2, random_state=0)
    for name in ("deletion", "insertion"):
        gain, true_gain = (t.loc[("leads", name), "value"] for t in (random, table))
        assert abs(gain) < 0.4 * true_gain


@pytest.mark.parametrize(
    ("explain", "levels"),
    [
        (attention_maps, ["leads", "pairs of leads", "moments"]),
        (lead_group_shapley, ["lead groups"]),
        (segment_occlusion, ["segments"]),
        (integrated_gradients, ["leads", "moments"]),
    ],
)
def test_each_explanation_has_its_table(fitted, X, explain, levels):
    settings = {"sampling_rate": 100} if explain is segment_occlusion else {}
    explanation = explain(fitted, X[:4], **settings)
    table = faithfulness(fitted, X[:4], explanation, n_repeats=2, random_state=0)
    assert list(dict.fromkeys(table.index.get_level_values("level"))) == levels
    assert table["value"].notna().all()
    assert table.loc[levels[-1]].index.is_unique


def test_same_seed_same_table_and_nothing_is_changed(fitted, X):
    before = np.random.get_state()[1].copy()
    risk, shares = fitted.predict(X), lead_group_shapley(fitted, X[:4])
    once, again = (
        faithfulness(fitted, X[:4], shares, n_repeats=2, random_state=0)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(once, again)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_array_equal(fitted.predict(X), risk)


def test_absent_leads_take_no_part(fitted, X):
    absent = X[:10].copy()
    absent[:, [0, 4]] = np.nan
    explanation = lead_occlusion(fitted, absent)
    table = faithfulness(fitted, absent, explanation, n_repeats=2, random_state=0)
    assert table["value"].notna().all()
    assert table.loc[("leads", "deletion"), "low"] > 0


def test_shuffled_weights_leave_the_estimator_alone(fitted, X):
    before = fitted.predict(X)
    shuffled = with_shuffled_weights(fitted, np.random.RandomState(0))
    assert not np.allclose(shuffled.predict(X), before)
    np.testing.assert_array_equal(fitted.predict(X), before)
    pairs = zip(fitted.network_.parameters(), shuffled.network_.parameters())
    for old, new in pairs:
        assert np.array_equal(
            np.sort(old.detach().flatten()), np.sort(new.detach().flatten())
        )


def test_single_networks_average_to_the_estimator(fitted, X):
    singles = single_networks(fitted)
    expected = np.mean([model.predict(X) for model in singles], axis=0)
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-5)


def test_taking_moments_away_draws_lines():
    X = np.arange(10, dtype=np.float32)[None, None] ** 2
    gone = np.zeros((1, 1, 10), bool)
    gone[..., [0, 4, 5, 9]] = True
    expected = X.copy()
    # Held at the ends, a line from 3 ** 2 to 6 ** 2 in the middle.
    expected[..., [0, 4, 5, 9]] = [1, 18, 27, 64]
    np.testing.assert_allclose(keep_ends(X, gone), expected)
    everything = np.ones_like(gone)
    np.testing.assert_allclose(keep_ends(X, everything), np.full_like(X, X.mean()))


def test_taking_every_moment_away_leaves_flat_lines(fitted, X):
    units = units_of(integrated_gradients(fitted, X[:3], n_steps=8), X[:3], LEADS)
    moments = units["moments"]
    flat = moments.without(X[:3], np.ones(moments.values.shape, bool))
    np.testing.assert_allclose(np.ptp(flat, axis=2), 0, atol=1e-6)
    same = moments.without(X[:3], np.zeros(moments.values.shape, bool))
    np.testing.assert_array_equal(same, X[:3])


def test_rank_correlation_is_that_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 6, 12)).astype(float)
    a[0, 3] = b[1, 5] = np.nan
    expected = [spearmanr(x, y, nan_policy="omit")[0] for x, y in zip(a, b)]
    np.testing.assert_allclose(rank_correlation(a, b), expected)
    assert np.isnan(rank_correlation(np.ones((1, 4)), a[1:2, :4]))


def test_bad_input_is_explained(fitted, X, occlusion):
    with pytest.raises(TypeError, match="Expected an explanation"):
        faithfulness(fitted, X, occlusion.change)
    with pytest.raises(ValueError, match="of 20 ECGs, but X holds 5"):
        faithfulness(fitted, X[:5], occlusion)
    with pytest.raises(ValueError, match="two or more"):
        faithfulness(fitted, X, occlusion, n_repeats=1)
    with pytest.raises(NotFittedError):
        faithfulness(DualAttentionSurvival(), X, occlusion)
    with pytest.raises(ValueError, match="Add the sample axis"):
        faithfulness(fitted, X[0], occlusion)


def test_groups_differ_where_they_do():
    rng = np.random.default_rng(0)
    high = np.arange(60) < 25
    values = rng.standard_normal((60, 12, 12))
    values[high, 3, 7] += 2.5
    result = compare_groups(values, high, n_permutations=999, random_state=0)
    assert result.p_value.shape == (12, 12)
    assert np.argwhere(result.p_value < 0.05).tolist() == [[3, 7]]
    np.testing.assert_allclose(result.low_mean, values[~high].mean(0))
    np.testing.assert_allclose(result.high_mean, values[high].mean(0))
    np.testing.assert_allclose(result.difference, result.high_mean - result.low_mean)
    welch = ttest_ind(values[high], values[~high], equal_var=False)
    np.testing.assert_allclose(result.statistic, welch.statistic)


def test_pure_noise_is_seldom_significant():
    """Over all 144 comparisons together, 5 % of the time."""
    rng = np.random.default_rng(1)
    found = [
        compare_groups(
            rng.standard_normal((30, 144)),
            rng.permutation(30) < 10,
            n_permutations=199,
            random_state=i,
        ).p_value.min()
        < 0.05
        for i in range(200)
    ]
    assert 0.01 <= np.mean(found) <= 0.10


def test_groups_of_attention_maps_and_of_tables(fitted, X, occlusion):
    high = occlusion.log_risk > np.median(occlusion.log_risk)
    maps = attention_maps(fitted, X, per_head=True)
    result = compare_groups(maps, high, n_permutations=99, random_state=0)
    assert result.difference.shape == (12, 12)
    frame = result.to_frame()
    assert frame.loc[("V1", "V2"), "difference"] == result.difference[6, 7]
    result = compare_groups(occlusion, high, n_permutations=99, random_state=0)
    change = occlusion.change
    expected = change[high].mean(axis=0) - change[~high].mean(axis=0)
    np.testing.assert_allclose(result.difference, expected)
    assert list(result.to_frame().index) == list(LEADS)


def test_absent_leads_are_left_out_of_group_means():
    rng = np.random.default_rng(0)
    values, high = rng.standard_normal((20, 4)), np.arange(20) < 8
    values[0, 0] = np.nan
    values[:, 1] = np.nan
    values[8:19, 2] = np.nan
    values[:, 3] = 1.0
    result = compare_groups(values, high, n_permutations=99, random_state=0)
    assert result.high_mean[0] == pytest.approx(np.nanmean(values[:8, 0]))
    assert np.isnan(result.p_value).tolist() == [False, True, True, True]


def test_groups_of_one_and_other_bad_groups():
    values = np.zeros((6, 12))
    with pytest.raises(ValueError, match="The low group has 5 and the high group 1"):
        compare_groups(values, np.arange(6) < 1)
    with pytest.raises(ValueError, match="6 booleans"):
        compare_groups(values, np.arange(6))
    with pytest.raises(ValueError, match="6 booleans"):
        compare_groups(values, [True, False])
    with pytest.raises(ValueError, match="n_permutations"):
        compare_groups(values, np.arange(6) < 3, n_permutations=0)
    with pytest.raises(ValueError, match="shape"):
        compare_groups(np.zeros(6), np.arange(6) < 3)


def test_maps_without_leads_cannot_be_compared(fitted, X):
    maps = attention_maps(fitted, X, maps=("temporal",))
    with pytest.raises(ValueError, match="no map across leads"):
        compare_groups(maps, np.arange(20) < 10)

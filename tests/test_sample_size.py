"""Sample sizes: published examples, and what the simulated ones promise."""

import numpy as np
import pytest

from ecgdan_sk.validation import sample_size

VTE = {"event_rate": 0.065, "follow_up": 2.07, "horizon": 2}


def test_development_gives_the_published_numbers():
    # Numbers of the R package pmsampsize, those of the example of Riley et al. (2019).
    needed = sample_size.development(30, cox_snell_r2=0.051, **VTE)
    sizes = needed.criteria["n_samples"]
    assert (sizes["shrinkage"], sizes["optimism"]) == (5143, 1039)
    assert needed.n_samples == 5143
    assert needed.criteria.loc["shrinkage", "reached"] == pytest.approx(0.9, abs=1e-4)


def test_events_are_those_of_the_published_example():
    needed = sample_size.development(30, cox_snell_r2=0.051, **VTE)
    assert needed.n_events == 692


def test_a_better_model_needs_fewer_patients():
    sizes = [
        sample_size.development(20, c_index=c, **VTE).n_samples for c in (0.6, 0.7, 0.8)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 3 * sizes[2]


def test_r2_of_a_c_index_follows_the_published_chain():
    # C 0.76, 637 events in 662 patients: the steps written out elsewhere, in R.
    d = 5.50 * 0.26 + 10.26 * 0.26**3
    r2_d = np.pi / 8 * d**2 / (np.pi**2 / 6 + np.pi / 8 * d**2)
    r2_oq = -(np.pi**2) / 6 * r2_d / ((1 - np.pi**2 / 6) * r2_d - 1)
    expected = 1 - np.exp(637 * np.log(1 - r2_oq) / 662)
    assert sample_size._cox_snell_of(0.76, 637 / 662) == pytest.approx(expected)


def test_the_overall_risk_is_as_precise_as_asked():
    needed = sample_size.development(
        1, event_rate=0.1, follow_up=3, horizon=5, c_index=0.9, margin=0.02
    )
    assert needed.criteria["n_samples"].idxmax() == "overall risk"
    assert needed.criteria.loc["overall risk", "reached"] == pytest.approx(
        0.02, rel=1e-3
    )


def test_validation_is_as_precise_as_it_says():
    needed = sample_size.external_validation(c_index=0.75, risk=0.15, random_state=0)
    # Without censoring the log of observed / expected has a known error.
    by_hand = (1 - 0.15) / 0.15 * (2 * 1.96 / (2 * np.arcsinh(0.2))) ** 2
    found = needed.criteria.loc["observed / expected", "n_samples"]
    assert found == pytest.approx(by_hand, rel=0.25)
    widths = dict(zip(needed.criteria.index, (0.1, 0.4, 0.4, 0.2)))
    for name, row in needed.criteria.iterrows():
        assert row["reached"] <= widths[name] * 1.001
    assert needed.n_samples == needed.criteria["n_samples"].max()


def test_the_simulated_predictor_has_the_c_index_that_was_asked_for():
    rng = np.random.default_rng(0)
    spread = sample_size._predictor_spread(0.7)
    hazard = np.exp(rng.normal(0, spread, 4000))
    first, second = rng.exponential(1 / hazard), np.roll(hazard, 1)
    partner = np.roll(first, 1)
    concordant = (first < partner) == (hazard > second)
    assert concordant.mean() == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c_index": 0.5}, "c_index above 0.5 and below 1, got 0.5"),
        ({"c_index": 0.7, "cox_snell_r2": 0.1}, "one of c_index and cox_snell_r2"),
        ({}, "one of c_index and cox_snell_r2"),
        ({"cox_snell_r2": 0.9}, "the largest at this event rate"),
        ({"c_index": 0.7, "event_rate": 0}, "event_rate above 0, got 0"),
        ({"c_index": 0.7, "shrinkage": 1}, "shrinkage between 0 and 1, got 1"),
    ],
)
def test_impossible_studies_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        sample_size.development(20, **(VTE | change))
    with pytest.raises(ValueError, match="censored from 0 to below 1"):
        sample_size.external_validation(c_index=0.7, risk=0.1, censored=1.0)

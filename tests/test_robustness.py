"""Changes of ECGs are what their names say, and what they do is told."""

import numpy as np
import pytest

from ecgdan_sk.baselines import cox_measurements
from ecgdan_sk.datasets import check_leads, make_ecg_cohort
from ecgdan_sk.datasets._limb_leads import complete_leads
from ecgdan_sk.records import LEADS, ECGRecords
from ecgdan_sk.validation import robustness
from ecgdan_sk.validation._perturbations import all_perturbations

CHANGES = {p.name: p for p in all_perturbations(LEADS, 10.0)}


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(80, duration=5, event_rate=0.5, random_state=0)


def changed(name, X, rate=200.0, seed=0):
    return CHANGES[name](X, LEADS, rate, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def X(cohort):
    return np.asarray(cohort.X[:20], np.float32)


def test_exchanged_arms_invert_lead_i_and_are_hinted_at(X):
    swapped = changed("RA and LA electrodes exchanged", X)
    expected = X.copy()
    expected[:, 0] = -X[:, 0]
    expected[:, [1, 2]] = X[:, [2, 1]]
    expected[:, [3, 4]] = X[:, [4, 3]]
    np.testing.assert_allclose(swapped, expected, atol=2e-3)
    hints = check_leads(ECGRecords(swapped, 200), on_error="ignore").table["hint"]
    assert (hints == "arm electrodes exchanged?").mean() > 0.7


@pytest.mark.parametrize("name", [n for n in CHANGES if "electrodes" in n])
def test_exchanged_electrodes_keep_einthovens_law(name, X):
    swapped = changed(name, X)
    one, two, three = swapped[:, :3].transpose(1, 0, 2)
    np.testing.assert_allclose(one + three, two, atol=1e-5)
    np.testing.assert_allclose(swapped[:, 3], -(one + two) / 2, atol=1e-5)
    assert np.abs(swapped - X).max() > 0.1


def test_the_right_arm_on_a_leg_flattens_lead_ii(X):
    swapped = changed("RA and RL electrodes exchanged", X)
    assert np.abs(swapped[:, 1]).max() < 1e-5
    assert np.abs(swapped[:, 6:] - X[:, 6:]).max() > 0.05  # the terminal has moved


def test_an_exchange_twice_is_none(X):
    for name in (
        "RA and LL electrodes exchanged",
        "V2 and V3 exchanged",
        "V1 inverted",
    ):
        np.testing.assert_allclose(changed(name, changed(name, X)), X, atol=2e-3)


@pytest.mark.parametrize("name", [n for n in CHANGES if "dB" in n])
def test_noise_has_the_power_that_was_asked_for(name, X):
    noise = changed(name, X) - X
    ratio = 20 * np.log10(X.std(axis=2) / noise.std(axis=2))
    np.testing.assert_allclose(ratio, 10, atol=0.1)


def test_eight_leads_are_those_that_derive_the_others(X):
    eight = changed("eight leads (I, II, V1 to V6)", X)
    assert np.isnan(eight).all(axis=2).sum(axis=1).tolist() == [4] * len(X)
    again = complete_leads(ECGRecords(eight, 200)).signals
    np.testing.assert_allclose(np.asarray(again), X, atol=5e-3)


def test_half_the_rate_keeps_what_is_slow(X):
    slow = changed("recorded at half the rate", X)
    assert slow.shape == X.shape
    kept = (X * slow).sum(2) / np.sqrt((X**2).sum(2) * (slow**2).sum(2))
    assert np.median(kept) > 0.95


class Height:
    """A risk that is the height of lead V5."""

    def predict(self, X):
        signals = np.nan_to_num(np.asarray(X.signals))
        return np.ptp(signals[:, X.leads.index("V5")], axis=1)


def test_what_a_change_does_is_told(cohort):
    records = ECGRecords(cohort.X, cohort.sampling_rate)
    found = robustness(Height(), records, cohort.y, random_state=0)
    table = found.table
    assert table.loc["V1 missing", "changed_third"] == 0
    assert table.loc["V1 missing", "c_index_change"] == 0
    assert table.loc["V5 inverted", "change_95"] == pytest.approx(0, abs=1e-6)
    risks = Height().predict(records)
    gain = table.loc["gain +20 %"]
    assert gain["median_change"] == pytest.approx(
        np.median(0.2 * risks) / risks.std(), rel=1e-4
    )
    assert gain["rank_correlation"] == pytest.approx(1)
    assert gain["c_index"] == pytest.approx(found.c_index)
    assert table.loc["V4 and V5 exchanged", "changed_third"] > 0.1
    assert np.isnan(table.loc["V5 missing", "rank_correlation"])
    hums = {"50 Hz hum, 10 dB", "60 Hz hum, 10 dB"}  # cannot be at 100 Hz
    assert set(table.index) == CHANGES.keys() - hums


def test_results_are_those_of_any_number_of_jobs(cohort):
    records = ECGRecords(cohort.X, cohort.sampling_rate)
    names = ["muscle noise, 10 dB", "I missing"]
    one, two = (
        robustness(
            Height(), records, perturbations=names, n_jobs=n, random_state=1
        ).table
        for n in (1, 2)
    )
    assert one.equals(two)
    assert "c_index" not in one


def test_a_cox_model_of_measurements_can_be_tried(cohort):
    records = ECGRecords(cohort.X, cohort.sampling_rate)
    cox = cox_measurements().fit(records, cohort.y)
    names = ["RA and LA electrodes exchanged", "V3 missing"]
    table = robustness(cox, records, cohort.y, perturbations=names).table
    assert table.loc[names[0], "changed_third"] > 0


def test_changes_that_cannot_be_made_are_refused(cohort):
    records = ECGRecords(cohort.X, cohort.sampling_rate)
    with pytest.raises(ValueError, match="No change is called 'noise'. Known are: RA"):
        robustness(Height(), records, perturbations=["noise"])
    without_rate = ECGRecords(cohort.X)
    with pytest.raises(ValueError, match="sampling rate of X is unknown"):
        robustness(Height(), without_rate, perturbations=["50 Hz hum, 10 dB"])
    assert "dB" not in "".join(robustness(Height(), without_rate).table.index)

"""Amplitudes that are no mV are warned of, with the recordings and the factor."""

import warnings

import numpy as np
import pytest

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort
from ecgdan_sk.records import LEADS, ECGRecords, LazySignals
from ecgdan_sk.records._amplitudes import nearest_factor, warn_of_amplitudes
from ecgdan_sk.records._signal_checks import check_training_ecg, checked_amplitudes
from ecgdan_sk.study import check_ecgs
from ecgdan_sk.study._folds import _as_checked


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )


def warning_of(X, fitted=None, ids=None):
    """The one warning of some ECGs, or an empty text."""
    _, seen = checked_amplitudes(X) if fitted else check_training_ecg(X, LEADS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_amplitudes(seen, LEADS, ids, fitted)
    assert len(caught) <= 1
    return str(caught[0].message) if caught else ""


@pytest.mark.parametrize("factor", [2, 3, 5, 0.5, 0.2])
def test_a_cohort_in_another_unit_is_told_its_factor(cohort, factor):
    message = warning_of(np.float32(factor) * cohort.X)
    assert f"some {factor:g} times that of ECGs in mV" in message
    assert f"scale={1 / factor:.3g})" in message
    assert "recordings" not in message


@pytest.mark.parametrize("factor", [1e6, 1000, 0.001])
def test_single_recordings_are_named_in_memory_and_lazily(cohort, factor):
    X = cohort.X[:].copy()
    typical = check_training_ecg(X, LEADS)[1].remembered()
    later = X[:3].copy()
    X[[7, 31]] *= np.float32(factor)
    later[1] *= np.float32(factor)
    ids = [f"p{i}" for i in range(60)]
    reads = []

    def read(key):
        reads.append(key)
        return X[key]

    message = warning_of(X, ids=ids)
    assert "2 of 60 recordings" in message
    assert "p7 (" in message
    assert "p31 (" in message
    lazy = LazySignals(read, range(60), X.shape[1:])
    assert warning_of(lazy, ids=ids) == message
    # The sample of check_amplitude is read again, as before.
    assert len(reads) <= 121
    assert "1 of 3 recordings are far from those of fit: X[1]" in warning_of(
        later, typical
    )


@pytest.mark.parametrize("n_leads", [1, 12])
def test_leads_are_held_against_their_own(cohort, n_leads):
    fitted = check_training_ecg(cohort.X, LEADS)[1].remembered()
    X = cohort.X.copy()
    X[:, n_leads:] = np.nan
    assert warning_of(X, fitted) == ""


def test_later_ecgs_in_another_unit_are_told_of_as_a_whole(cohort):
    fitted = check_training_ecg(cohort.X, LEADS)[1].remembered()
    message = warning_of(5 * cohort.X, fitted)
    assert "some 5 times that of ECGs of fit" in message
    assert "recordings" not in message


def test_in_the_folds_of_a_study_its_checks_tell_of_single_recordings(cohort):
    X = cohort.X[:30].copy()
    X[7] *= np.float32(0.1)
    fitted = check_training_ecg(cohort.X, LEADS)[1].remembered()
    assert "1 of 30 recordings are far from those of fit: X[7]" in warning_of(X, fitted)
    found = check_ecgs(ECGRecords(X, 100))
    assert np.flatnonzero(found.table["amplitude_factor"] != 1).tolist() == [7]
    assert "1  amplitudes far from the rest" in str(found)
    with _as_checked():
        warn_of_amplitudes(checked_amplitudes(X)[1], LEADS, None, fitted)
        whole = checked_amplitudes(5 * cohort.X)[1]
        with pytest.warns(UserWarning, match="some 5 times that of ECGs of fit"):
            warn_of_amplitudes(whole, LEADS, None, fitted)


def test_z_scored_ecgs_and_noise_have_no_unit(cohort):
    X = cohort.X
    rng = np.random.default_rng(0)
    for scored in (
        (X - X.mean(2, keepdims=True)) / X.std(2, keepdims=True),
        (X - X.mean((1, 2), keepdims=True)) / X.std((1, 2), keepdims=True),
        rng.normal(0, 0.3, (40, 12, 96)).astype(np.float32),
    ):
        assert warning_of(scored) == ""
    scored[3] *= 1000
    assert "X[3] (some 1000 times)" in warning_of(scored)


def test_fit_and_predict_warn_of_constant_leads_once(cohort):
    X = cohort.X[:].copy()
    X[5, 2] = 0.1
    model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    ids = [f"p{i}" for i in range(60)]
    records = ECGRecords(X, 100, ids=ids)
    with pytest.warns(UserWarning, match=r"1 of 60 .*: p5 \(III\)") as caught:
        model.fit(records, cohort.y)
    assert len(caught) == 1
    X[:2] *= 1e6 / np.abs(X[:2]).max()
    with pytest.warns(
        UserWarning, match=r"p5 \(III\).*2 of 60 .*p[01] .*p[01] "
    ) as caught:
        model.predict(ECGRecords(X, 100, ids=ids))
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("ratio", "factor"), [(4.4, 5), (2.7, 3), (0.23, 0.2), (880, 1000), (1.2, 1)]
)
def test_factors_are_round(ratio, factor):
    assert nearest_factor(ratio) == factor


@pytest.mark.realdata
def test_ptbxl_raises_no_alarm(ecgdan_data):
    X = np.asarray(load_ptbxl(ecgdan_data / "ptbxl", sampling_rate=100).X)
    assert warning_of(X) == ""
    assert "some 2 times" in warning_of(2 * X)
    assert "some 0.5 times" in warning_of(X / 2)

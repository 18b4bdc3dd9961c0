"""Every error says what was got, what was expected and what to do."""

import numpy as np
import pytest
from sksurv.util import Surv

from ecgdan_sk._outcomes import check_same_length, check_survival
from ecgdan_sk.records import LEADS
from ecgdan_sk.records._signal_checks import (
    check_ecg,
    check_same_rate,
    check_training_ecg,
)


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return 0.2 * rng.standard_normal((5, 12, 100)).astype(np.float32)


def test_check_ecg_returns_contiguous_float32(X):
    for given in (X.astype(">f8"), X[:, :, ::-1], X.tolist(), np.asfortranarray(X)):
        checked = check_ecg(given)
        assert checked.dtype == np.float32
        assert checked.flags.c_contiguous
    assert check_ecg(X) is X


def test_a_lead_that_is_nan_throughout_is_absent(X):
    X[2, 4] = np.nan
    np.testing.assert_array_equal(check_ecg(X), X)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_lead_that_is_finite_in_part_is_bad(X, value):
    X[1, 4] = np.nan
    X[3, 7, 20] = value
    with pytest.raises(ValueError, match=r"part of a lead, in 1 of 5 .* X\[3, 7\]"):
        check_ecg(X)


def test_infinity_throughout_is_bad(X):
    X[3, 7] = np.inf
    with pytest.raises(ValueError, match=r"X\[3, 7\]"):
        check_ecg(X)


def test_a_recording_without_any_lead(X):
    X[3] = np.nan
    with pytest.raises(ValueError, match=r"1 of 5 recordings have no lead .* X\[3\]"):
        check_ecg(X)


def test_one_recording_without_its_axis(X):
    with pytest.raises(ValueError, match=r"got \(12, 100\).*X\[None\]"):
        check_ecg(X[0])


@pytest.mark.parametrize(
    ("value", "message"), [(1.0, "V2 is constant"), (np.nan, "V2 is absent")]
)
def test_a_lead_that_is_empty_everywhere(X, value, message):
    X[:, LEADS.index("V2")] = value
    with pytest.raises(ValueError, match=message):
        check_training_ecg(X, LEADS)


def test_a_lead_that_is_empty_somewhere_is_fine(X):
    X[:2, 3], X[2:4, 3] = 0.0, np.nan
    check_training_ecg(X, LEADS)


@pytest.mark.parametrize(
    ("factor", "message"), [(1000, "microvolts"), (200, "counts"), (0.001, "volts")]
)
def test_other_units_than_millivolts(X, factor, message):
    with pytest.raises(ValueError, match=message):
        check_training_ecg(factor * X, LEADS)


def test_z_scored_ecgs_are_fine(X):
    check_training_ecg(X / X.std(2, keepdims=True), LEADS)


def test_check_survival_keeps_times_in_float64():
    event, time = check_survival(Surv.from_arrays([True, False], [1 + 1e-12, 1.0]))
    assert event.tolist() == [True, False]
    assert time[0] != time[1]


def test_all_events_is_fine():
    assert check_survival(Surv.from_arrays([True, True], [1.0, 2.0]))[0].all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([1.0, 2.0]), "structured array"),
        (np.zeros(2, dtype=[("a", bool)]), "structured array"),
        (Surv.from_arrays([True, False], [1.0, 2.0])[None], r"shape \(n_samples,\)"),
        (np.array([(2.5, 1.0)], dtype=[("t", float), ("e", float)]), "first field"),
        (Surv.from_arrays([False, False], [1.0, 2.0]), "All 2 samples are censored"),
        (Surv.from_arrays([True, False], [1.0, -2.0]), "1 of 2 are negative"),
        (Surv.from_arrays([True, False], [0.0, 2.0]), "zero; the first is sample 0"),
        (Surv.from_arrays([True, False], [1.0, np.nan]), "1 of 2 are missing"),
        (Surv.from_arrays([True, False], [1.0, np.inf]), "not finite"),
    ],
)
def test_bad_outcomes(y, message):
    with pytest.raises(ValueError, match=message):
        check_survival(y)


def test_another_length(X):
    with pytest.raises(ValueError, match="5 ECGs, but y holds 2 outcomes"):
        check_same_length(X, [1, 2])


def test_another_sampling_rate():
    check_same_rate(None, 100)
    check_same_rate(500, 500)
    with pytest.raises(ValueError, match="500 Hz, but the model was fitted at 100 Hz"):
        check_same_rate(500, 100)

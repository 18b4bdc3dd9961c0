"""Beats, their morphology and median, and the global limits of P, QRS and T."""

import numpy as np
import pytest

from ecgdan_sk._beats._delineation import (
    delineate,
    p_is_real,
    p_reliability,
    pacing_spikes,
    without_spike,
)
from ecgdan_sk._beats._detection import AFTER, BEFORE, RATE, find_beats
from ecgdan_sk._beats._pacing import spike_train, typical_lag
from ecgdan_sk.datasets import make_ecg_cohort

LEAD_GAIN = np.array([0.6, 1, 0.4, -0.8, 0.3, 0.7, -0.5, -0.9, 0.4, 1.1, 1.2, 0.9])


def bump(time, centre, width, height=1.0):
    return height * np.exp(-(((time - centre) / width) ** 2))


def beat(time):
    """P, QRS and T of one lead, QRS at 0, in s and mV."""
    return (
        bump(time, -0.16, 0.025, 0.15)
        + bump(time, 0, 0.012)
        - bump(time, 0.025, 0.01, 0.3)
        + bump(time, 0.26, 0.05, 0.3)
    )


def ectopic(time):
    return -bump(time, 0, 0.045, 1.4) + bump(time, 0.2, 0.08, 0.5)


def recording(times, kinds=None, duration=10.0, noise=0.01, rate=RATE, seed=0):
    """ECG (12, T) with beats at `times` in s; kind 1 is ectopic."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(duration * rate)) / rate
    ecg = rng.normal(0, noise, (12, len(t)))
    for when, kind in zip(times, kinds if kinds is not None else np.zeros(len(times))):
        if kind:
            ecg += np.roll(LEAD_GAIN, 5)[:, None] * ectopic(t - when)
        else:
            ecg += LEAD_GAIN[:, None] * beat(t - when)
    return ecg.astype(np.float32)


REGULAR = np.arange(0.6, 9.8, 0.8)


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(80, sampling_rate=500, random_state=7)


def limits(beats):
    rr = np.median(np.diff(beats.positions))
    return delineate(beats.median, BEFORE, rr, rr)


@pytest.mark.parametrize("rate", [100, 257, 500, 1000])
def test_beats_are_found_where_they_are(rate):
    beats = find_beats(recording(REGULAR, rate=rate), rate)
    found = beats.positions / beats.rate
    away = found - REGULAR
    assert len(found) == len(REGULAR)
    # All at the same point of the QRS, to within two samples.
    assert np.ptp(away) <= 2 / min(rate, RATE)
    assert abs(away.mean()) < 0.03
    assert beats.median.shape == (12, BEFORE + AFTER)


def test_one_lead_is_enough_and_one_bad_lead_does_no_harm():
    ecg = recording(REGULAR)
    alone = find_beats(ecg[1:2], RATE)
    ecg[4] = np.clip(
        np.random.default_rng(1).normal(0, 0.5, ecg.shape[1]).cumsum(), -5, 5
    )
    disturbed = find_beats(ecg, RATE)
    assert len(alone.positions) == len(disturbed.positions) == len(REGULAR)


def test_ectopic_beats_are_set_apart_and_leave_the_median_alone():
    kinds = np.isin(np.arange(len(REGULAR)), [3, 8])
    with_ectopy = find_beats(recording(REGULAR, kinds, noise=0.002), RATE)
    without = find_beats(recording(REGULAR, noise=0.002), RATE)
    assert (~with_ectopy.dominant).tolist() == kinds.tolist()
    near = slice(BEFORE - 100, BEFORE + 200)
    np.testing.assert_allclose(
        with_ectopy.median[:, near], without.median[:, near], atol=0.03
    )


def test_in_bigeminy_the_beat_that_comes_in_time_dominates():
    times = np.sort(
        np.concatenate([np.arange(0.5, 9.5, 1.4), np.arange(1.0, 9.5, 1.4)])
    )
    kinds = np.arange(len(times)) % 2
    beats = find_beats(recording(times, kinds), RATE)
    assert beats.dominant.tolist() == (kinds == 0).tolist()


@pytest.mark.parametrize("kind", ["white", "wander", "mains", "flat"])
def test_no_beat_is_found_where_there_is_none(kind):
    rng, t = np.random.default_rng(0), np.arange(5000) / RATE
    ecg = {
        "white": rng.normal(0, 0.2, (12, 5000)),
        "wander": rng.normal(0, 0.02, (12, 5000)).cumsum(axis=1),
        "mains": np.tile(np.sin(2 * np.pi * 50 * t), (12, 1)),
        "flat": np.zeros((12, 5000)),
    }[kind]
    assert find_beats(ecg, RATE) is None


def test_median_beat_takes_noise_out():
    clean = find_beats(recording(REGULAR, noise=1e-4), RATE).median
    noisy = find_beats(recording(REGULAR, noise=0.05), RATE).median
    near = slice(BEFORE - 150, BEFORE + 200)
    assert np.std((noisy - clean)[:, near]) < 0.6 * 0.05


def test_limits_do_not_depend_on_scale_sign_or_order_of_the_leads(cohort):
    ecg = cohort.X[0]
    expected = limits(find_beats(ecg, RATE))
    order = np.random.default_rng(0).permutation(12)
    for changed in (3 * ecg, -ecg, ecg[order]):
        np.testing.assert_allclose(
            limits(find_beats(changed, RATE)), expected, atol=0.5
        )


def test_limits_are_in_order(cohort):
    for ecg in cohort.X[:30]:
        at = limits(find_beats(ecg, RATE))
        known = np.array(at)[np.isfinite(at)]
        assert (np.diff(known) > 0).all()


def test_an_artefact_in_one_lead_does_not_move_the_p_wave(cohort):
    sinus = ~cohort.conditions[["atrial_fibrillation", "paced"]].any(axis=1).to_numpy()
    away = []
    for ecg in cohort.X[sinus][:12]:
        median = find_beats(ecg, RATE).median.astype(float)
        expected = delineate(median, BEFORE, RATE, RATE)
        start = int(expected.p_onset)
        # A step of a loose electrode, as the P wave begins.
        median[2] += 0.15 * np.exp(-(((np.arange(600) - start) / 4) ** 2))
        found = delineate(median, BEFORE, RATE, RATE)
        away.append(np.subtract(found[:3], expected[:3]))
    assert np.abs(away).max() * 1000 / RATE <= 20


def test_p_wave_is_reliable_unless_it_is_missing(cohort):
    fibrillating = cohort.conditions["atrial_fibrillation"].to_numpy()
    paced = cohort.conditions["paced"].to_numpy()
    real = []
    for ecg in cohort.X:
        beats = find_beats(ecg, RATE)
        reliability = p_reliability(beats.windows, limits(beats))
        real.append(p_is_real(reliability, np.diff(beats.positions)))
    real = np.array(real)
    assert real[~fibrillating & ~paced].all()
    assert fibrillating.sum() >= 3
    assert not real[fibrillating].any()


def paced_recordings(rate):
    """The same broad beats without and with a spike 85 ms before each; its samples."""
    t = np.arange(int(10 * rate)) / rate
    ecg = sum(np.outer(LEAD_GAIN, ectopic(t - when)) for when in REGULAR)
    ecg += np.random.default_rng(0).normal(0, 0.01, ecg.shape)
    spike_at = np.round((REGULAR - 0.085) * rate).astype(int)
    spiked = ecg.copy()
    spiked[:, spike_at] += 2 * LEAD_GAIN[:, None]
    return ecg, spiked, spike_at


def test_pacing_spike_is_seen_in_the_median_beat_and_taken_out():
    found = []
    for signal in paced_recordings(250)[:2]:
        beats = find_beats(signal, 250)
        early, spike = pacing_spikes(beats.median, limits(beats))
        found.append(early or spike is not None)
    assert found == [False, True]
    assert np.ptp(without_spike(beats.median, spike)[:, spike - 5 : spike + 5]) < 0.3


@pytest.mark.parametrize("rate", [500, 1000])
def test_pacing_spikes_are_seen_in_the_samples_and_taken_out(rate):
    plain, spiked, spike_at = paced_recordings(rate)
    assert len(spike_train(plain, rate)) == 0
    assert spike_train(spiked, rate).tolist() == spike_at.tolist()
    expected, found = find_beats(plain, rate), find_beats(spiked, rate)
    assert (found.spikes == np.round(spike_at * RATE / rate)).all()
    np.testing.assert_allclose(found.clean, expected.clean, atol=0.06)
    # The beats may be aligned otherwise, but their waves last as long.
    length = [np.ptp(np.array(limits(beats))[3:5]) for beats in (found, expected)]
    assert abs(length[0] - length[1]) <= 4


def test_a_spike_without_its_like_is_none_and_a_weak_one_of_a_train_is_one():
    plain, spiked, spike_at = paced_recordings(500)
    once = plain.copy()
    once[:, spike_at[:2]] = spiked[:, spike_at[:2]]
    assert len(spike_train(once, 500)) == 0
    spiked[:, spike_at[4]] -= 1.4 * LEAD_GAIN
    assert spike_at[4] in spike_train(spiked, 500)


def test_spikes_are_seen_in_paced_rhythm_alone(cohort):
    paced = cohort.conditions["paced"].to_numpy()
    seen = np.array([len(spike_train(ecg, 500)) > 0 for ecg in cohort.X])
    assert paced.any()
    np.testing.assert_array_equal(seen, paced)


@pytest.mark.parametrize("rate", [250, 500])
def test_spikes_that_pace_the_atria_are_no_beats(rate):
    t = np.arange(int(10 * rate)) / rate
    ecg = sum(np.outer(LEAD_GAIN, ectopic(t - when)) for when in REGULAR)
    # As a recorder with a low-pass filter stores them.
    spikes = sum(bump(t, when - 0.25, 0.008, 0.22) for when in REGULAR)
    ecg += np.outer(LEAD_GAIN, spikes)
    ecg += np.random.default_rng(0).normal(0, 0.01, ecg.shape)
    beats = find_beats(ecg, rate)
    assert len(beats.positions) == len(REGULAR)
    assert np.abs(beats.positions / beats.rate - REGULAR).max() < 0.05


def test_spikes_that_few_beats_have_or_that_wander_pace_none():
    positions = np.arange(0, 1000, 100)
    assert typical_lag(positions - 20, positions, -50, 5) == -20
    assert typical_lag(positions[:4] - 20, positions, -50, 5) == -20
    assert typical_lag(positions[:3] - 20, positions, -50, 5) is None
    wandering = positions[:5] - [10, 20, 30, 40, 49]
    assert typical_lag(wandering, positions, -50, 5) is None
    assert typical_lag(positions - 60, positions, -50, 5) is None
    assert typical_lag(np.empty(0, int), positions, -50, 5) is None


@pytest.mark.realdata
def test_limits_agree_with_physicians(ecgdan_data):
    """LUDB record 3: each limit against the median of the leads and beats annotated."""
    wfdb = pytest.importorskip("wfdb")
    record = str(ecgdan_data / "ludb" / "3")
    ecg = wfdb.rdrecord(record)
    expected = {"p": [], "N": [], "t": []}
    r_peaks = wfdb.rdann(record, "ii")
    r_peaks = r_peaks.sample[np.array(r_peaks.symbol) == "N"]
    for lead in ecg.sig_name:
        marks = wfdb.rdann(record, lead)
        for i, symbol in enumerate(marks.symbol):
            if symbol in expected and 0 < i < len(marks.symbol) - 1:
                edges = marks.sample[[i - 1, i + 1]]
                nearest = r_peaks[np.abs(r_peaks - marks.sample[i]).argmin()]
                if symbol == "p":
                    nearest = r_peaks[r_peaks > marks.sample[i]].min()
                elif symbol == "t":
                    nearest = r_peaks[r_peaks < marks.sample[i]].max()
                expected[symbol].append(edges - nearest)
    p, qrs, t = (np.median(expected[symbol], axis=0) for symbol in ("p", "N", "t"))
    beats = find_beats(ecg.p_signal.T, ecg.fs)
    at = limits(beats)
    # Where the QRS of the median beat stands, relative to the R peak of lead II.
    lag = BEFORE + np.median(
        [r - beats.positions[np.abs(beats.positions - r).argmin()] for r in r_peaks]
    )
    found = [at.p_onset, at.p_offset, at.qrs_onset, at.qrs_offset, at.t_offset]
    truth = np.array([*p, *qrs, t[1]]) + lag
    assert np.abs(found - truth).max() * 2 <= 20, 2 * (found - truth)

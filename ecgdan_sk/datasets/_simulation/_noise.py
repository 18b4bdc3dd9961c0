"""Noise of a recording: wander, muscle, mains and faulty electrodes."""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfilt

# Potentials of RA, LA, LL, V1 to V6 to the leads I, II, V1 to V6 (Wilson's terminal).
ELECTRODES_TO_LEADS = np.zeros((8, 9), dtype=np.float32)
ELECTRODES_TO_LEADS[0, [1, 0]] = 1, -1
ELECTRODES_TO_LEADS[1, [2, 0]] = 1, -1
ELECTRODES_TO_LEADS[2:, :3] = -1 / 3
ELECTRODES_TO_LEADS[2:, 3:] = np.eye(6)
_N_ELECTRODES = 9

# Typical standard deviations at an electrode, in mV, at noise=1.
_WANDER, _BREATHING, _MUSCLE, _MAINS = 0.05, 0.02, 0.009, 0.006
_FAULT_RATE = 0.03


def slow_courses(shape, n_times, duration, spacing, rng):
    """Smooth random courses (*shape, n_times), about standard normal, by splines.

    Their knots are `spacing` s apart.
    """
    n_knots = max(4, int(np.ceil(duration / spacing)) + 1)
    basis = CubicSpline(np.arange(n_knots), np.eye(n_knots))
    basis = basis(np.linspace(0, n_knots - 1, n_times)).T.astype(np.float32)
    return rng.standard_normal((*shape, n_knots), dtype=np.float32) @ basis


def draw_noise(patients, n_times, sampling_rate, rng):
    """Noise in the eight independent leads, float32 (n_samples, 8, n_times), in mV."""
    n_samples, duration = len(patients), n_times / sampling_rate
    time = np.arange(n_times) / sampling_rate
    shape = (n_samples, _N_ELECTRODES)
    noise = _wander(patients, time, duration, rng)
    muscle = _muscle(shape, n_times, sampling_rate, rng)
    _disturb(noise, muscle, time, rng)
    noise += muscle
    _add_mains(noise, time, sampling_rate, rng)
    return ELECTRODES_TO_LEADS @ noise


def _wander(patients, time, duration, rng):
    """Slow drift of each electrode, and its rise and fall with the breath."""
    shape = (len(patients), _N_ELECTRODES)
    strength = _WANDER * np.exp(rng.normal(-0.3, 0.7, (len(patients), 1, 1)))
    drift = slow_courses(shape, len(time), duration, 1.2, rng)
    drift *= strength.astype(np.float32)
    rate = patients["respiration_rate"].to_numpy()[:, None] / 60
    phase = 2 * np.pi * rng.random((len(patients), 1))
    breath = np.sin(2 * np.pi * rate * time + phase).astype(np.float32)[:, None]
    return drift + breath * _BREATHING * rng.standard_normal(
        (*shape, 1), dtype=np.float32
    )


def _muscle(shape, n_times, sampling_rate, rng):
    """Band-limited noise of the muscles, stronger in some patients and electrodes."""
    white = rng.standard_normal((*shape, n_times), dtype=np.float32)
    high = min(120.0, 0.45 * sampling_rate)
    sos = butter(1, (12.0, high), btype="bandpass", fs=sampling_rate, output="sos")
    # The filter passes about this part of the variance of white noise.
    passed = np.sqrt(np.pi / 2 * (high - 12.0) / (sampling_rate / 2))
    strength = _MUSCLE * np.exp(rng.normal(-0.2, 0.5, (shape[0], 1, 1)))
    strength = strength * np.exp(rng.normal(0, 0.3, (*shape, 1))) / min(passed, 1.0)
    noise = sosfilt(sos.astype(np.float32), white, axis=-1)
    noise *= strength.astype(np.float32)
    return noise


def _disturb(wander, muscle, time, rng):
    """A loose electrode in a few patients: bursts and steps for part of the time."""
    for patient in np.flatnonzero(rng.random(len(wander)) < _FAULT_RATE):
        electrode = rng.integers(_N_ELECTRODES)
        start, length = rng.uniform(0, 0.8) * time[-1], rng.uniform(0.1, 0.5) * time[-1]
        loose = (time >= start) & (time < start + length)
        muscle[patient, electrode, loose] *= rng.uniform(4, 12)
        jumps = rng.random(loose.sum()) < 3 / max(loose.sum(), 1)
        steps = np.cumsum(jumps * rng.normal(0, 0.4, loose.sum()))
        wander[patient, electrode, loose] += steps.astype(np.float32)


def _add_mains(noise, time, sampling_rate, rng):
    """Hum of 50 or 60 Hz in half of the recordings, if the sampling rate allows it."""
    n_samples = len(noise)
    frequency = rng.choice([50.0, 60.0], n_samples)
    strength = _MAINS * np.exp(rng.normal(-0.3, 0.8, n_samples))
    strength *= (rng.random(n_samples) < 0.5) & (frequency < 0.45 * sampling_rate)
    gain = (strength[:, None] * rng.normal(1, 0.5, (n_samples, _N_ELECTRODES))).astype(
        np.float32
    )
    phase = 2 * np.pi * rng.random(n_samples)
    (humming,) = np.nonzero(strength)
    angle = 2 * np.pi * frequency[humming, None] * time + phase[humming, None]
    hum = np.sqrt(2) * np.sin(angle, dtype=np.float32)
    noise[humming] += gain[humming, :, None] * hum[:, None]

"""Beats and waves of simulated patients to twelve leads."""

import numpy as np

from ._beats import DOMINANT, PREMATURE_ATRIAL, PREMATURE_VENTRICULAR
from ._noise import slow_courses
from ._waves import WAVES, course

# Dower's matrix (Dower, Machado and Osborne 1980): from Frank's x (left), y (down), z
# (back) to I, II, V1 to V6.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# Fibrillatory waves are largest in V1, that is, from back to front on the right.
_FIBRILLATION_VECTOR = np.array([-0.01, 0.03, -0.05])

# Beats that a wave belongs to; the others belong to all that conduct as usual.
_CONDUCTED = (DOMINANT, PREMATURE_ATRIAL)
_KINDS = {
    "P right atrium": (DOMINANT,),
    "P left atrium": (DOMINANT,),
    "ectopic P": (PREMATURE_ATRIAL,),
    "ectopic R": (PREMATURE_VENTRICULAR,),
    "ectopic S": (PREMATURE_VENTRICULAR,),
    "ectopic T": (PREMATURE_VENTRICULAR,),
}


def twelve_leads(independent):
    """I, II, III, aVR, aVL, aVF, V1 to V6 from I, II, V1 to V6 (axis 1)."""
    first, second = independent[:, 0], independent[:, 1]
    limb = [
        first,
        second,
        second - first,
        -(first + second) / 2,
        first - second / 2,
        second - first / 2,
    ]
    return np.concatenate([np.stack(limb, axis=1), independent[:, 2:]], axis=1)


def draw_signals(patients, waves, beats, n_times, sampling_rate, rng):
    """Noise-free leads I, II, V1 to V6: (n_samples, 8, n_times) in mV, float32.

    Only fibrillatory waves are random.
    """
    courses = _courses(waves, beats, n_times, sampling_rate)
    to_leads = (DOWER @ waves.vectors.swapaxes(1, 2)).astype(np.float32)
    independent = to_leads @ courses
    _add_fibrillation(independent, patients, n_times, sampling_rate, rng)
    return independent


def _courses(waves, beats, n_times, sampling_rate):
    """Course of each wave over the recording, (n_samples, n_waves, n_times).

    A wave is evaluated where it covers samples only, all beats of all patients at once.
    """
    times, kinds, sizes = beats
    n_samples, n_waves = waves.times.shape[:2]
    # What falls outside the recording lands in one more sample, which is cut off.
    courses = np.zeros((n_samples, n_waves, n_times + 1), dtype=np.float32)
    for wave, name in enumerate(WAVES):
        there = waves.vectors[:, wave].any(axis=1)
        conducted = np.isin(kinds, _KINDS.get(name, _CONDUCTED))
        patient, beat = np.nonzero(conducted & there[:, None])
        start = times[patient, beat] + waves.times[patient, wave, 0]
        end = times[patient, beat] + waves.times[patient, wave, 2]
        touching = (end > 0) & (start < n_times / sampling_rate)
        patient, beat, start = patient[touching], beat[touching], start[touching]
        if not len(patient):
            continue
        longest = (end[touching] - start).max() * sampling_rate
        sample = np.ceil(start * sampling_rate).astype(int)[:, None]
        sample = sample + np.arange(int(np.ceil(longest)) + 1)
        time = sample / sampling_rate - times[patient, beat, None]
        height = course(
            time.astype(np.float32),
            waves.times[patient, wave].astype(np.float32),
            waves.warps[patient, wave].astype(np.float32),
        )
        height *= sizes[patient, beat, None].astype(np.float32)
        inside = (sample >= 0) & (sample < n_times)
        # Beats come in order, so that the tail of zeros of one never covers the next.
        courses[patient[:, None], wave, np.where(inside, sample, n_times)] = height
    return courses[:, :, :n_times]


def _add_fibrillation(independent, patients, n_times, sampling_rate, rng):
    """Add fibrillatory waves, 5 to 8 per second, in place."""
    (fibrillating,) = np.nonzero(patients["atrial_fibrillation"].to_numpy())
    if not len(fibrillating):
        return
    shape, duration = (len(fibrillating),), n_times / sampling_rate
    rate = rng.uniform(5, 8, (*shape, 1))
    rate = rate * (1 + 0.12 * slow_courses(shape, n_times, duration, 0.3, rng))
    phase = 2 * np.pi * (rng.random((*shape, 1)) + rate.cumsum(axis=1) / sampling_rate)
    wave = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8)
    wave *= 1 + 0.35 * slow_courses(shape, n_times, duration, 0.4, rng)
    strength = np.exp(rng.normal(0, 0.35, (*shape, 1)))
    vectors = strength * (_FIBRILLATION_VECTOR + rng.normal(0, 0.01, (*shape, 3)))
    added = (vectors @ DOWER.T)[:, :, None] * wave[:, None]
    independent[fibrillating] += added.astype(np.float32)

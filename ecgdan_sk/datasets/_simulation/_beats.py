"""When a simulated heart beats: sinus rhythm, atrial fibrillation, ectopic beats."""

import numpy as np

DOMINANT, PREMATURE_ATRIAL, PREMATURE_VENTRICULAR = 0, 1, 2


def draw_beats(patients, duration, rng):
    """Times of the QRS onsets in s, kinds and sizes, each (n_samples, n_beats).

    The beats begin before 0 and go on after `duration`, so that waves of beats outside
    the recording reach into it.
    """
    rr = 60 / patients["heart_rate"].to_numpy()
    n_beats = int(np.ceil(1.15 * duration / rr.min())) + 8
    intervals = _dominant_intervals(patients, rr, n_beats, rng)
    # The first beat falls before the recording, at any phase of the rhythm.
    first = -rr * (1.5 + rng.random(len(rr)))
    kinds = _ectopic_kinds(patients, first, rr, n_beats, duration, rng)
    _make_room(intervals, kinds, rr, patients["qt"].to_numpy() / 1000, rng)
    sizes = rng.uniform(0.95, 1.05, kinds.shape)
    return first[:, None] + intervals.cumsum(axis=1), kinds, sizes


def mean_heart_rate(times, duration, nominal):
    """Beats per minute between the first and last QRS onset within the recording."""
    inside = (times >= 0) & (times < duration)
    count = inside.sum(axis=1)
    first = np.where(inside, times, np.inf).min(axis=1)
    last = np.where(inside, times, -np.inf).max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = 60 * (count - 1) / (last - first)
    return np.where(count >= 2, rate, nominal)


def _dominant_intervals(patients, rr, n_beats, rng):
    """RR intervals without ectopic beats; the first is 0."""
    shape = (len(rr), n_beats)
    phase = 2 * np.pi * rng.random((len(rr), 1))
    breaths = patients["respiration_rate"].to_numpy() * rr / 60
    breathing = np.sin(2 * np.pi * breaths[:, None] * np.arange(n_beats) + phase)
    depth = patients["sinus_arrhythmia"].to_numpy()[:, None]
    sinus = 1 + depth * breathing + rng.normal(0, 0.008, shape)
    fibrillation = rng.gamma(22.0, 1 / 22.0, shape)
    paced, fibrillating = (
        patients[name].to_numpy()[:, None] for name in ("paced", "atrial_fibrillation")
    )
    intervals = rr[:, None] * np.where(fibrillating, fibrillation, sinus)
    intervals = np.where(paced, rr[:, None], intervals)
    # The ventricles do not answer before they have recovered.
    recovered = patients["qt"].to_numpy()[:, None] / 1000 + 0.03
    intervals = np.maximum(intervals, np.where(fibrillating, recovered, 0.0))
    intervals[:, 0] = 0
    return intervals


def _ectopic_kinds(patients, first, rr, n_beats, duration, rng):
    """Kind of each beat: ectopic at least once in who has such, never in a row."""
    shape = (len(rr), n_beats)
    rate = rng.uniform(0.03, 0.22, (len(rr), 1))
    ectopic = rng.random(shape) < rate
    middle = duration * rng.uniform(0.25, 0.75, len(rr))
    chosen = ((middle - first) / rr).astype(int).clip(2, n_beats - 2)
    ectopic[np.arange(len(rr)), chosen] = True
    ectopic[:, :2] = False
    for beat in range(1, n_beats):
        ectopic[:, beat] &= ~ectopic[:, beat - 1]
    kinds = np.zeros(shape, dtype=np.int8)
    kinds[ectopic & patients["pac"].to_numpy()[:, None]] = PREMATURE_ATRIAL
    kinds[ectopic & patients["pvc"].to_numpy()[:, None]] = PREMATURE_VENTRICULAR
    return kinds


def _make_room(intervals, kinds, rr, qt, rng):
    """Shorten the interval before an ectopic beat and lengthen the one after, in place.

    The pause after a ventricular beat is compensatory: the sinus node never noticed.
    """
    patient, beat = np.nonzero(kinds)
    coupling = rng.uniform(0.55, 0.75, len(patient)) * rr[patient]
    coupling = np.clip(coupling, qt[patient] + 0.04, 0.9 * rr[patient])
    coupling = np.minimum(coupling, 0.9 * rr[patient])
    ventricular = kinds[patient, beat] == PREMATURE_VENTRICULAR
    pause = np.where(ventricular, 2 * rr[patient] - coupling, 1.08 * rr[patient])
    intervals[patient, beat] = coupling
    followed = beat + 1 < intervals.shape[1]
    intervals[patient[followed], beat[followed] + 1] = pause[followed]

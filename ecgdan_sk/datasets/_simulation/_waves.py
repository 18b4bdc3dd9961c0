"""The waves of a simulated heartbeat, each a course in time along a dipole vector.

A wave rises from 0 to 1 and falls back, and points along one vector in space, in mV, in
Frank's axes: x to the left, y to the feet, z to the back. The first and the last wave
of P, QRS and T are placed so that the stated onset and offset are where they cross 5
per cent of their peak.

Legend: N patients, W waves, K leads, T times.
"""

from dataclasses import dataclass

import numpy as np

WAVES = (
    "P right atrium",
    "P left atrium",
    "Q",
    "apex",
    "R",
    "notch",
    "S",
    "ST",
    "T",
    "ectopic P",
    "ectopic R",
    "ectopic S",
    "ectopic T",
    "spike",
)
_QRS = [WAVES.index(name) for name in ("Q", "apex", "R", "S")]

# Fraction of a rise of sin(pi u / 2) ** 2 that lies below 5 per cent of the peak.
_FOOT = 2 / np.pi * np.arcsin(np.sqrt(0.05))

# Vectors of Q, apex, R and S by conduction.
_QRS_VECTORS = {
    "normal": [
        [-0.13, -0.06, -0.27],
        [0.55, 0.36, -0.36],
        [1.05, 0.68, 0.5],
        [-0.1, -0.16, 0.58],
    ],
    "lbbb": [
        [0.25, 0.1, 0.12],
        [0.75, 0.3, 0.85],
        [0.9, 0.1, 1.15],
        [0.85, -0.1, 0.75],
    ],
    "rbbb": [
        [-0.13, -0.06, -0.27],
        [0.55, 0.36, -0.3],
        [0.9, 0.6, 0.25],
        [-0.45, -0.05, -0.5],
    ],
    "paced": [
        [0.1, -0.2, 0.1],
        [0.4, -0.8, 0.5],
        [0.35, -1.15, 0.85],
        [0.1, -0.7, 0.6],
    ],
}
# Peaks of the same, as fractions of the QRS duration, and where Q ends and apex and R
# begin. S rises exactly as R falls.
_QRS_PEAKS = {
    "normal": [0.16, 0.32, 0.48, 0.78],
    "lbbb": [0.15, 0.32, 0.55, 0.76],
    "rbbb": [0.11, 0.22, 0.33, 0.64],
    "paced": [0.2, 0.32, 0.52, 0.74],
}
_T_VECTORS = {
    "normal": [0.31, 0.19, -0.13],
    "lbbb": [-0.28, -0.06, -0.4],
    "rbbb": [0.33, 0.18, 0.06],
    "paced": [-0.12, 0.45, -0.3],
}
_ST_VECTORS = {
    "normal": [0.6, 0.4, -0.7],
    "lbbb": [-0.09, -0.02, -0.13],
    "rbbb": [0.0, 0.0, 0.03],
    "paced": [-0.03, 0.1, -0.08],
}


@dataclass
class Waves:
    """Where each wave of a beat begins, peaks and ends, its form and its vector.

    Attributes
    ----------
    times : ndarray of shape (N, W, 3)
        Onset, peak and offset in s, from the onset of the QRS.
    warps : ndarray of shape (N, W, 2)
        Powers of the time of the rise and of the fall: below 1 they hurry at first.
    vectors : ndarray of shape (N, W, 3)
        Dipole at the peak in mV; zero where the patient has no such wave.
    """

    times: np.ndarray
    warps: np.ndarray
    vectors: np.ndarray

    def __getitem__(self, patients):
        return Waves(self.times[patients], self.warps[patients], self.vectors[patients])


def draw_waves(patients, rng):
    """The waves of each patient's beats."""
    n_samples = len(patients)
    waves = Waves(
        np.tile([-1.0, 0.0, 1.0], (n_samples, len(WAVES), 1)),
        np.ones((n_samples, len(WAVES), 2)),
        np.zeros((n_samples, len(WAVES), 3)),
    )
    conduction = np.select(
        [patients[name] for name in ("paced", "lbbb", "rbbb")],
        ["paced", "lbbb", "rbbb"],
        "normal",
    )
    _set_atrial(waves, patients, rng)
    _set_ventricular(waves, patients, conduction, rng)
    _set_repolarisation(waves, patients, conduction, rng)
    _set_shapes(waves, patients)
    _set_ectopic(waves, patients, rng)
    return waves


def course(time, times, warps):
    """Height of waves, 0 to 1, at `time` in s from the onset of the QRS.

    The last axis of `time` runs along a wave; `times` (..., 3) and `warps` (..., 2)
    describe the waves.
    """
    onset, peak, offset = (times[..., i, None] for i in range(3))
    rising = time < peak
    start, end = np.where(rising, onset, peak), np.where(rising, peak, offset)
    part = np.clip((time - start) / (end - start), 0, 1)
    part **= np.where(rising, warps[..., 0, None], warps[..., 1, None])
    # A fall is a rise that begins at the top, so that the two of a pair add up to 1.
    return np.sin(np.pi / 2 * (part + ~rising)) ** 2


def _widened(times, first, last):
    """Move the first onset and the last offset to where 5 per cent are crossed."""
    times[:, first, 0] -= (
        _FOOT / (1 - _FOOT) * (times[:, first, 1] - times[:, first, 0])
    )
    times[:, last, 2] += _FOOT / (1 - _FOOT) * (times[:, last, 2] - times[:, last, 1])


def _turned(vectors, degrees, axes):
    """Rotate vectors (N, ..., 3) of each patient in the plane of two axes."""
    angle = np.deg2rad(np.asarray(degrees)).reshape(-1, *[1] * (vectors.ndim - 2))
    a, b = vectors[..., axes[0]], vectors[..., axes[1]]
    turned = vectors.copy()
    turned[..., axes[0]] = a * np.cos(angle) - b * np.sin(angle)
    turned[..., axes[1]] = a * np.sin(angle) + b * np.cos(angle)
    return turned


def _column(patients, name):
    """A column as an array of shape (N, 1)."""
    return patients[name].to_numpy()[:, None]


def _set_atrial(waves, patients, rng):
    """P: right, then left atrium; an ectopic P from below; pacing spikes."""
    right, left, ectopic, spike = (
        WAVES.index(name)
        for name in ("P right atrium", "P left atrium", "ectopic P", "spike")
    )
    onset = -_column(patients, "pr") / 1000
    duration = _column(patients, "p_duration") / 1000
    waves.times[:, right] = onset + duration * np.array([0, 0.4, 0.78])
    waves.times[:, left] = onset + duration * np.array([0.22, 0.6, 1])
    _widened(waves.times, right, left)
    waves.times[:, ectopic] = onset + duration * np.array([0.05, 0.45, 0.9])
    # A spike lasts 1 to 2 ms; the recorder's filter makes it wider.
    waves.times[:, spike] = np.array([-0.016, -0.011, -0.006])

    has_p = ~(patients["paced"] | patients["atrial_fibrillation"]).to_numpy()[:, None]
    size = has_p * _column(patients, "p_voltage")
    pair = np.stack([size * [0.045, 0.06, -0.065], size * [0.08, 0.05, 0.055]], axis=1)
    pair += has_p[..., None] * rng.normal(0, 0.008, pair.shape)
    waves.vectors[:, [right, left]] = _turned(pair, patients["p_turn"], (0, 1))
    waves.vectors[:, ectopic] = size * [0.05, -0.07, 0.04]
    waves.vectors[:, spike] = _column(patients, "paced") * np.array([0.5, 1.3, -0.2])


def _set_ventricular(waves, patients, conduction, rng):
    """Q, apex, R and S: conduction, infarction, hypertrophy, axis and voltage."""
    times = np.stack([_qrs_times(_QRS_PEAKS[c]) for c in conduction])
    times *= _column(patients, "qrs_duration")[..., None] / 1000
    _widened(times, 0, 3)
    vectors = np.array([_QRS_VECTORS[c] for c in conduction], dtype=float)
    size = np.linalg.norm(vectors, axis=2, keepdims=True)
    vectors += 0.12 * size * rng.normal(size=vectors.shape)
    q, apex, r = 0, 1, 2

    inferior = patients["inferior_infarction"].to_numpy()
    vectors[inferior, q] += [0.1, -0.5, -0.1]
    vectors[inferior, apex] *= [1, 0.1, 1]
    vectors[inferior, r] *= [1, 0.75, 1]
    anterior = patients["anterior_infarction"].to_numpy()
    vectors[anterior, q] = [-0.12, 0.02, 0.42] + rng.normal(
        0, 0.04, (anterior.sum(), 3)
    )
    vectors[anterior, apex] = [0.25, 0.3, 0.5] + rng.normal(
        0, 0.06, (anterior.sum(), 3)
    )
    vectors[anterior, r] *= [1, 1, 1.6]
    for infarction in (inferior, anterior):
        # A pathological Q lasts 30 ms or more.
        times[infarction, q, 1:] *= 1.3
    vectors[patients["lvh"].to_numpy(), r] *= [1, 0.8, 1.15]

    vectors = _turned(vectors, patients["frontal_turn"], (0, 1))
    vectors = _turned(vectors, patients["horizontal_turn"], (0, 2))
    waves.times[:, _QRS] = times
    waves.vectors[:, _QRS] = vectors * _column(patients, "voltage")[..., None]


def _qrs_times(peaks):
    """Onset, peak and offset of Q, apex, R and S, as fractions of the QRS duration."""
    q, apex, r, s = peaks
    return np.array([[0, q, apex], [0.6 * q, apex, r], [q, r, s], [r, s, 1]])


def _set_repolarisation(waves, patients, conduction, rng):
    """ST and T: discordant to a block or strain, inverted over an old infarction."""
    st, t = WAVES.index("ST"), WAVES.index("T")
    j_point = patients["qrs_duration"].to_numpy() / 1000
    offset = patients["qt"].to_numpy() / 1000
    peak = offset - patients["t_peak_to_end"].to_numpy() / 1000
    # T leaves J + 60 ms, so that its form cannot change the level of ST there.
    waves.times[:, t] = np.column_stack([j_point + 0.06, peak, offset])
    waves.times[:, t, 2] += _FOOT / (1 - _FOOT) * (offset - peak)
    waves.times[:, st] = np.column_stack([j_point - 0.03, j_point + 0.01, peak])

    vectors = np.array([_T_VECTORS[c] for c in conduction])
    vectors = vectors + 0.04 * rng.normal(size=vectors.shape)
    strain, inferior, anterior = (
        patients[name].to_numpy()
        for name in ("strain", "inferior_infarction", "anterior_infarction")
    )
    vectors[strain] = [-0.24, -0.08, -0.28] + rng.normal(0, 0.05, (strain.sum(), 3))
    vectors[inferior] = [0.3, -0.18, -0.14] + rng.normal(0, 0.05, (inferior.sum(), 3))
    vectors[anterior] = [0.04, 0.16, 0.24] + rng.normal(0, 0.05, (anterior.sum(), 3))
    vectors = _turned(vectors, patients["t_turn"], (0, 1))
    small = np.where(patients["low_voltage"], 0.65, 1.0)[:, None]
    waves.vectors[:, t] = vectors * _column(patients, "t_voltage") * small

    level = np.array([_ST_VECTORS[c] for c in conduction])
    normal = (conduction == "normal")[:, None]
    level = np.where(normal, level * _column(patients, "st_level"), level)
    level[strain] = [-0.13, -0.04, -0.1]
    level[anterior] += [0.0, 0.0, -0.06]
    waves.vectors[:, st] = level


def _set_shapes(waves, patients):
    """Doming of ST-T, slurring and notching of the QRS: peaks and ends stay in place.

    The dipole goes straight from the peak of R to that of S, whenever it does, so that
    slurring changes no amplitude in any lead.
    """
    r, notch, s, t = (WAVES.index(name) for name in ("R", "notch", "S", "T"))
    waves.warps[:, t, 0] = np.exp(-0.45 * patients["st_t_doming"])
    slurring = np.exp(0.4 * patients["qrs_slurring"])
    waves.warps[:, r, 1] = waves.warps[:, s, 0] = slurring
    peak = waves.times[:, r, 1]
    width = waves.times[:, r, 2] - peak
    begin_peak_end = [peak + part * width for part in (0.05, 0.3, 0.55)]
    waves.times[:, notch] = np.column_stack(begin_peak_end)
    depth = _column(patients, "qrs_notching")
    waves.vectors[:, notch] = -depth * waves.vectors[:, r]


def _set_ectopic(waves, patients, rng):
    """A ventricular beat: broad, from either ventricle, its T opposed to its QRS."""
    r, s, t = (WAVES.index(name) for name in ("ectopic R", "ectopic S", "ectopic T"))
    n_samples = len(patients)
    duration = rng.normal(0.155, 0.012, n_samples).clip(0.13, 0.19)[:, None]
    waves.times[:, r] = duration * np.array([0, 0.38, 0.75])
    waves.times[:, s] = duration * np.array([0.3, 0.66, 1])
    waves.times[:, t] = duration + np.array([0.02, 0.16, 0.27])
    from_right = (rng.random(n_samples) < 0.6)[:, None]
    vector = np.where(from_right, [0.9, 0.7, 1.0], [-0.75, 0.5, -1.0])
    vector = vector * np.array([1, 1, 1]) + rng.normal(0, 0.25, (n_samples, 3))
    has = _column(patients, "pvc")
    waves.vectors[:, r] = has * vector
    waves.vectors[:, s] = has * (0.75 * vector + rng.normal(0, 0.15, (n_samples, 3)))
    waves.vectors[:, t] = has * -0.42 * vector

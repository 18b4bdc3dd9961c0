"""Beats of an ECG: QRS on all leads at once, morphology, and the median beat.

B beats, D beats of the dominant morphology, L leads, T samples, W samples of a beat.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage, signal

from ._pacing import spike_train, without_spikes

RATE = 500  # Hz; every recording is brought to it
BEFORE, AFTER = 225, 375  # samples of the median beat around its QRS: 1.2 s in all

_FASTEST_RR = 0.24  # s
_HALF_QRS, _SLACK = 50, 25  # samples compared on each side of a QRS, and their shift
_ALIKE = 0.85  # correlation over the QRS in all leads, of beats of one morphology


class Beats(NamedTuple):
    """The heart beats of one recording.

    Attributes
    ----------
    positions : ndarray of shape (B,)
        Samples of the QRS complexes, aligned by correlation.
    dominant : ndarray of shape (B,)
        Whether a beat has the morphology of the median beat.
    windows : ndarray of shape (D, L, W)
        The beats that the median is taken of, in mV; NaN beyond the recording.
    median : ndarray of shape (L, W)
        The median beat in mV, its QRS at sample `BEFORE`.
    similarity : float
        Typical correlation of a dominant beat with the median over the QRS.
    rate : float
        Exact samples per second: `RATE`, but for sampling rates that are no integer.
    spikes : ndarray of shape (S,)
        Samples of the pacing spikes, which are taken out of `clean` and the beats.
    clean : ndarray of shape (L, T)
        The recording in mV, filtered for measuring.
    """

    positions: np.ndarray
    dominant: np.ndarray
    windows: np.ndarray
    median: np.ndarray
    similarity: float
    rate: float
    spikes: np.ndarray
    clean: np.ndarray


def find_beats(ecg, sampling_rate):
    """`Beats` of one ECG (L, T) in mV without NaN; None if no QRS is found."""
    ecg = np.asarray(ecg, np.float32)
    clean, quick, rate = _filtered(ecg, sampling_rate)
    spikes = spike_train(ecg, sampling_rate)
    if len(spikes):
        # A paced QRS is low at times: its spike helps to find it.
        clean, _, _ = _filtered(
            without_spikes(ecg, spikes, sampling_rate), sampling_rate
        )
    peaks = detect_qrs(quick, rate)
    peaks = peaks[~_is_calibration(quick, peaks)]
    if len(peaks) == 0:
        return None
    dominant, peaks, similarity = _dominant_morphology(quick, peaks)
    chosen = peaks[dominant & ~_premature(peaks, dominant)]
    windows = _cut(clean, chosen, BEFORE, AFTER)
    windows = _level(windows)
    median = _held(_median(windows))
    spikes = np.round(spikes * (rate / sampling_rate)).astype(int)
    return Beats(peaks, dominant, windows, median, similarity, rate, spikes, clean)


def all_windows(beats):
    """Every beat (B, L, W) in mV, held beyond the recording."""
    index = beats.positions[:, None] + np.arange(-BEFORE, AFTER)
    index = np.clip(index, 0, beats.clean.shape[1] - 1)
    return beats.clean[:, index].transpose(1, 0, 2)


def detect_qrs(quick, rate):
    """Samples (B,) of the QRS complexes of an ECG (L, T) filtered to 6 - 30 Hz."""
    activity = _activity(quick, rate)
    level = _typical_peak(activity, rate)
    if not level > 2.5 * np.median(activity):
        return np.empty(0, int)
    peaks, _ = signal.find_peaks(
        activity, 0.17 * level, distance=int(_FASTEST_RR * rate)
    )
    keep = activity[peaks] > 0.35 * level
    keep |= _fills_a_pause(peaks, keep)
    peaks = peaks[keep]
    height = activity[peaks]
    return peaks[~(_is_t_wave(peaks, height, rate) | _is_atrial(peaks, height, rate))]


def _filtered(ecg, sampling_rate):
    """The ECG for measuring (0.4 - 100 Hz) and for detection (6 - 30 Hz), and the rate.

    One Fourier transform filters without phase, removes the mains and resamples.
    """
    n_times = ecg.shape[1]
    seconds = int(np.ceil(n_times / sampling_rate + 0.5))
    n_padded = round(seconds * sampling_rate)
    n_out = seconds * RATE
    rate = n_out * sampling_rate / n_padded
    # A bridge from the last sample to the first leaves no step where the ends meet.
    bridge = np.linspace(0, 1, n_padded - n_times, dtype=np.float32)
    bridge = ecg[:, -1:] + (ecg[:, :1] - ecg[:, -1:]) * bridge
    spectrum = fft.rfft(np.concatenate([ecg, bridge], axis=1))
    n_kept = min(spectrum.shape[1], n_out // 2 + 1)
    hertz = np.arange(n_kept) * (sampling_rate / n_padded)
    spectrum = spectrum[:, :n_kept] * np.float32(n_out / n_padded)
    n_times = int(n_times * rate / sampling_rate)
    clean = spectrum * _gain(hertz, 0.4, 100.0) * _without_mains(hertz, spectrum)
    quick = spectrum * _gain(hertz, 6.0, 30.0)
    return (*(fft.irfft(s, n_out)[:, :n_times] for s in (clean, quick)), rate)


def _gain(hertz, low, high):
    """Response of a zero-phase Butterworth band-pass, forwards and backwards."""
    with np.errstate(divide="ignore"):
        gain = 1 / ((1 + (low / hertz) ** 4) * (1 + (hertz / high) ** 8))
    return gain.astype(np.float32)


def _without_mains(hertz, spectrum):
    """Zero around 50 or 60 Hz where a line stands out of the spectrum, else one."""
    gain = np.ones(len(hertz), np.float32)
    power = np.abs(spectrum).sum(axis=0)
    for mains in (50.0, 60.0):
        line = np.abs(hertz - mains) < 0.6
        beside = (np.abs(hertz - mains) < 4) & ~line
        if line.any() and power[line].max() > 4 * np.median(power[beside]):
            gain[line] = 0
    return gain


def _activity(quick, rate):
    """Spatial velocity (T,) of the leads in which a QRS stands out of the rest."""
    speed = np.diff(quick, axis=1, prepend=quick[:, :1])
    speed /= max(speed.max(), np.float32(1e-20))
    square = speed * speed
    power = square.mean(axis=1) + np.float32(1e-12)
    peakedness = (square * square).mean(axis=1) / power**2
    square *= (np.clip(peakedness / 3 - 1, 0.05, 2) / power)[:, None]
    total = square.sum(axis=0)
    # What one lead alone shows is an artefact, not a beat.
    if len(square) > 2:
        total -= square.max(axis=0)
    return np.sqrt(ndimage.uniform_filter1d(total, int(0.09 * rate)))


def _typical_peak(activity, rate):
    """Median over stretches of 2 s of the highest activity."""
    step = min(int(2 * rate), len(activity))
    n_steps = len(activity) // step
    return np.median(activity[: n_steps * step].reshape(n_steps, step).max(axis=1))


def _fills_a_pause(peaks, keep):
    """Whether a weaker peak lies inside a pause between the stronger ones.

    Ventricular ectopic beats are slow, and weak in this band.
    """
    strong = peaks[keep]
    if len(strong) < 3:
        return np.zeros(len(peaks), bool)
    rr = np.diff(strong)
    # In bigeminy most intervals are pauses.
    usual = np.quantile(rr, 0.25)
    i = np.clip(np.searchsorted(strong, peaks) - 1, 0, len(rr) - 1)
    to_edge = np.minimum(peaks - strong[i], strong[i + 1] - peaks)
    return (rr[i] > 1.5 * usual) & (to_edge > 0.45 * usual)


def _is_t_wave(peaks, height, rate):
    """Whether a peak follows a much higher one at the distance of a T wave."""
    soon = np.diff(peaks, prepend=-peaks[-1:]) < 0.36 * rate
    return soon & (height < 0.6 * np.concatenate([[0], height[:-1]]))


def _is_atrial(peaks, height, rate):
    """Whether a peak stands before a much higher one, as a spike that paces the atria.

    One of a kind is a beat before an early one: there have to be three.
    """
    soon = np.diff(peaks, append=np.inf) < 0.3 * rate
    before = soon & (height < 0.7 * np.append(height[1:], 0))
    return before & (before.sum() >= 3)


def _is_calibration(quick, peaks):
    """Whether a peak (B,) is the same in most leads, when others are not."""
    near = _cut(quick, peaks, _HALF_QRS, _HALF_QRS, fill=0.0)
    common = np.median(near, axis=1, keepdims=True)
    apart = ((near - common) ** 2).sum(axis=2)
    alike = (apart <= 0.05 * (common**2).sum(axis=2)).mean(axis=1) > 0.7
    return alike & ~alike.all()


def _dominant_morphology(quick, peaks):
    """Who is alike (B,), positions aligned to their median, typical likeness."""
    wide = _cut(quick, peaks, _HALF_QRS + _SLACK, _HALF_QRS + _SLACK, fill=0.0)
    narrow = wide[:, :, _SLACK:-_SLACK].reshape(len(peaks), -1)
    narrow = narrow / (np.linalg.norm(narrow, axis=1, keepdims=True) + 1e-12)
    alike = _main_group(narrow @ narrow.T, peaks)
    for _ in range(2):
        template = _median(wide[alike][:, :, _SLACK:-_SLACK])
        correlation, shift = _best_shift(wide, template)
        peaks = peaks + shift
        wide = _cut(quick, peaks, _HALF_QRS + _SLACK, _HALF_QRS + _SLACK, fill=0.0)
        alike = correlation > _ALIKE
        if not alike.any():
            alike = correlation == correlation.max()
    return alike, peaks, float(np.median(correlation[alike]))


def _main_group(correlation, peaks):
    """Members of the largest group of similar beats; of two large, the less early."""
    similar = correlation > _ALIKE - 0.1
    first = similar[similar.sum(axis=1).argmax()]
    rest = similar & ~first
    second = rest[rest.sum(axis=1).argmax()] & ~first
    if second.sum() < 0.6 * first.sum() or len(peaks) < 4:
        return first
    rr = np.diff(peaks, prepend=np.nan)
    early = [np.nanmedian(rr[group]) for group in (first, second)]
    return second if early[1] > 1.15 * early[0] else first


def _best_shift(wide, template):
    """Highest correlation (B,) of each beat with the template, and its shift."""
    n, n_shifts = template.shape[1], wide.shape[2] - template.shape[1] + 1
    spectrum = fft.rfft(wide, 2 * n) * fft.rfft(template, 2 * n).conj()
    product = fft.irfft(spectrum.sum(axis=1))[:, :n_shifts]
    power = np.cumsum(np.einsum("blw,blw->bw", wide, wide), axis=1)
    power = np.pad(power, ((0, 0), (1, 0)))
    power = power[:, n:] - power[:, :-n]
    correlation = product / np.sqrt(power * (template**2).sum() + 1e-12)
    best = correlation.argmax(axis=1)
    return correlation[np.arange(len(best)), best], best - _SLACK


def _premature(peaks, dominant):
    """Dominant beats that come early, whose P wave is another, unless most do."""
    rr = np.diff(peaks, prepend=np.nan)
    if len(peaks) < 4:
        return np.zeros(len(peaks), bool)
    early = dominant & (rr < 0.85 * np.nanmedian(rr))
    return early & (early.sum() <= dominant.sum() / 2)


def _cut(ecg, positions, before, after, fill=np.nan):
    """Windows (B, L, before + after) around `positions`."""
    index = positions[:, None] + np.arange(-before, after)
    inside = (index >= 0) & (index < ecg.shape[1])
    windows = ecg[:, np.where(inside, index, 0)].transpose(1, 0, 2)
    if not inside.all():
        windows = np.where(inside[:, None], windows, np.float32(fill))
    return windows


def _median(windows):
    """Median (L, W) over the beats (D, L, W), leaving out NaN."""
    ordered = np.sort(windows, axis=0)
    if np.isfinite(ordered[0]).all() and np.isfinite(ordered[-1]).all():
        return (ordered[(len(windows) - 1) // 2] + ordered[len(windows) // 2]) / 2
    n = np.isfinite(ordered).sum(axis=0, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((n - 1) // 2, 0), axis=0)
    high = np.take_along_axis(ordered, np.minimum(n // 2, len(windows) - 1), axis=0)
    return ((low + high) / 2)[0]


def _held(median):
    """The median, with its first and last known sample beyond the ends of the ECG."""
    known = np.flatnonzero(np.isfinite(median[0]))
    return median[:, np.clip(np.arange(median.shape[1]), known[0], known[-1])]


def _level(windows):
    """The beats, each lead moved and tilted onto the median, which takes out wander."""
    sparse = slice(BEFORE - 125, BEFORE + 225, 5)
    near = windows[:, :, sparse]
    time = np.arange(windows.shape[2], dtype=np.float32) - BEFORE
    centre = time[sparse].mean()
    t = time[sparse] - centre
    away = np.nan_to_num(near - _median(near))
    slope = (away @ t / (t @ t))[:, :, None]
    return windows - (away.mean(axis=2)[:, :, None] + slope * (time - centre))

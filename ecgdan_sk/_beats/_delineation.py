"""Global onsets and offsets of P, QRS and T on the spatial magnitude of a median beat.

D beats of one morphology, L leads, W samples of a beat, at 500 Hz. Limits are sought on
the velocity of all leads together, and no lead is delineated on its own: the spatial
velocity for QRS and T, and for the low P wave a mean that many leads share.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

_MS = 0.5  # samples per millisecond

# Reliability that the P wave of the median beat needs, in a regular rhythm and not.
_RELIABLE_P, _RELIABLE_P_IRREGULAR = 0.75, 0.95
SPIKE = int(14 * _MS)  # samples that a pacing spike reaches to each side
_P_RISES, _P_FALLS = 0.28, 0.45  # parts of its velocity at which P begins and ends
_T_REST = 0.185  # part of the velocity of T at which it has ended
_IRREGULAR = 0.06  # typical change from one RR interval to the next, relative


class Fiducials(NamedTuple):
    """Onsets, peaks and offsets in samples of the median beat; NaN if absent."""

    p_onset: float
    p_peak: float
    p_offset: float
    qrs_onset: float
    qrs_offset: float
    t_peak: float
    t_offset: float


def delineate(beat, r, rr_before, rr_after):
    """`Fiducials` of a median beat (L, W) in mV with its QRS near sample `r`.

    The intervals in samples to the beats before and after bound where P and T can lie.
    """
    beat = beat.astype(np.float64)
    onset, offset = _qrs_limits(beat, r)
    next_wave = onset + rr_after - 40 * _MS
    t_peak, t_offset = _t_wave(beat, onset, offset, next_wave, rr_after)
    p_wave = _p_wave(beat, onset, t_offset - rr_before)
    # T must end before the next P wave, which was first sought without knowing T well.
    if np.isfinite(p_wave[0]):
        next_wave, first_offset = min(next_wave, p_wave[0] + rr_after), t_offset
        t_peak, t_offset = _t_wave(beat, onset, offset, next_wave, rr_after)
        if t_offset != first_offset:
            p_wave = _p_wave(beat, onset, t_offset - rr_before)
    return Fiducials(*p_wave, float(onset), float(offset), t_peak, t_offset)


def without_p(fiducials):
    """Copy of the fiducials without a P wave."""
    return fiducials._replace(p_onset=np.nan, p_peak=np.nan, p_offset=np.nan)


def p_reliability(windows, fiducials):
    """Reliability of the P wave of the median beat, at most 1.

    The correlation between the single beats (D, L, W) where the P wave was found,
    extrapolated to medians of D beats (Spearman 1910, Brown 1910). Fibrillation gives
    about zero, whatever the median beat looks like.
    """
    if not np.isfinite(fiducials.p_onset):
        return np.nan
    margin = int(20 * _MS)
    first = max(int(fiducials.p_onset) - margin, 0)
    last = min(int(fiducials.p_offset) + margin, int(fiducials.qrs_onset))
    waves = windows[:, :, first : first + (last - first) // 4 * 4]
    waves = waves[np.isfinite(waves).all(axis=(1, 2))]
    if len(waves) < 2:
        return np.nan
    # Means of 8 ms: a P wave holds nothing faster.
    waves = waves.reshape(*waves.shape[:2], -1, 4).mean(axis=3)
    waves = _without_line(waves).reshape(len(waves), -1)
    waves = waves / (np.linalg.norm(waves, axis=1, keepdims=True) + 1e-12)
    n = len(waves)
    between = ((waves.sum(axis=0) ** 2).sum() - n) / (n * (n - 1))
    return n * between / (1 + (n - 1) * max(between, 0.0))


def p_is_real(reliability, rr):
    """Whether the P wave counts, given the RR intervals: not in atrial fibrillation."""
    irregular = len(rr) < 2 or np.median(np.abs(np.diff(rr))) > _IRREGULAR * np.mean(rr)
    return reliability > (_RELIABLE_P_IRREGULAR if irregular else _RELIABLE_P)


def pacing_spikes(beat, fiducials):
    """Whether a spike precedes the QRS, and the sample of a spike at its onset.

    A spike is sharper than any part of the QRS. The sample is None without a spike.
    """
    beat = beat.astype(np.float64)
    sharp = beat - ndimage.gaussian_filter1d(beat, 4 * _MS, axis=1)
    sharp = np.sqrt((sharp * sharp).sum(axis=0))
    onset = int(fiducials.qrs_onset)
    early, late = max(onset - int(300 * _MS), 5), max(onset - int(24 * _MS), 6)
    begun = onset + int(24 * _MS)
    rest = sharp[begun + int(8 * _MS) : begun + int(160 * _MS)].max()
    span = np.linalg.norm(np.ptp(beat[:, onset : begun + int(160 * _MS)], axis=1))
    before = sharp[early:late].max() > max(rest, 0.04 * span)
    spike = late + int(sharp[late:begun].argmax())
    at_onset = sharp[spike] > max(2 * rest, 0.08 * span)
    return bool(before), spike if at_onset else None


def without_spike(beat, spike):
    """The beat with a straight line in place of the pacing spike."""
    beat = beat.copy()
    first, last = max(spike - SPIKE, 0), spike + SPIKE
    beat[:, first:last] = np.linspace(
        beat[:, first], beat[:, last], last - first, axis=1, endpoint=False
    )
    return beat


def after_spike(fiducials, end):
    """Copy of the fiducials whose QRS begins after the spike at the earliest."""
    onset = np.fmin(fiducials.qrs_offset - 40 * _MS, end)
    return fiducials._replace(qrs_onset=max(fiducials.qrs_onset, float(onset)))


def _quantile(values, share):
    """The `share` quantile of a few float64 numbers, as NumPy's, without its checks."""
    place = (len(values) - 1) * share
    low = int(place)
    high, beyond = min(low + 1, len(values) - 1), place - low
    ordered = np.partition(values, (low, high))
    a, b = ordered[low], ordered[high]
    return a + (b - a) * beyond if beyond < 0.5 else b - (b - a) * (1 - beyond)


def _speed(beat, sigma):
    """Spatial velocity (W,) in mV per sample, smoothed by `sigma` samples."""
    slope = ndimage.gaussian_filter1d(
        beat, sigma, axis=1, order=1, mode="nearest", truncate=3.0
    )
    return np.sqrt((slope * slope).sum(axis=0))


def _shared(beat, sigma, order):
    """Size (W,) of a smoothed derivative that many leads share.

    The square of the mean root: an artefact of few leads weighs less than in `_speed`,
    which the lead that moves most decides.
    """
    slope = ndimage.gaussian_filter1d(beat, sigma, axis=1, order=order, mode="nearest")
    return np.sqrt(np.abs(slope)).mean(axis=0) ** 2


def _qrs_limits(beat, r):
    """First and last sample of the QRS in any lead, from the spatial velocity."""
    speed = _speed(beat, 2 * _MS)
    reach = int(100 * _MS)
    centre = r - reach + int(speed[r - reach : r + reach].argmax())
    before = speed[max(centre - int(200 * _MS), 0) : centre - int(60 * _MS)]
    after = speed[centre + int(60 * _MS) : centre + int(300 * _MS)]
    # In a broad QRS the vector may rest for a while: begin at its outer fast parts.
    near = slice(max(centre - reach, 0), centre + reach)
    top, rest = speed[centre], _quantile(np.concatenate([before, after]), 0.5)
    fast = near.start + np.flatnonzero(speed[near] > max(0.15 * top, 4 * rest))
    first, last = (fast[0], fast[-1]) if len(fast) else (centre, centre)
    onset = _steps_to_rest(speed[first::-1], top, before, 0.25, 0.035, int(16 * _MS))
    offset = _steps_to_rest(speed[last:], top, after, 0.25, 0.035, int(28 * _MS))
    return int(first - onset), int(last + offset)


def _steps_to_rest(speed, top, around, share, part, n_quiet):
    """Steps from a wave until its speed is near that of rest for `n_quiet` samples.

    Near means: above rest by less than `part` of what the wave rises above it; rest is
    a low quantile of the speeds `around`, and `top` the highest of the wave.
    """
    rest = _quantile(around, share)
    level = rest + part * (top - rest)
    ahead = np.convolve(speed, np.full(n_quiet, 1 / n_quiet))[n_quiet - 1 : len(speed)]
    stays = np.flatnonzero((speed[: len(ahead)] < level) & (ahead < level))
    return int(stays[0]) if len(stays) else len(speed) - 1


def _t_wave(beat, onset, offset, next_wave, rr):
    """Peak and end of the T wave; the end by a threshold on the spatial velocity.

    T ends where the velocity of all leads together, after the last fast part of T, has
    come down to rest but for `_T_REST` of its rise. A T wave that is inverted or
    biphasic, or flat in some leads, has such an end; no lead is sought on its own.
    """
    first = int(offset + 60 * _MS)
    latest = onset + min(0.75 * rr, 300 * _MS + 0.45 * rr)
    last = int(min(latest, next_wave - 16 * _MS, beat.shape[1] - 10))
    if last - first < 80 * _MS:
        return np.nan, np.nan
    speed = _speed(beat, 8 * _MS)[first:last]
    rest, top = _quantile(speed, 0.1), speed.max()
    quiet = np.flatnonzero(speed <= rest + _T_REST * (top - rest))
    # What is fast and has no rest after it is the next P wave.
    fast = np.flatnonzero(speed[: quiet[-1]] >= (rest + top) / 2)
    steepest = int(speed.argmax())
    if len(fast) and quiet[-1] > steepest:
        end = int(quiet[quiet > fast[-1]][0])
    else:
        end = steepest + int(speed[steepest:].argmin())
    if end < 40 * _MS:
        return np.nan, np.nan
    return float(first + _t_peak(beat[:, first : first + end])), float(first + end)


def _t_peak(wave):
    """Sample of the peak of a T wave (L, n) on its first principal component."""
    wave = ndimage.gaussian_filter1d(wave, 10 * _MS, axis=1)
    wave = wave - wave[:, -1:]
    return np.abs(np.linalg.eigh(wave @ wave.T)[1][:, -1] @ wave).argmax()


def _p_wave(beat, onset, last_t):
    """Onset, peak and offset of the P wave, the largest hump between T and QRS."""
    first = np.fmax(max(onset - 320 * _MS, 5), last_t - 20 * _MS)
    part = beat[:, int(first) : onset]
    if part.shape[1] < 80 * _MS:
        return np.nan, np.nan, np.nan
    # The second derivative is blind to a slope, such as the end of the last T wave.
    hump = _shared(part, 22 * _MS, order=2)
    # The foot of the QRS is no P wave: that peaks 40 ms before it at least.
    peak = 12 + int(hump[12 : -int(40 * _MS)].argmax())
    speed = _shared(part, 8 * _MS, order=1)
    side = int(75 * _MS)
    near = slice(max(peak - side, 0), peak + side)
    # A P wave has two humps at times, of which the peak is but one.
    rest = _quantile(speed, 0.1)
    top = speed[near].max()
    first_fast, last_fast = (
        near.start + np.flatnonzero(speed[near] >= rest + part * (top - rest))[place]
        for part, place in ((_P_RISES + 0.1, 0), (_P_FALLS + 0.03, -1))
    )
    up, down = min(int(first_fast), peak - 1), max(int(last_fast), peak + 1)
    start = up - _steps_to_rest(speed[up::-1], top, speed, 0.1, _P_RISES, 4)
    end = down + _steps_to_rest(speed[down:], top, speed, 0.1, _P_FALLS, 4)
    return tuple(float(int(first) + edge) for edge in (start, peak, end))


def _without_line(waves):
    """The waves along the last axis without their mean and slope."""
    waves = waves - waves.mean(axis=-1, keepdims=True)
    time = np.arange(waves.shape[-1]) - (waves.shape[-1] - 1) / 2
    return waves - (waves @ time / max(time @ time, 1.0))[..., None] * time

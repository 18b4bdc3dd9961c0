"""Onsets, peaks and offsets of P, QRS and T in each lead of single beats.

B beats, L leads, W samples of a beat, at 500 Hz. The global limits of the median beat
say where to look; each lead is then followed outwards until it rests.
"""

import numpy as np
from scipy import ndimage

_MS = 0.5  # samples per millisecond
# Parts of the velocity of a wave below which it rests, before and after.
_P_RESTS, _QRS_RESTS, _T_RESTS = (0.25, 0.45), (0.04, 0.04), (0.25, 0.25)
_SEEN = 0.5  # times the noise that P or T of a lead has to be high
_THIRD = 3  # one in so many leads has to show a wave that is global


def lead_fiducials(waves, at, noise, earliest):
    """Onset, peak and offset of "P", "QRS" and "T" in each lead, each (B, L).

    In samples of the beats `waves` (B, L, W) in mV. `at` are the global `Fiducials`;
    `noise` (L,) is in mV. A lead in which P or T is not higher than half the noise has
    none: NaN. Readers mark a wave in nearly every lead if they mark it in one. The
    onset of T is never given. No QRS begins before `earliest`.
    """
    waves = waves.astype(np.float64)
    on, off = int(at.qrs_onset), int(at.qrs_offset)
    onset, offset = _limits(waves, on, off, 3 * _MS, (24 * _MS, 40 * _MS), _QRS_RESTS)
    onset = np.maximum(onset, min(earliest, off - 40 * _MS))
    peak = _peak(waves, onset, offset)
    p = _wave(waves[..., : on + 1], at.p_onset, at.p_offset, 8 * _MS, noise, _P_RESTS)
    _, *t = _wave(waves, off + int(40 * _MS), at.t_offset, 10 * _MS, noise, _T_RESTS)
    return {
        "P": p,
        "QRS": (onset, peak, offset),
        "T": (np.full(waves.shape[:2], np.nan), *t),
    }


def agreed(marks):
    """The median (B,) of the marks (B, L) of the leads that have such a wave.

    NaN in `marks` where a lead has none, and in the answer where fewer than a third do.
    """
    n_marked = np.isfinite(marks).sum(axis=1)
    enough = n_marked >= -(-marks.shape[1] // _THIRD)
    middle = np.full(len(marks), np.nan)
    middle[enough] = np.nanmedian(marks[enough], axis=1)
    return middle


def _wave(waves, first, last, sigma, noise, rests):
    """Onset, peak and offset (B, L) of a wave between two global limits."""
    if not (np.isfinite(first) and np.isfinite(last)):
        return (np.full(waves.shape[:2], np.nan),) * 3
    first, last = int(first), int(min(last, waves.shape[2] - 1))
    part = ndimage.gaussian_filter1d(waves[..., first : last + 1], sigma, axis=-1)
    # The line through both ends is the level of rest.
    part = part - np.linspace(part[..., 0], part[..., -1], part.shape[-1], axis=-1)
    height = np.abs(part)
    onset, offset = _limits(waves, first, last, sigma, (20 * _MS, 40 * _MS), rests)
    peak = first + height.argmax(axis=-1)
    ordered = (onset < peak) & (peak < offset)
    seen = (height.max(axis=-1) > _SEEN * noise) & ordered
    return tuple(np.where(seen, mark, np.nan) for mark in (onset, peak, offset))


def _peak(waves, onset, offset):
    """Where each lead (B, L) is farthest from its onset, between two limits."""
    level = np.take_along_axis(waves, onset[..., None].astype(int), axis=-1)
    time = np.arange(waves.shape[2])
    within = (time >= onset[..., None]) & (time <= offset[..., None])
    height = np.where(within, np.abs(waves - level), -1.0)
    return height.argmax(axis=-1).astype(float)


def _limits(waves, first, last, sigma, reach, rests):
    """Where a wave between two samples begins and ends in each lead (B, L).

    `rests` are the parts of its velocity at which it has not begun, and has ended.
    """
    inside, outside = (int(value) for value in reach)
    inside = min(inside, (last - first) // 2)
    slope = ndimage.gaussian_filter1d(waves, sigma, axis=-1, order=1, truncate=3.0)
    speed = ndimage.uniform_filter1d(np.abs(slope), int(8 * _MS), axis=-1)
    top = speed[..., first : last + 1].max(axis=-1)
    edges = []
    for start, stop, step, part in [
        (first + inside, max(first - outside, 0), -1, rests[0]),
        (last - inside, min(last + outside, waves.shape[2] - 1), 1, rests[1]),
    ]:
        way = speed[..., start:stop:step]
        rest = np.quantile(way, 0.1, axis=-1)
        quiet = way < (rest + part * (top - rest))[..., None]
        # Begin at the last fast sample on the way, not at a notch.
        fast = way > (rest + 2.5 * part * (top - rest))[..., None]
        n = way.shape[-1]
        begin = np.where(fast.any(-1), n - 1 - fast[..., ::-1].argmax(-1), 0)
        quiet &= np.arange(n) >= begin[..., None]
        steps = np.where(quiet.any(-1), quiet.argmax(-1), n - 1)
        edges.append((start + step * steps).astype(float))
    return edges

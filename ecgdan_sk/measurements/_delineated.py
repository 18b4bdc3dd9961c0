"""From the samples of one ECG to its delineated median beat, with reasons for gaps."""

from typing import NamedTuple

import numpy as np

from .._beats._delineation import (
    SPIKE,
    Fiducials,
    after_spike,
    delineate,
    p_is_real,
    p_reliability,
    pacing_spikes,
    without_p,
    without_spike,
)
from .._beats._detection import BEFORE, Beats, find_beats
from .._beats._pacing import typical_lag
from ._lead_quality import QRS_IN_MV, lead_issues

_MOST_MISSING = 0.2  # part of a lead that may be interpolated
_PACED = 150, 12  # samples before and behind the onset of a QRS that a spike paces
_FLAT = 0.01  # peak to peak, of that of the typical lead
_LEAST_GOOD = 0.5  # part of the recorded leads
_LEAST_SIMILARITY = 0.75  # of the beats of one recording
_NOISY = 6.0  # times the noise of the typical lead
_LIMB_FROM_I_II = np.array([[-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])


class Delineated(NamedTuple):
    """A median beat with its fiducials, and the rhythm it was taken from.

    Attributes
    ----------
    beat : ndarray of shape (12, W)
        Median beat in mV at 500 Hz, zero at the onset of the QRS; absent leads NaN.
    at : Fiducials
        In samples of the beat.
    rr : ndarray of shape (n_beats - 1,)
        RR intervals in ms.
    normal : ndarray of shape (n_beats,)
        Whether a beat has the dominant morphology.
    p_reliability : float
        As `_delineation.p_reliability` gives it.
    noise : ndarray of shape (12,)
        Typical deviation of a beat from the median beat, in mV.
    in_mv : bool
        Whether the amplitudes can be mV.
    beats : Beats
        All beats, of the leads that are present.
    spike_end : float
        Sample of the beat at which the pacing spike before the QRS is over; minus
        infinity where there is none.
    """

    beat: np.ndarray
    at: Fiducials
    rr: np.ndarray
    normal: np.ndarray
    p_reliability: float
    noise: np.ndarray
    in_mv: bool
    beats: Beats
    spike_end: float


def delineated(ecg, rate, reasons):
    """`Delineated` or None; defects are added to `reasons`.

    `ecg` (12, T) in mV at `rate` Hz, leads in the standard order, absent ones NaN.
    """
    if ecg.shape[1] < rate:
        reasons.append("shorter than 1 s")
        return None
    ecg = _usable(ecg, rate, reasons)
    present = np.isfinite(ecg[:, 0])
    if not present.any():
        return None
    beats = find_beats(ecg[present], rate)
    if beats is None:
        reasons.append("no QRS stands out")
        return None
    if beats.similarity < _LEAST_SIMILARITY:
        reasons.append("no two beats are alike")
        return None
    return _of_beats(beats, present, reasons)


def _of_beats(beats, present, reasons):
    """`Delineated` of the beats found in the leads that are present."""
    noise = _noise(beats)
    span = np.median(np.ptp(beats.median, axis=1))
    quiet = noise <= max(_NOISY * np.median(noise), 0.1 * span)
    rows = np.flatnonzero(present)
    if not quiet.all():
        reasons.append(f"noisy: {_names(rows[~quiet])}")
    median, at, paced, spike_end = _fiducials(beats, beats.median[quiet])
    reliability = p_reliability(beats.windows[:, quiet], at)
    rr = np.diff(beats.positions)
    if paced or not p_is_real(reliability, rr):
        reasons.append("paced" if paced else _why_no_p(rr))
        at = without_p(at)
    beat, deviation = np.full((12, median.shape[1]), np.nan), np.full(12, np.nan)
    start = int(at.qrs_onset)
    level = median[:, max(start - 4, 0) : start + 1].mean(axis=1, keepdims=True)
    beat[rows[quiet]], deviation[rows] = median - level, noise
    return Delineated(
        beat,
        at,
        rr * (1000 / beats.rate),
        beats.dominant,
        reliability,
        deviation,
        _in_mv(beat, at, reasons),
        beats,
        spike_end,
    )


def _fiducials(beats, median):
    """The median without a spike, its fiducials, if it is paced, the spike's end."""
    before, after = _typical_rr(beats)
    at = delineate(median, BEFORE, before, after)
    early, spike = pacing_spikes(median, at)
    if spike is not None:
        median = without_spike(median, spike)
        at = delineate(median, BEFORE, before, after)
    found = [spike, _own_spike(beats, at)]
    spikes = [sample for sample in found if sample is not None]
    end = max(spikes, default=-np.inf) + SPIKE
    return median, after_spike(at, end), early or len(spikes) > 0, end


def _own_spike(beats, at):
    """Sample of the beat with the last spike before the QRS, None if not paced."""
    onset = at.qrs_onset - BEFORE
    first, last = onset - _PACED[0], onset + _PACED[1]
    lag = typical_lag(beats.spikes, beats.positions[beats.dominant], first, last)
    return None if lag is None else BEFORE + lag


def _typical_rr(beats):
    """Samples from dominant beats to their neighbours; 1 s for a single beat."""
    rr, dominant = np.diff(beats.positions), beats.dominant
    return [
        np.median(part) if len(part) else beats.rate
        for part in (rr[dominant[1:]], rr[dominant[:-1]])
    ]


def _why_no_p(rr):
    """The reason for the lack of a P wave, given the RR intervals."""
    if len(rr) < 2:
        few = "one beat" if len(rr) == 0 else "two beats"
        return f"{few} only, too few to tell a P wave"
    # Half as reliable as possible is enough in a regular rhythm only.
    if p_is_real(0.5, rr):
        return "no reliable P wave"
    return "no reliable P wave, irregular as atrial fibrillation"


def _usable(ecg, rate, reasons):
    """The ECG with gaps interpolated, limb leads derived, and bad leads NaN.

    All leads are NaN if fewer than half of the recorded leads are good.
    """
    ecg = _filled(ecg, reasons)
    recorded = np.isfinite(ecg[:, 0])
    state = np.full(12, "absent", dtype=object)
    if recorded.any():
        state[recorded] = lead_issues(ecg[recorded], rate)
    ecg[state != ""] = np.nan
    _derive_limb_leads(ecg, state)
    span = np.ptp(ecg, axis=1)
    if (state == "").any():
        state[span <= _FLAT * np.nanmedian(span)] = "flat"
    ecg[state == "flat"] = np.nan
    for name in dict.fromkeys(state[state != ""]):
        reasons.append(f"{name}: {_names(np.flatnonzero(state == name))}")
    n_good, n_recorded = (state[recorded] == "").sum(), recorded.sum()
    if n_good < _LEAST_GOOD * n_recorded or not recorded.any():
        why = f"too few good leads, {n_good} of {n_recorded}"
        reasons.append(why if recorded.any() else "no lead holds a signal")
        ecg[:] = np.nan
    return ecg


def _derive_limb_leads(ecg, state):
    """III, aVR, aVL, aVF in place, where they are absent and I and II are good."""
    if (state[:2] == "").all():
        derived = np.flatnonzero(state[2:6] == "absent")
        ecg[2 + derived] = _LIMB_FROM_I_II[derived] @ ecg[:2]
        state[2 + derived] = ""


def _filled(ecg, reasons):
    """The ECG with short gaps interpolated, and leads with longer ones NaN."""
    ecg = np.where(np.isfinite(ecg), ecg, np.float32(np.nan))
    missing = np.isnan(ecg).mean(axis=1)
    gaps = (missing > 0) & (missing <= _MOST_MISSING)
    for row in np.flatnonzero(gaps):
        known = np.flatnonzero(np.isfinite(ecg[row]))
        ecg[row] = np.interp(np.arange(ecg.shape[1]), known, ecg[row, known])
    if gaps.any():
        reasons.append(f"gaps interpolated in {_names(np.flatnonzero(gaps))}")
    ecg[missing > _MOST_MISSING] = np.nan
    return ecg


def _noise(beats):
    """Typical deviation (L,) of a beat from the median beat, in mV."""
    near = slice(BEFORE - 125, BEFORE + 225, 4)
    away = np.nan_to_num(beats.windows[:, :, near] - beats.median[:, near])
    return 1.5 * np.median(np.abs(away).transpose(1, 0, 2).reshape(len(away[0]), -1), 1)


def _in_mv(beat, at, reasons):
    """Whether the QRS of a typical lead is as high as it can be in mV."""
    span = np.ptp(beat[:, int(at.qrs_onset) : int(at.qrs_offset) + 1], axis=1)
    typical = np.nanmedian(span)
    if QRS_IN_MV[0] < typical < QRS_IN_MV[1]:
        return True
    reasons.append(f"not in mV: a QRS of {typical:.3g}")
    return False


def _names(rows):
    """Names of the leads in these rows."""
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    return ", ".join(leads[row] for row in rows)

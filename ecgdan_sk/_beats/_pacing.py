"""Pacing spikes in the samples of an ECG, found before a filter smears them.

B beats, L leads, T samples, S spikes.
"""

import numpy as np

_SLOWEST = 400  # Hz; at fewer samples a spike is no sharper than a QRS
_HALF, _BEFORE, _AFTER = 0.008, 0.08, 0.04  # s around a spike
_LEAST = 3  # spikes, all alike, that make a train
_WANDER = 4  # samples, typical deviation of the lag of a spike that paces
_LINE = 0.008, 0.014  # s before and behind a spike that a line replaces


def spike_train(ecg, rate):
    """Samples (S,) of the pacing spikes of an ECG (L, T); none below 400 Hz.

    A spike is a turn much sharper than the rest of the recording. It rises out of rest,
    is back where it began after 8 ms, and has its like: `_LEAST` make a train. Where
    there is a train, all distinct spikes belong to it, as a pulse that falls between
    two samples has another shape, and so do less distinct ones of a shape seen.
    """
    none = np.empty(0, int)
    step = round(0.002 * rate)
    if rate < _SLOWEST or ecg.shape[1] < rate:
        return none
    turn = ecg[:, 2 * step :] - 2 * ecg[:, step:-step] + ecg[:, : -2 * step]
    sharp = np.pad(np.sqrt(np.einsum("lt,lt->t", turn, turn)), step)
    candidates = np.flatnonzero(sharp > 2 * np.quantile(sharp, 0.98))
    height = [_height(ecg, sharp, i, rate) for i in candidates]
    distinct, likely = (candidates[np.greater(height, least)] for least in (1, 0.4))
    if len(distinct) < _LEAST:
        return none
    shape = _shape(ecg, likely, rate)
    alike, clear = shape @ shape.T > 0.8, np.isin(likely, distinct)
    if alike[np.ix_(clear, clear)].sum(axis=0).max() < _LEAST:
        return none
    return likely[alike[:, clear].any(axis=1)]


def without_spikes(ecg, spikes, rate):
    """The ECG (L, T) with a straight line in place of each spike."""
    ecg = ecg.copy()
    for spike in spikes:
        first = spike - round(_LINE[0] * rate)
        last = spike + round(_LINE[1] * rate)
        ecg[:, first:last] = np.linspace(
            ecg[:, first], ecg[:, last], last - first, axis=1, endpoint=False
        )
    return ecg


def typical_lag(spikes, positions, first, last):
    """Median distance from `positions` (B,) to the last spike between two distances.

    None unless more than a third of the positions have such a spike, at nearly the same
    distance: a short pulse can fall between two samples.
    """
    lag = spikes - positions[:, None]
    lag = np.where((lag >= first) & (lag <= last), lag, -np.inf)
    lag = lag.max(axis=1, initial=-np.inf)
    paced = np.isfinite(lag)
    if paced.mean() <= 1 / 3:
        return None
    typical = float(np.median(lag[paced]))
    return typical if np.median(np.abs(lag[paced] - typical)) <= _WANDER else None


def _height(ecg, sharp, i, rate):
    """How far the turn at sample `i` is that of a pacing spike: 1 and more is clear."""
    half, before, after = (round(s * rate) for s in (_HALF, _BEFORE, _AFTER))
    if i < before or i + after >= ecg.shape[1]:
        return 0.0
    if sharp[i] < sharp[i - half : i + half + 1].max():
        return 0.0
    rest = 5 * sharp[i - before : i - half].max()
    rest = max(rest, 2 * sharp[i + half + 1 : i + after].max(), 1e-12)
    # A narrow QRS falls from its top more slowly, and often to another level.
    start, top, end = ecg[:, i - half], ecg[:, i], ecg[:, i + half]
    height = np.linalg.norm(top - (start + end) / 2)
    rise = np.linalg.norm(top - ecg[:, i - after])
    return min(sharp[i] / rest, height / max(np.linalg.norm(end - start), 0.7 * rise))


def _shape(ecg, spikes, rate):
    """The spikes (S, n) above the line through their ends, all of the same length."""
    half, step = round(_HALF * rate), round(0.002 * rate)
    around = spikes[:, None] + np.arange(-step, step + 1)
    ends = ecg[:, spikes - half] + ecg[:, spikes + half]
    shape = (ecg[:, around] - ends[..., None] / 2).transpose(1, 0, 2)
    shape = shape.reshape(len(spikes), -1)
    return shape / (np.linalg.norm(shape, axis=1, keepdims=True) + 1e-12)

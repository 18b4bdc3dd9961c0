"""One layout for recordings that differ in leads, sampling rate or length."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from ..preprocessing import Resample
from ..records import ECGRecords

# Share of the requested length that a recording must hold; the rest is padded.
_LEAST_HELD = 0.5
# Wanted rate over that of a recording, above which its shape is not known.
_FASTEST_OVER_OWN = 10
_MARGIN = 4  # seconds around what is resampled, where a filter starts and ends


class Layout(NamedTuple):
    """Layout that recordings must share to form one array."""

    leads: tuple
    sampling_rate: float
    n_times: int

    @property
    def seconds(self):
        """Length of a recording."""
        return self.n_times / self.sampling_rate

    def __str__(self):
        n_leads = len(self.leads)
        named = f" ({', '.join(self.leads)})" if n_leads < 12 else ""
        return (
            f"{n_leads} lead{'s' * (n_leads > 1)}{named}, {self.n_times} samples, "
            f"{self.sampling_rate:g} Hz"
        )


def layout_of(waveform):
    """Layout of one Waveform."""
    return Layout(waveform.leads, waveform.sampling_rate, waveform.signals.shape[1])


def wanted_layout(found, sampling_rate=None, duration=None, leads=None):
    """Requested layout; the most frequent layout decides properties not requested."""
    most = Counter(found).most_common(1)[0][0]
    rate = most.sampling_rate if sampling_rate is None else float(sampling_rate)
    seconds = most.seconds if duration is None else duration
    n_times = max(1, round(seconds * rate))
    return Layout(most.leads if leads is None else leads, rate, n_times)


def misfit(own, wanted):
    """Why a recording cannot be brought to a layout, or an empty text."""
    if not set(own.leads) & set(wanted.leads):
        return (
            f"It has {own}, and none of the leads {', '.join(wanted.leads)} of the "
            "others. Give leads=[...] that it shares with them."
        )
    if own.seconds < _LEAST_HELD * wanted.seconds:
        return (
            f"It lasts {own.seconds:g} s, less than half of the {wanted.seconds:g} s "
            "of the others: most of it would be made up. Give a shorter duration=."
        )
    if wanted.sampling_rate > _FASTEST_OVER_OWN * own.sampling_rate:
        return (
            f"It is sampled at {own.sampling_rate:g} Hz, less than a tenth of the "
            f"{wanted.sampling_rate:g} Hz of the others. Give a lower sampling_rate=."
        )
    return ""


def changes(own, wanted):
    """Changes of a recording in this layout: descriptions by kind."""
    found = {}
    if own.sampling_rate != wanted.sampling_rate:
        found["resampled"] = (
            f"resampled from {own.sampling_rate:g} to {wanted.sampling_rate:g} Hz"
        )
    n_times = _resampled_length(own, wanted)
    if n_times > wanted.n_times:
        found["cropped"] = f"cropped from {own.seconds:g} to {wanted.seconds:g} s"
    if n_times < wanted.n_times:
        found["padded"] = f"padded from {own.seconds:g} to {wanted.seconds:g} s"
    absent = [lead for lead in wanted.leads if lead not in own.leads]
    if absent:
        found["without some leads"] = f"lead {', '.join(absent)} absent (NaN)"
    left = [lead for lead in own.leads if lead not in wanted.leads]
    if left:
        found["with leads left out"] = f"lead {', '.join(left)} left out"
    if not absent and not left and own.leads != wanted.leads:
        found["with leads in another order"] = "leads put in order"
    return found


def brought_to(signals, own, wanted):
    """Signals (n_leads, n_times) of one layout in another, float32 in mV.

    A longer recording keeps its middle. A shorter one lies in the middle, and goes on
    at its median at both ends. Leads that it lacks are NaN.
    """
    if own == wanted:
        return signals
    kept = [lead for lead in wanted.leads if lead in own.leads]
    signals = signals[[own.leads.index(lead) for lead in kept]]
    if own.sampling_rate != wanted.sampling_rate:
        n_enough = int((wanted.seconds + _MARGIN) * own.sampling_rate)
        signals = _centred(signals, min(n_enough, own.n_times))
        signals = _resampled(signals, own.sampling_rate, wanted.sampling_rate, kept)
    result = np.full((len(wanted.leads), wanted.n_times), np.nan, np.float32)
    result[[wanted.leads.index(lead) for lead in kept]] = _centred(
        signals, wanted.n_times
    )
    return result


def _resampled_length(own, wanted):
    """Samples of a recording at the wanted rate, before it is cropped or padded."""
    if own.sampling_rate == wanted.sampling_rate:
        return own.n_times
    # Rounded like lengths in seconds, so that rounding alone causes no padding.
    return round(own.seconds * wanted.sampling_rate)


def _resampled(signals, rate, wanted, leads):
    """Signals at another rate, gaps where they were."""
    missing = np.isnan(signals)
    if missing.all():
        n_times = max(1, round(signals.shape[1] * wanted / rate))
        return np.full((len(leads), n_times), np.nan, np.float32)
    gaps = missing & ~missing.all(axis=1, keepdims=True)
    if gaps.any():
        signals = _without_gaps(signals, gaps)
    records = ECGRecords(signals[None], rate, leads)
    resampled = Resample(wanted).fit_transform(records).signals[0]
    if gaps.any():
        nearest = np.arange(resampled.shape[1]) * rate / wanted
        nearest = np.minimum(np.rint(nearest).astype(int), gaps.shape[1] - 1)
        resampled[gaps[:, nearest]] = np.nan
    return resampled


def _without_gaps(signals, gaps):
    """Signals whose gaps are bridged by straight lines."""
    signals, times = signals.copy(), np.arange(signals.shape[1])
    for lead in np.flatnonzero(gaps.any(axis=1)):
        gap = gaps[lead]
        signals[lead, gap] = np.interp(times[gap], times[~gap], signals[lead, ~gap])
    return signals


def _centred(signals, n_times):
    """The middle of longer signals; shorter ones between their medians."""
    free = n_times - signals.shape[1]
    first = abs(free) // 2
    if free <= 0:
        return signals[:, first : first + n_times]
    there = ~np.isnan(signals).all(axis=1)
    level = np.full((len(signals), 1), np.nan, np.float32)
    level[there] = np.nanmedian(signals[there], axis=1, keepdims=True)
    padded = np.repeat(level, n_times, axis=1)
    padded[:, first : first + signals.shape[1]] = signals
    return padded

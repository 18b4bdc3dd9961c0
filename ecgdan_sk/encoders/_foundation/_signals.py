"""Conversion of ECGs in mV to the input of a foundation model, according to its card.

The cards list the steps by name. Each step takes ECGs (..., T) in double precision and
their `Recordings`.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from ..._warnings import warn
from ...preprocessing import Resample
from ...records._signal_checks import check_ecg

# Goldberger's and Einthoven's limb leads, of I and II.
_LIMB = {"III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}
_TINY = 1e-8  # what the models add to a divisor that might be zero


@dataclass
class Recordings:
    """Sampling rate in Hz, length of a window, and the leads (n, L) that are absent."""

    rate: float
    n_times: int
    n_windows: int
    absent: np.ndarray


def leads_of(records, card):
    """ECGs (n, L, T) in the order of the model; limb leads are derived from I and II.

    Others that are missing are NaN.
    """
    wanted = card["leads"]
    if len(wanted) == 1 and records.shape[1] == 1:
        return np.asarray(records.signals)  # a model of a single lead reads any
    records.select_leads(wanted)  # raises if there is none of them
    names = [*dict.fromkeys(["I", "II", *wanted])]
    X = np.array(records.select_leads(names).signals)
    chosen = X[:, [names.index(lead) for lead in wanted]]
    for i, lead in enumerate(wanted):
        rows = np.isnan(chosen[:, i, 0])
        if lead in _LIMB and rows.any():
            a, b = _LIMB[lead]
            chosen[rows, i] = a * X[rows, 0] + b * X[rows, 1]
    return chosen


def check_leads(absent, name, wanted, first=0):
    """Raise if a recording lacks half of the leads; `first` is its position in X."""
    n_present = (~absent).sum(1)
    if (2 * n_present <= len(wanted)).any():
        fewest = int(n_present.argmin())
        names = [lead for lead, gone in zip(wanted, absent[fewest]) if not gone]
        raise ValueError(
            f"{name!r} reads {len(wanted)} leads, of which X[{first + fewest}] holds "
            f"{n_present[fewest]} ({', '.join(names) or 'none'}): too few to say "
            "anything. 'clef-small' reads a single lead, encoders.Encoder any number."
        )


def warn_of_absent(absent, name, wanted):
    """Warn where leads (n, L) are absent from some recordings."""
    if absent.any():
        names = [lead for lead, gone in zip(wanted, absent.any(0)) if gone]
        warn(
            f"{name!r} was trained on all of its leads, but {', '.join(names)} is "
            f"absent from {absent.any(1).sum()} of {len(absent)} recordings. It enters "
            "as the model's own code has it, as zero mV or as the mean of the others: "
            "features of these ECGs are beyond what it has seen.",
        )


def absent_from(X):
    """Leads (n, L) of ECGs (n, L, T) that are NaN throughout."""
    return np.isnan(X[..., 0])


def prepared(X, rate, card):
    """ECGs (n, L, T) in mV to windows (n, n_windows, ...) that the network reads."""
    X = check_ecg(X)
    absent = absent_from(X)
    X = np.nan_to_num(X)
    X, rate = Resample(card["sampling_rate"])._apply(X, rate)
    n_times = card["n_times"]
    if X.shape[2] < n_times:
        raise ValueError(
            f"The recordings last {X.shape[2] / rate:.3g} s, but this model reads "
            f"{n_times / rate:.3g} s. Leave them out, or take a model of shorter "
            "windows: padding would show it what it has never seen."
        )
    windows = max(card["windows_at_least"], X.shape[2] // n_times)
    windows = 1 if X.shape[2] == n_times else windows
    about = Recordings(rate, n_times, windows, absent)
    X = X.astype(np.float64)
    for step in card["steps"]:
        settings = {key: value for key, value in step.items() if key != "do"}
        X = STEPS[step["do"]](X, about, **settings)
    return X.astype(np.float32)


def notch(X, about, mains, quality):
    """Remove the mains frequency, forwards and backwards."""
    return signal.filtfilt(*signal.iirnotch(mains, quality, about.rate), X)


def butterworth(X, about, low, high, order, sections=False):
    """A Butterworth filter forwards and backwards; in sections, or as one fraction."""
    edges = [edge for edge in (low, high) if edge is not None]
    kind = "bandpass" if len(edges) == 2 else "lowpass" if low is None else "highpass"
    edges = edges if len(edges) == 2 else edges[0]
    if sections:
        sos = signal.butter(order, edges, kind, fs=about.rate, output="sos")
        return signal.sosfiltfilt(sos, X)
    return signal.filtfilt(*signal.butter(order, edges, kind, fs=about.rate), X)


def fir(X, about, low, high, n_taps):
    """A windowed band-pass of finite response, forwards and backwards."""
    taps = signal.firwin(n_taps, [low, high], pass_zero=False, fs=about.rate)
    return signal.filtfilt(taps, 1.0, X)


def minus_median(X, about, seconds):
    """Subtract the running median; beyond its ends an ECG counts as zero."""
    n_samples = int(seconds * about.rate)
    n_samples += 1 - n_samples % 2
    rows = X.reshape(-1, X.shape[-1])
    medians = np.stack([signal.medfilt(row, n_samples) for row in rows])
    return X - medians.reshape(X.shape)


def windows(X, about):
    """(n, L, T) to (n, n_windows, L, n_times), evenly from start to end."""
    n = about.n_windows
    step = (X.shape[2] - about.n_times) // max(n - 1, 1)
    parts = [X[..., i * step : i * step + about.n_times] for i in range(n)]
    return np.stack(parts, axis=1)


def standardise(X, about, per):
    """Mean 0 and standard deviation 1, of each lead or of the whole ECG."""
    axes = -1 if per == "lead" else (-2, -1)
    X = X - X.mean(axes, keepdims=True)
    return X / (X.std(axes, keepdims=True) + _TINY)


def scale(X, about, per, low, high):
    """From `low` to `high`, of each lead or of the whole ECG."""
    axes = -1 if per == "lead" else (-2, -1)
    lowest, highest = X.min(axes, keepdims=True), X.max(axes, keepdims=True)
    return low + (high - low) * (X - lowest) / (highest - lowest + _TINY)


def fill_absent_with_mean(X, about):
    """Replace absent leads of a window (n, W, L, T) by the mean of present leads."""
    gone = np.broadcast_to(about.absent[:, None, :, None], X.shape)
    mean = X.mean((2, 3), where=~gone, keepdims=True)
    return np.where(gone, mean, X)


def flatten_and_decimate(X, about, factor):
    """Filter the leads one by one and keep every `factor`-th sample."""
    return signal.decimate(X.reshape(*X.shape[:2], -1), factor)


STEPS = {
    step.__name__: step
    for step in (
        butterworth,
        fill_absent_with_mean,
        fir,
        flatten_and_decimate,
        minus_median,
        notch,
        scale,
        standardise,
        windows,
    )
}

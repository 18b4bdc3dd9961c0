"""Errors of ECG recording in practice, as named changes of the signals.

Shapes: n recordings, L leads, T samples; signals in mV.
"""

from itertools import pairwise

import numpy as np
from scipy.signal import resample_poly

_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
_LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
_ELECTRODES = ("RA", "LA", "LL", "RL")


class Perturbation:
    """One change of ECGs, as a function of signals, leads and sampling rate.

    Attributes
    ----------
    name : str
        As a clinician would say it.
    needs : tuple of str
        Leads without which it cannot be done.
    needs_rate : bool
        Whether it is made in Hz.
    """

    def __init__(self, name, change, *, needs=(), needs_rate=False):
        self.name = name
        self.needs = tuple(needs)
        self.needs_rate = needs_rate
        self._change = change

    def __call__(self, X, leads, rate, rng):
        """Changed copy of the signals (n, L, T)."""
        return self._change(X.copy(), leads, rate, rng).astype(X.dtype, copy=False)


def all_perturbations(leads, snr):
    """Every change that these leads allow; noise at a signal-to-noise ratio in dB."""
    found = [
        *(_electrode_swap(a, b) for a, b in _limb_pairs()),
        *(_chest_swap(a, b) for a, b in pairwise(_CHEST)),
        *(_inverted(lead) for lead in leads),
        *(_missing(lead) for lead in leads),
        _eight_leads(),
        *(_gain(factor) for factor in (0.8, 1.2)),
        *(_power_line(hz, snr) for hz in (50, 60)),
        _wander(snr),
        _muscle(snr),
        _half_the_rate(),
        _shorter(),
    ]
    return [p for p in found if set(p.needs) <= set(leads)]


def _limb_pairs():
    """Pairs of limb electrodes; both legs have the same potential."""
    pairs = [(a, b) for i, a in enumerate(_ELECTRODES) for b in _ELECTRODES[i + 1 :]]
    return [pair for pair in pairs if pair != ("LL", "RL")]


def _electrode_swap(first, second):
    """Two limb electrodes exchanged, derived from the potentials under them.

    The potentials of the arms and the left leg are assumed to sum to 0, and the right
    leg to have the potential of the left one.
    """

    def change(X, leads, rate, rng):
        one, two = (X[:, leads.index(lead)] for lead in ("I", "II"))
        under = {"RA": -(one + two) / 3, "LA": (2 * one - two) / 3}
        under["LL"] = under["RL"] = (2 * two - one) / 3
        under[first], under[second] = under[second], under[first]
        right, left, foot = (under[name] for name in ("RA", "LA", "LL"))
        terminal = (right + left + foot) / 3
        limb = {
            "I": left - right,
            "II": foot - right,
            "III": foot - left,
            "aVR": right - (left + foot) / 2,
            "aVL": left - (right + foot) / 2,
            "aVF": foot - (right + left) / 2,
        }
        for i, lead in enumerate(leads):
            if lead in limb:
                # An absent lead stays absent.
                X[:, i] = np.where(np.isnan(X[:, i]), np.nan, limb[lead])
            elif lead in _CHEST:
                X[:, i] -= terminal
        return X

    name = f"{first} and {second} electrodes exchanged"
    return Perturbation(name, change, needs=("I", "II"))


def _chest_swap(first, second):
    def change(X, leads, rate, rng):
        places = [leads.index(first), leads.index(second)]
        X[:, places] = X[:, places[::-1]]
        return X

    return Perturbation(
        f"{first} and {second} exchanged", change, needs=(first, second)
    )


def _inverted(lead):
    def change(X, leads, rate, rng):
        X[:, leads.index(lead)] *= -1
        return X

    return Perturbation(f"{lead} inverted", change, needs=(lead,))


def _missing(lead):
    def change(X, leads, rate, rng):
        X[:, leads.index(lead)] = np.nan
        return X

    return Perturbation(f"{lead} missing", change, needs=(lead,))


def _eight_leads():
    def change(X, leads, rate, rng):
        for lead in ("III", "aVR", "aVL", "aVF"):
            X[:, leads.index(lead)] = np.nan
        return X

    return Perturbation("eight leads (I, II, V1 to V6)", change, needs=_LIMB)


def _gain(factor):
    def change(X, leads, rate, rng):
        return X * factor

    return Perturbation(f"gain {round(100 * factor - 100):+d} %", change)


def _power_line(hz, snr):
    def noise(X, rate, rng):
        phase = rng.uniform(0, 2 * np.pi, (len(X), 1, 1))
        if hz >= rate / 2:
            raise ValueError(
                f"A hum of {hz} Hz needs a sampling rate above {2 * hz} Hz, got "
                f"{rate:g} Hz. Leave this change out."
            )
        wave = np.sin(2 * np.pi * hz * np.arange(X.shape[2]) / rate + phase)
        return np.broadcast_to(wave, X.shape)

    return _noise(f"{hz} Hz hum, {snr:g} dB", noise, snr)


def _wander(snr):
    def noise(X, rate, rng):
        time = np.arange(X.shape[2]) / rate
        shape = (3, *X.shape[:2], 1)
        hz, phase = rng.uniform(0.1, 0.5, shape), rng.uniform(0, 2 * np.pi, shape)
        return np.sin(2 * np.pi * hz * time + phase).sum(axis=0)

    return _noise(f"baseline wander, {snr:g} dB", noise, snr)


def _muscle(snr):
    def noise(X, rate, rng):
        return rng.standard_normal(X.shape)

    return _noise(f"muscle noise, {snr:g} dB", noise, snr)


def _noise(name, noise, snr):
    """Noise with the power in each lead that the signal-to-noise ratio requires."""

    def change(X, leads, rate, rng):
        added = noise(X, rate, rng)
        spread = X.std(axis=2, keepdims=True) * 10 ** (-snr / 20)
        return X + spread * added / added.std(axis=2, keepdims=True)

    return Perturbation(name, change, needs_rate=True)


def _half_the_rate():
    def change(X, leads, rate, rng):
        slow = resample_poly(X, 1, 2, axis=2, padtype="line")
        return resample_poly(slow, 2, 1, axis=2, padtype="line")[..., : X.shape[2]]

    return Perturbation("recorded at half the rate", change)


def _shorter():
    def change(X, leads, rate, rng):
        n_kept = 4 * X.shape[2] // 5
        X[:, :, n_kept:] = X[:, :, n_kept - 1 : n_kept]
        return X

    return Perturbation("a fifth shorter, padded", change)

"""True values of ECG measurements, read from the noise-free dominant beat."""

import numpy as np
import pandas as pd

from ...records import LEADS
from ._beats import mean_heart_rate
from ._signals import DOWER, twelve_leads
from ._waves import WAVES, course

# (lead, ...) of each kind of amplitude.
_P, _R = ("II", "V1"), ("I", "aVL", "aVF", "V1", "V5", "V6")
_S, _ST, _T = ("V1", "V2", "V3"), ("II", "aVF", "V1", "V5"), ("II", "aVF", "V1", "V5")
_N_POINTS = 160
_P_WAVES = [WAVES.index(name) for name in ("P right atrium", "P left atrium")]
_QRST_WAVES = list(range(WAVES.index("Q"), WAVES.index("T") + 1))


def true_parameters(patients, waves, times, duration):
    """Table of intervals in ms, axes in degrees and amplitudes in mV.

    P values are NaN where there is no P wave.
    """
    qt, rate = patients["qt"].to_numpy(), patients["heart_rate"].to_numpy()
    rate = mean_heart_rate(times, duration, rate)
    has_p = ~(patients["paced"] | patients["atrial_fibrillation"]).to_numpy()
    table = {
        "heart_rate_bpm": rate,
        "p_duration_ms": np.where(has_p, patients["p_duration"], np.nan),
        "pr_interval_ms": np.where(has_p, patients["pr"], np.nan),
        "qrs_duration_ms": patients["qrs_duration"].to_numpy(),
        "qt_interval_ms": qt,
        "qtc_ms": qt / np.cbrt(60 / rate),
    }
    p = np.where(
        has_p[:, None, None], _leads(waves, _P_WAVES, *_p_span(patients)), np.nan
    )
    qrs = _leads(waves, _QRST_WAVES, 0.0, patients["qrs_duration"] / 1000)
    j_60 = patients["qrs_duration"] / 1000 + 0.06
    st = _leads(waves, _QRST_WAVES, j_60, j_60, n_points=1)[:, :, 0]
    t_peak = waves.times[:, WAVES.index("T"), 1]
    t = _leads(waves, _QRST_WAVES, t_peak, t_peak, n_points=1)[:, :, 0]
    table |= {
        "p_axis_deg": _axis(_net(p)),
        "qrs_axis_deg": _axis(_net(qrs)),
        "t_axis_deg": _axis(t),
    }
    for kind, leads, values in [
        ("p_amplitude", _P, p.max(axis=2)),
        ("r_amplitude", _R, np.maximum(qrs.max(axis=2), 0)),
        ("s_amplitude", _S, np.maximum(-qrs.min(axis=2), 0)),
        ("st_level", _ST, st),
        ("t_amplitude", _T, t),
    ]:
        for lead in leads:
            table[f"{kind}_{lead.lower()}_mv"] = values[:, LEADS.index(lead)]
    return pd.DataFrame(table)


def _p_span(patients):
    """Onset and offset of P in s, from the onset of the QRS."""
    onset = -patients["pr"] / 1000
    return onset, onset + patients["p_duration"] / 1000


def _leads(waves, chosen, start, end, n_points=_N_POINTS):
    """Sum of the chosen waves in twelve leads from `start` to `end`, both in s."""
    start, end = (np.asarray(edge)[..., None] for edge in (start, end))
    time = start + (end - start) * np.linspace(0, 1, n_points)
    time = np.broadcast_to(time, (len(waves.times), n_points))
    courses = course(time[:, None], waves.times[:, chosen], waves.warps[:, chosen])
    dipole = waves.vectors[:, chosen].swapaxes(1, 2) @ courses
    return twelve_leads(DOWER @ dipole)


def _net(wave):
    """Net deflection: the highest plus the lowest point, with the baseline between."""
    return np.maximum(wave.max(axis=2), 0) + np.minimum(wave.min(axis=2), 0)


def _axis(deflection):
    """Frontal axis in degrees, from the deflections in I and aVF.

    An augmented lead shows 2 / sqrt(3) less than a limb lead along its own direction.
    """
    first, foot = (deflection[:, LEADS.index(lead)] for lead in ("I", "aVF"))
    return np.rad2deg(np.arctan2(2 / np.sqrt(3) * foot, first))

"""Clinical parameters of one delineated ECG, each a number or NaN.

The median beat is (12, W) in mV at 500 Hz, leads in the standard order, absent ones
NaN, zero at the onset of the QRS. The functions of `parameters` return a mapping of
names to numbers; definitions stand in the documentation of `ECGMeasurements`.
"""

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
ROW = {lead: row for row, lead in enumerate(LEADS)}
LIMB, CHEST = slice(0, 6), slice(6, 12)
_INDEPENDENT = [0, 1, 6, 7, 8, 9, 10, 11]
_MS = 2.0  # per sample
_Q_LEADS = ("I", "II", "aVL", "aVF", "V4", "V6")
_Q_DURATION_LEADS = ("I", "II", "III", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_R_LEADS = ("I", "II", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_S_LEADS = ("I", "III", "V1", "V2", "V3", "V4", "V6")
_ST_T_LEADS = ("I", "II", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

# Rows X, Y, Z from I, II, V1 to V6, by regression (Kors et al. 1990).
_KORS = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)

NAMES = (
    *("heart_rate_bpm", "rr_sd_ms", "rr_rmssd_ms", "rr_irregularity_ratio"),
    *("ectopic_beats_percent", "p_reliability_ratio"),
    *("p_duration_ms", "pr_interval_ms", "qrs_duration_ms", "qt_interval_ms"),
    *("qtc_bazett_ms", "qtc_fridericia_ms", "qtc_framingham_ms", "qtc_hodges_ms"),
    *("jt_interval_ms", "tpeak_tend_ms"),
    *(f"{wave}_axis_{part}" for wave in ("p", "qrs", "t") for part in ("sin", "cos")),
    *("qrs_t_angle_frontal_deg", "qrs_t_angle_spatial_deg"),
    *("sokolow_lyon_mv", "cornell_voltage_mv", "cornell_product_mv_ms"),
    *("peguero_lo_presti_mv", "limb_voltage_mv", "chest_voltage_mv"),
    "r_transition_lead",
    *(f"q_amplitude_{lead.lower()}_mv" for lead in _Q_LEADS),
    *(f"r_amplitude_{lead.lower()}_mv" for lead in _R_LEADS),
    *(f"s_amplitude_{lead.lower()}_mv" for lead in _S_LEADS),
    *(f"q_duration_{lead.lower()}_ms" for lead in _Q_DURATION_LEADS),
    *(f"st_level_{lead.lower()}_mv" for lead in _ST_T_LEADS),
    *(f"t_amplitude_{lead.lower()}_mv" for lead in _ST_T_LEADS),
    *("p_amplitude_ii_mv", "p_terminal_force_v1_mv_ms"),
    *("r_peak_time_v5_ms", "r_peak_time_v6_ms", "qrs_fragmentation_ratio"),
    *("lbbb_score", "rbbb_score", "nondipolar_voltage_mv"),
    *("qrs_singular_ratio_2", "qrs_singular_ratio_3", "t_complexity_ratio"),
    *("noise_mv", "signal_quality_ratio"),
)


def parameters(ecg):
    """All measurements, in the order of the documentation."""
    found = {}
    for part in (rhythm, intervals, axes, voltages, repolarisation, conduction, shape):
        found.update(part(ecg))
    if not ecg.in_mv:
        found.update((name, np.nan) for name in found if "_mv" in name)
    return found


def quality_score(ecg):
    """QRS over QRS and noise, mean of the twelve leads, an absent one counting 0."""
    span = np.ptp(qrs_wave(ecg), axis=1)
    return float(np.nan_to_num(span / (span + 4 * ecg.noise)).mean())


def rhythm(ecg):
    """Heart rate, variability of normal beats, irregularity, ectopy."""
    normal_rr = ecg.rr[ecg.normal[1:] & ecg.normal[:-1]]
    change = np.diff(ecg.rr)
    return {
        "heart_rate_bpm": 60000 / _mean(ecg.rr),
        "rr_sd_ms": normal_rr.std(ddof=1) if len(normal_rr) > 1 else np.nan,
        "rr_rmssd_ms": np.sqrt(_mean(change**2)),
        "rr_irregularity_ratio": _mean(np.abs(change)) / _mean(ecg.rr),
        "ectopic_beats_percent": 100 * (1 - ecg.normal.mean()),
        "p_reliability_ratio": ecg.p_reliability,
    }


def intervals(ecg):
    """Durations of the waves, and QT corrected for the heart rate."""
    at = ecg.at
    qrs, qt = _MS * (at.qrs_offset - at.qrs_onset), _MS * (at.t_offset - at.qrs_onset)
    rr = _mean(ecg.rr) / 1000
    return {
        "p_duration_ms": _MS * (at.p_offset - at.p_onset),
        "pr_interval_ms": _MS * (at.qrs_onset - at.p_onset),
        "qrs_duration_ms": qrs,
        "qt_interval_ms": qt,
        "qtc_bazett_ms": qt / np.sqrt(rr),
        "qtc_fridericia_ms": qt / np.cbrt(rr),
        "qtc_framingham_ms": qt + 154 * (1 - rr),
        "qtc_hodges_ms": qt + 1.75 * (60 / rr - 60),
        "jt_interval_ms": qt - qrs,
        "tpeak_tend_ms": _MS * (at.t_offset - at.t_peak),
    }


def axes(ecg):
    """Frontal axes of the net areas as sine and cosine, and angles of QRS to T."""
    areas = {"p": p_wave(ecg), "qrs": qrs_wave(ecg), "t": t_wave(ecg)}
    areas = {name: wave.sum(axis=1) for name, wave in areas.items()}
    found = {}
    for name, area in areas.items():
        angle = frontal_angle(area)
        found[f"{name}_axis_sin"], found[f"{name}_axis_cos"] = (
            np.sin(angle),
            np.cos(angle),
        )
    between = frontal_angle(areas["qrs"]) - frontal_angle(areas["t"])
    found["qrs_t_angle_frontal_deg"] = np.degrees(np.arccos(np.cos(between)))
    qrs, t = (_KORS @ areas[name][_INDEPENDENT] for name in ("qrs", "t"))
    cosine = qrs @ t / (np.linalg.norm(qrs) * np.linalg.norm(t))
    found["qrs_t_angle_spatial_deg"] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return found


def voltages(ecg):
    """Amplitudes of Q, R and S, and indices of hypertrophy."""
    qrs = qrs_wave(ecg)
    q, r, s = deflections(qrs)
    cornell = r[ROW["aVL"]] + s[ROW["V3"]]
    span = np.ptp(qrs, axis=1)
    found = {
        "sokolow_lyon_mv": np.fmax(r[ROW["V5"]], r[ROW["V6"]]) + s[ROW["V1"]],
        "cornell_voltage_mv": cornell,
        "cornell_product_mv_ms": cornell * _MS * qrs.shape[1],
        "peguero_lo_presti_mv": s.max() + s[ROW["V4"]],
        "limb_voltage_mv": span[LIMB].mean(),
        "chest_voltage_mv": span[CHEST].mean(),
        "r_transition_lead": _transition(r[CHEST], s[CHEST]),
    }
    for name, height, leads in [
        ("q", q, _Q_LEADS),
        ("r", r, _R_LEADS),
        ("s", s, _S_LEADS),
    ]:
        for lead in leads:
            found[f"{name}_amplitude_{lead.lower()}_mv"] = height[ROW[lead]]
    duration = q_duration(qrs) if ecg.in_mv else np.full(12, np.nan)
    for lead in _Q_DURATION_LEADS:
        found[f"q_duration_{lead.lower()}_ms"] = duration[ROW[lead]]
    return found


def repolarisation(ecg):
    """ST level and T amplitude; amplitude of P and its terminal force."""
    st, t = st_level(ecg), t_amplitude(ecg)
    found = {f"st_level_{lead.lower()}_mv": st[ROW[lead]] for lead in _ST_T_LEADS}
    for lead in _ST_T_LEADS:
        found[f"t_amplitude_{lead.lower()}_mv"] = t[ROW[lead]]
    p = p_wave(ecg)
    terminal = np.minimum(p[ROW["V1"], p.shape[1] // 3 :], 0)
    return {
        **found,
        "p_amplitude_ii_mv": p[ROW["II"]].max(),
        "p_terminal_force_v1_mv_ms": -_MS * terminal.sum(),
    }


def conduction(ecg):
    """R-peak times, notches, and likeness to the bundle branch blocks."""
    qrs = qrs_wave(ecg)
    forward = qrs[[ROW["I"], ROW["V5"], ROW["V6"]]].mean(axis=0) - qrs[ROW["V1"]]
    forward = forward / np.abs(forward).max() * _MS * len(forward) / 100
    return {
        "r_peak_time_v5_ms": _r_peak_time(qrs[ROW["V5"]]),
        "r_peak_time_v6_ms": _r_peak_time(qrs[ROW["V6"]]),
        "qrs_fragmentation_ratio": _path(qrs),
        "lbbb_score": forward[len(forward) // 3 :].mean(),
        "rbbb_score": -forward[-len(forward) // 3 :].mean(),
    }


def shape(ecg):
    """Residuals of QRS and T beyond three dimensions, flatness of loops, and noise."""
    qrs = _singular_values(qrs_wave(ecg))
    t = _singular_values(t_wave(ecg))
    both = _singular_values(np.concatenate([qrs_wave(ecg), t_wave(ecg)], axis=1))
    return {
        "nondipolar_voltage_mv": np.sqrt((both[3:] ** 2).sum()),
        "qrs_singular_ratio_2": qrs[1] / qrs[0],
        "qrs_singular_ratio_3": qrs[2] / qrs[0],
        "t_complexity_ratio": t[1] / t[0],
        "noise_mv": np.nanmedian(ecg.noise),
        "signal_quality_ratio": quality_score(ecg),
    }


def qrs_wave(ecg):
    """The QRS (12, n) in mV above its onset."""
    return ecg.beat[:, int(ecg.at.qrs_onset) : int(ecg.at.qrs_offset) + 1]


def t_wave(ecg):
    """The T wave (12, n) in mV above the onset of the QRS, from J + 40 ms on."""
    if not np.isfinite(ecg.at.t_offset):
        return np.full((12, 2), np.nan)
    return ecg.beat[:, int(ecg.at.qrs_offset) + 20 : int(ecg.at.t_offset)]


def p_wave(ecg):
    """The P wave (12, n) in mV above the line from its onset to its offset."""
    if not np.isfinite(ecg.at.p_onset):
        return np.full((12, 2), np.nan)
    p = ecg.beat[:, int(ecg.at.p_onset) : int(ecg.at.p_offset) + 1]
    return p - np.linspace(p[:, 0], p[:, -1], p.shape[1], axis=1)


def st_level(ecg):
    """The ST segment (12,) in mV, 60 ms after the end of the QRS."""
    return ecg.beat[:, int(ecg.at.qrs_offset) + 29 : int(ecg.at.qrs_offset) + 32].mean(
        axis=1
    )


def t_amplitude(ecg):
    """The largest deflection (12,) in mV of the T wave, with its sign."""
    t = t_wave(ecg)
    return np.where(t.max(axis=1) + t.min(axis=1) >= 0, t.max(axis=1), t.min(axis=1))


def deflections(qrs):
    """Amplitudes (12,) in mV, none below 0, of Q, R and S.

    S is the deepest point of the QRS, so a QS counts as S. Q is the part below zero
    before the QRS first rises to a tenth of its height.
    """
    r, s = np.maximum(qrs.max(axis=1), 0), np.maximum(-qrs.min(axis=1), 0)
    before = _before_r(qrs)
    q = np.maximum(np.where(before, -qrs, 0 * qrs).max(axis=1), 0)
    return np.where(before.all(axis=1), 0 * q, q), r, s


def q_duration(qrs):
    """Time (12,) in ms that Q, or QS, lies more than 0.03 mV below the onset."""
    deep = (_before_r(qrs) & (qrs < -0.03)).sum(axis=1)
    return _MS * np.where(np.isnan(qrs[:, 0]), np.nan, deep)


def _before_r(qrs):
    """Samples (12, n) before the QRS of a lead first rises to a tenth of its height."""
    height = np.maximum(qrs.max(axis=1), 0) - np.minimum(qrs.min(axis=1), 0)
    return np.cumsum(qrs > 0.1 * height[:, None], axis=1) == 0


def frontal_angle(area):
    """Angle in radians in the frontal plane, of areas (12,) in I and aVF."""
    return np.arctan2(2 / np.sqrt(3) * area[ROW["aVF"]], area[ROW["I"]])


def _transition(r, s):
    """Number of the chest lead, interpolated, at which R grows larger than S."""
    share = (r - s) / np.maximum(r + s, 1e-6)
    if not np.isfinite(share).all():
        return np.nan
    if share[0] > 0 or not (share > 0).any():
        return 0.5 if share[0] > 0 else 6.5
    after = int((share > 0).argmax())
    return after + share[after - 1] / (share[after - 1] - share[after])


def _r_peak_time(qrs):
    """Time in ms from the onset of the QRS in one lead to the peak of its R wave."""
    return _MS * qrs.argmax() if np.isfinite(qrs).all() else np.nan


def _path(qrs):
    """Way up and down in a lead over that without notches, mean of the leads."""
    way = np.abs(np.diff(qrs, axis=1)).sum(axis=1)
    plain = 2 * (np.maximum(qrs.max(axis=1), 0) - np.minimum(qrs.min(axis=1), 0))
    return _mean((way / plain)[np.isfinite(way)])


def _singular_values(wave):
    """Singular values (8,) of the independent leads, root mean square in mV."""
    wave = wave[_INDEPENDENT]
    if not np.isfinite(wave).all():
        return np.full(8, np.nan)
    values = np.linalg.eigvalsh(wave @ wave.T / wave.size)[::-1]
    return np.sqrt(np.maximum(values, 0))


def _mean(values):
    """Mean, or NaN of nothing."""
    return values.mean() if len(values) else np.nan

"""The fifteen measurements of the Cox model of Chen et al. (2025)."""

import numpy as np

from ._parameters import CHEST, LIMB, parameters, qrs_wave, st_level, t_amplitude

_LATERAL = [0, 1, 4, 8, 9, 10, 11]  # I, II, aVL, V3 to V6

PAPER15 = (
    "heart_rate_bpm",
    "p_duration_above_120",
    "pr_interval_above_200",
    "qrs_duration_above_100",
    "qt_prolonged",
    "p_axis_abnormal",
    "left_axis_deviation",
    "right_axis_deviation",
    "qrs_t_angle_abnormal",
    "rbbb",
    "lbbb",
    "lvh",
    "low_voltage",
    "st_t_abnormal",
    "intrinsicoid_delayed",
)


def _above(limit):
    """Test of a number against a limit."""
    return lambda value: value > limit


def paper15(ecg):
    """The fifteen of Chen et al. (2025): the heart rate, and fourteen flags 0 or 1."""
    found = parameters(ecg)
    p_axis, qrs_axis = (
        np.degrees(np.arctan2(found[f"{wave}_axis_sin"], found[f"{wave}_axis_cos"]))
        for wave in ("p", "qrs")
    )
    wide = found["qrs_duration_ms"] >= 120
    in_mv = 1.0 if ecg.in_mv else np.nan
    span = in_mv * np.ptp(qrs_wave(ecg), axis=1)
    st_t = in_mv * np.minimum(st_level(ecg), t_amplitude(ecg))[_LATERAL]
    checks = {
        "p_duration_above_120": (found["p_duration_ms"], _above(120)),
        "pr_interval_above_200": (found["pr_interval_ms"], _above(200)),
        "qrs_duration_above_100": (found["qrs_duration_ms"], _above(100)),
        "qt_prolonged": (found["qtc_framingham_ms"], _above(460)),
        "p_axis_abnormal": (p_axis, lambda angle: not 0 <= angle <= 75),
        "left_axis_deviation": (qrs_axis, lambda angle: -90 <= angle < -30),
        "right_axis_deviation": (qrs_axis, lambda angle: angle > 90 or angle < -90),
        "qrs_t_angle_abnormal": (found["qrs_t_angle_frontal_deg"], _above(90)),
        "rbbb": (found["rbbb_score"], lambda score: wide and score > 0.2),
        "lbbb": (found["lbbb_score"], lambda score: wide and score > 0.5),
        "lvh": (
            np.fmax(found["sokolow_lyon_mv"] / 3.5, found["cornell_voltage_mv"] / 2.8),
            _above(1),
        ),
        "low_voltage": (
            np.fmin(span[LIMB].max() / 0.5, span[CHEST].max() / 1.0),
            lambda voltage: voltage < 1,
        ),
        "st_t_abnormal": (-np.fmin.reduce(st_t), _above(0.1)),
        "intrinsicoid_delayed": (
            np.fmax(found["r_peak_time_v5_ms"], found["r_peak_time_v6_ms"]),
            _above(50),
        ),
    }
    flags = {
        name: np.nan if np.isnan(value) else float(holds(value))
        for name, (value, holds) in checks.items()
    }
    return {"heart_rate_bpm": found["heart_rate_bpm"], **flags}

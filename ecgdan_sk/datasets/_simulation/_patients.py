"""Patients of a simulated cohort: age, sex, diseases and their variation."""

import numpy as np
import pandas as pd
from scipy.special import expit

# Logit of each condition at 60 years in a woman, its slope per 15 years of age, and
# what being a man adds; about the frequencies of a cardiology department.
_PREVALENCE = {
    "paced": (-4.3, 0.8, 0.3),
    "atrial_fibrillation": (-3.0, 0.9, 0.3),
    "lbbb": (-3.8, 0.5, 0.1),
    "rbbb": (-3.5, 0.5, 0.5),
    "av_block_1": (-3.0, 0.6, 0.4),
    "inferior_infarction": (-3.2, 0.4, 0.8),
    "anterior_infarction": (-3.3, 0.4, 0.7),
    "lvh": (-2.4, 0.4, 0.2),
    "low_voltage": (-3.5, 0.1, -0.2),
    "pvc": (-2.9, 0.4, 0.2),
    "pac": (-3.1, 0.5, 0.0),
}
# A condition (right) cannot be told, or does not occur, beside one on its left.
_EXCLUDED_BY = {
    "paced": tuple(name for name in _PREVALENCE if name != "paced"),
    "atrial_fibrillation": ("av_block_1", "pac"),
    "lbbb": ("rbbb", "inferior_infarction", "anterior_infarction", "lvh"),
    "rbbb": ("lvh", "low_voltage"),
    "inferior_infarction": ("anterior_infarction",),
    "lvh": ("low_voltage",),
    "pvc": ("pac",),
}


def draw_patients(n_samples, rng):
    """One row per patient: covariates, conditions, intended intervals, shapes.

    Intervals are in ms, rates per minute, angles in degrees; the rest are factors.
    """
    patients = pd.DataFrame({"age": rng.normal(60, 15, n_samples).clip(18, 95).round()})
    patients["sex"] = rng.integers(0, 2, n_samples)
    _draw_conditions(patients, rng)
    _draw_intervals(patients, rng)
    _draw_amplitudes(patients, rng)
    _draw_shapes(patients, rng)
    return patients


def _draw_conditions(patients, rng):
    """Boolean columns, by age and sex, without pairs that exclude each other."""
    decades, man = (patients["age"] - 60) / 15, patients["sex"] == 0
    for name, (logit, slope, male) in _PREVALENCE.items():
        chance = expit(logit + slope * decades + male * man)
        patients[name] = rng.random(len(patients)) < chance
    for name, others in _EXCLUDED_BY.items():
        for other in others:
            patients[other] &= ~patients[name]
    patients["strain"] = patients["lvh"] & (rng.random(len(patients)) < 0.6)


def _draw_intervals(patients, rng):
    """Heart rate and the durations of a beat; QT follows the rate as Fridericia's."""
    p, n = patients, len(patients)
    decades = (p["age"] - 60) / 15
    rate = rng.normal(69 + 2 * p["sex"] + 14 * p["atrial_fibrillation"], 11).clip(
        43, 125
    )
    rate = np.where(p["av_block_1"], np.minimum(rate, 92), rate)
    p["heart_rate"] = np.where(p["paced"], rng.choice([60, 65, 70, 75], n), rate)

    normal_pr = rng.normal(158 + 8 * decades - 3 * p["sex"], 17).clip(116, 197)
    slow_pr = 206 + rng.gamma(2.0, 17.0, n).clip(max=120)
    p["pr"] = np.where(p["av_block_1"], slow_pr, normal_pr)
    p["p_duration"] = rng.normal(103 + 4 * decades, 9).clip(80, 132)
    p["p_duration"] = np.minimum(p["p_duration"], p["pr"] - 12)

    narrow = 93 - 6 * p["sex"] + 6 * p["lvh"] + 4 * p["inferior_infarction"]
    narrow = rng.normal(narrow + 4 * p["anterior_infarction"], 7).clip(72, 116)
    mean = np.select([p["paced"], p["lbbb"]], [160, 149], 138)
    broad = rng.normal(mean, 11).clip(123, 190)
    block = p["paced"] | p["lbbb"] | p["rbbb"]
    p["qrs_duration"] = np.where(block, broad, narrow)

    qtc = 404 + 11 * p["sex"] + 5 * decades + 0.4 * (p["qrs_duration"] - 90)
    qtc = rng.normal(qtc, 17).clip(355, 500)
    p["t_peak_to_end"] = rng.normal(82, 6, n).clip(70, 98)
    # T needs 70 ms to rise after J + 60 ms, at any rate.
    shortest = p["qrs_duration"] + 60 + 70 + p["t_peak_to_end"]
    p["qt"] = np.maximum(qtc * np.cbrt(60 / p["heart_rate"]), shortest)


def _draw_amplitudes(patients, rng):
    """Voltages, as factors of a typical heart's, and turns of the heart's axes."""
    p, n = patients, len(patients)
    decades = (p["age"] - 60) / 15
    voltage = np.exp(rng.normal(0.03 - 0.10 * p["sex"], 0.17, n))
    voltage *= np.select([p["lvh"], p["low_voltage"]], [1.75, 0.38], 1.0)
    p["voltage"] = np.where(p["low_voltage"], voltage.clip(0.28, 0.46), voltage)
    p["p_voltage"] = np.exp(rng.normal(0, 0.2, n))
    t_voltage = np.exp(rng.normal(-0.05 * decades - 0.12 * p["sex"], 0.27))
    p["t_voltage"] = t_voltage.clip(0.5, 2.0)
    p["frontal_turn"] = rng.normal(2 - 10 * decades, 18).clip(-50, 40)
    p["horizontal_turn"] = rng.normal(0, 8, n).clip(-20, 20)
    p["p_turn"] = rng.normal(0, 10, n)
    p["t_turn"] = rng.normal(0, 12, n)
    p["st_level"] = rng.normal(0.01 + 0.015 * (1 - p["sex"]), 0.025)
    p["respiration_rate"] = rng.normal(15, 2.5, n).clip(9, 22)
    p["sinus_arrhythmia"] = 0.022 * np.exp(rng.normal(-0.5 * decades, 0.5))
    p["sinus_arrhythmia"] = p["sinus_arrhythmia"].clip(upper=0.14)


def _draw_shapes(patients, rng):
    """Shapes that leave every interval and amplitude unchanged, independent of them."""
    n = len(patients)
    patients["st_t_doming"] = rng.normal(0, 1, n).clip(-2.2, 2.2)
    patients["qrs_slurring"] = rng.normal(0, 1, n).clip(-2.2, 2.2)
    notched = rng.random(n) < 0.15
    patients["qrs_notching"] = np.where(notched, rng.uniform(0.25, 0.5, n), 0.0)

"""Simulated cohorts of 12-lead ECGs with follow-up and a known true risk."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch, check_random_state
from tqdm.auto import tqdm

from ._beats import PREMATURE_ATRIAL, PREMATURE_VENTRICULAR, draw_beats
from ._follow_up import simulate_follow_up
from ._noise import draw_noise
from ._parameters import true_parameters
from ._patients import draw_patients
from ._phrases import draw_reports
from ._signals import draw_signals, twelve_leads
from ._statements import scp_statements
from ._waves import WAVES, draw_waves

_CONDITIONS = [
    "atrial_fibrillation",
    "paced",
    "lbbb",
    "rbbb",
    "av_block_1",
    "lvh",
    "strain",
    "inferior_infarction",
    "anterior_infarction",
    "low_voltage",
    "pvc",
    "pac",
]
_MORPHOLOGY = ["st_t_doming", "qrs_slurring", "qrs_notching"]

# Centre and spread of each parameter in the population, and its weight.
_PARAMETER_WEIGHTS = {
    "heart_rate_bpm": (71.0, 12.0, 0.50),
    "qrs_duration_ms": (96.0, 18.0, 0.30),
    "qtc_ms": (412.0, 20.0, 0.15),
    "t_amplitude_v5_mv": (0.30, 0.20, -0.60),
    "s_amplitude_v1_mv": (1.0, 0.4, 0.30),
}
_MORPHOLOGY_WEIGHTS = {"st_t_doming": 1.4, "qrs_slurring": 0.3}
# Samples of wave courses laid out at once, which bounds memory.
_VALUES_AT_ONCE = 2_000_000
_RISKS = ("parameters", "morphology", "both")
_DESCR = """Simulated cohort of {n_samples} patients with one 12-lead ECG each.

Nothing in it comes from a person. The ECGs are projections of a moving dipole with
electrode noise; the follow-up is a Weibull proportional-hazards model with a known log
risk (risk="{risk}"). See ecgdan_sk.datasets.make_ecg_cohort for what each field means.
"""


def make_ecg_cohort(
    n_samples,
    *,
    sampling_rate=100,
    duration=10.0,
    event_rate=0.1,
    risk="both",
    noise=1.0,
    random_state=None,
    verbose=0,
):
    """Simulate a cohort of patients, each with one ECG and a follow-up.

    A heartbeat is a dipole in space: waves P, Q, R, S, ST and T, each a smooth course
    in time along a vector. Patients differ in rhythm and conduction (sinus rhythm with
    respiratory variation, atrial fibrillation, premature atrial and ventricular beats,
    bundle branch blocks, first-degree AV block, pacing), in heart (hypertrophy with or
    without strain, old inferior or anterior infarction, low voltage) and, as people do,
    in rate, intervals, axes, amplitudes and shapes, which go with age, sex and
    conditions. Dower's matrix [1]_ projects the dipole to the leads I, II, V1 to V6;
    the four others follow from I and II. Noise enters at the electrodes, so that
    Einthoven's and Goldberger's equations hold with noise too.

    Parameters
    ----------
    n_samples : int
        Number of patients, each with one ECG.
    sampling_rate : float, default=100
        Samples per second, in Hz; at least 100.
    duration : float, default=10.0
        Length of each ECG in s; at least 1.2.
    event_rate : float, default=0.1
        Share of patients whose event is observed, above 0 and at most 1.
    risk : {"parameters", "morphology", "both"}, default="both"
        Source of the log risk. "parameters": it is linear in five columns of
        `parameters` (heart rate, QRS duration, QTc, T amplitude in V5, S amplitude in
        V1), so a Cox model of them is the right model. "morphology": it is linear in
        `st_t_doming` and `qrs_slurring`, two shapes that no interval and no amplitude
        captures, and independent of `parameters`, `covariates` and `conditions`.
        "both": the sum of the two. The C-index of the true log risk is
        about 0.83 for one of them, and 0.89 for both.
    noise : float, default=1.0
        Strength of the noise: 1 is as in clinical practice, 0 is no noise.
    random_state : int, RandomState instance or None, default=None
        Seed; an int gives equal cohorts, bit for bit. Patients and outcomes are the
        same at any sampling rate and noise. Cohorts of different size share no patient.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    cohort : :class:`~sklearn.utils.Bunch`
        X : ndarray of shape (n_samples, 12, n_times), float32
            ECGs in mV, leads in the order of `ecgdan_sk.records.LEADS`.
        y : structured ndarray of shape (n_samples,)
            Fields `event` (bool) and `time` (float64, days), from `simulate_follow_up`.
        log_risk : ndarray of shape (n_samples,)
            True log hazard ratio of each patient.
        parameters : DataFrame of shape (n_samples, 29)
            True values of what is measured on an ECG; see Notes.
        morphology : DataFrame of shape (n_samples, 3)
            `st_t_doming`: T rises early and domed (positive) or late and hollow.
            `qrs_slurring`: the dipole leaves the peak of R late (positive) or early.
            Both are standard normal, cut at 2.2. `qrs_notching`: depth of a notch
            after R as part of R, 0 in most; it carries no risk.
        conditions : DataFrame of shape (n_samples, 12), bool
            Which condition each ECG shows.
        rhythm : ndarray of shape (n_samples,), str
            "sinus", "atrial fibrillation" or "paced".
        covariates : DataFrame of shape (n_samples, 2)
            `age` in years and `sex`, 0 for men and 1 for women as in PTB-XL.
        scp_codes : list of dict
            SCP statements of each ECG with their likelihoods in percent, as in PTB-XL.
        reports : list of str
            Free text that says the same, in English or German.
        report_language : ndarray of shape (n_samples,), str
            "en" or "de".
        sampling_rate : float
            As given, in Hz.
        DESCR : str
            Short description of the cohort.

    Raises
    ------
    TypeError
        If an argument that must be a number is not.
    ValueError
        If an argument is out of its range.

    Notes
    -----
    True values are those of the dominant beat without noise. A wave lasts from where
    its first component rises above 5 per cent of its own peak to where the last falls
    below: `p_duration_ms` from the onset to the offset of P, `pr_interval_ms` from the
    onset of P to that of the QRS, `qrs_duration_ms` to the J point, `qt_interval_ms`
    from the onset of the QRS to the offset of T. `qtc_ms` is Fridericia's.
    `heart_rate_bpm` is 60 over the mean RR interval in s between the first and the last
    QRS onset within the recording, ectopic beats included; with fewer than two, it is
    the patient's own. Axes are those of the net deflections (highest plus lowest point)
    in I and aVF, ``atan2(2 / sqrt(3) * aVF, I)``. `p_amplitude_*` is the highest point
    of P, `r_amplitude_*` that of the QRS, `s_amplitude_*` the depth of the lowest point
    of the QRS as a positive number, `st_level_*` the level 60 ms after J,
    `t_amplitude_*` the signed value at the peak of T; all in mV. What belongs to P is
    NaN in atrial fibrillation and under pacing.

    References
    ----------
    .. [1] Dower GE, Machado HB, Osborne JA. On deriving the electrocardiogram from
       vectorcardiographic leads. Clinical Cardiology 3:87-95 (1980).

    Examples
    --------
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(50, risk="morphology", random_state=0)
    >>> cohort.X.shape
    (50, 12, 1000)
    >>> int(cohort.y["event"].sum())
    5
    """
    _check_arguments(n_samples, sampling_rate, duration, event_rate, risk, noise)
    random_state = check_random_state(random_state)
    rng = np.random.default_rng(random_state.randint(np.iinfo(np.int32).max, size=4))
    patients = draw_patients(n_samples, rng)
    X, parameters = _record(patients, sampling_rate, duration, noise, rng, verbose)
    log_risk = _log_risk(parameters, patients, risk)
    y = simulate_follow_up(log_risk, event_rate=event_rate, random_state=random_state)
    scp_codes = scp_statements(patients, parameters, rng)
    reports, report_language = draw_reports(scp_codes, parameters, rng)
    return Bunch(
        X=X,
        y=y,
        log_risk=log_risk,
        parameters=parameters,
        morphology=patients[_MORPHOLOGY].copy(),
        conditions=patients[_CONDITIONS].copy(),
        rhythm=np.select(
            [patients["paced"], patients["atrial_fibrillation"]],
            ["paced", "atrial fibrillation"],
            "sinus",
        ),
        covariates=patients[["age", "sex"]].copy(),
        scp_codes=scp_codes,
        reports=reports,
        report_language=report_language,
        sampling_rate=sampling_rate,
        DESCR=_DESCR.format(n_samples=n_samples, risk=risk),
    )


def _record(patients, sampling_rate, duration, noise, rng, verbose):
    """ECGs of all patients and the true values of their parameters.

    Ectopic beats that fall outside of a recording are taken from `patients`.
    """
    heart_rng, signal_rng, noise_rng = rng.spawn(3)
    waves = draw_waves(patients, heart_rng)
    times, kinds, sizes = draw_beats(patients, duration, heart_rng)
    inside = (times >= 0) & (times < duration)
    for name, kind in [("pac", PREMATURE_ATRIAL), ("pvc", PREMATURE_VENTRICULAR)]:
        patients[name] = ((kinds == kind) & inside).any(axis=1)

    n_times = round(duration * sampling_rate)
    X = np.empty((len(patients), 12, n_times), dtype=np.float32)
    parameters = []
    size = max(1, _VALUES_AT_ONCE // (len(WAVES) * n_times))
    starts = range(0, len(patients), size)
    for start in tqdm(starts, "Simulating", disable=not verbose, unit="part"):
        chunk = slice(start, start + size)
        some, beats = patients.iloc[chunk], (times[chunk], kinds[chunk], sizes[chunk])
        signals = draw_signals(
            some, waves[chunk], beats, n_times, sampling_rate, signal_rng
        )
        if noise > 0:
            added = draw_noise(some, n_times, sampling_rate, noise_rng)
            signals += np.float32(noise) * added
        X[chunk] = twelve_leads(signals)
        parameters.append(true_parameters(some, waves[chunk], times[chunk], duration))
    return X, pd.concat(parameters, ignore_index=True)


def _log_risk(parameters, patients, risk):
    """Log risk of each patient, from the parameters and shapes that carry it."""
    by_parameters = sum(
        weight * (parameters[name] - centre) / spread
        for name, (centre, spread, weight) in _PARAMETER_WEIGHTS.items()
    ).to_numpy()
    by_morphology = sum(
        weight * patients[name] for name, weight in _MORPHOLOGY_WEIGHTS.items()
    ).to_numpy()
    if risk == "both":
        return by_parameters + by_morphology
    return by_parameters if risk == "parameters" else by_morphology


def _check_arguments(n_samples, sampling_rate, duration, event_rate, risk, noise):
    """Raise unless every argument has its type and lies in its range."""
    if not isinstance(n_samples, Integral) or isinstance(n_samples, bool):
        raise TypeError(f"n_samples must be an integer, got {n_samples!r}.")
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}.")
    for name, value, unit, low, reason in [
        ("sampling_rate", sampling_rate, " Hz", 100, "a QRS needs several samples"),
        ("duration", duration, " s", 1.2, "a recording shows at least one beat"),
        ("noise", noise, "", 0, "1 is the noise of clinical practice, 0 none"),
        ("event_rate", event_rate, "", 0, "it is a share of the patients"),
    ]:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name} must be a number, got {value!r}.")
        if not low <= value < np.inf:
            raise ValueError(
                f"{name} must be finite and at least {low}{unit}, as {reason}; "
                f"got {value!r}."
            )
    if not 0 < event_rate <= 1:
        raise ValueError(
            f"event_rate must be above 0 and at most 1, got {event_rate!r}."
        )
    if risk not in _RISKS:
        raise ValueError(f"risk must be one of {', '.join(_RISKS)}, got {risk!r}.")

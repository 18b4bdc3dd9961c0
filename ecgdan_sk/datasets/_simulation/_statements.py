"""SCP statements that a cardiologist would make on a simulated ECG."""

import numpy as np

# Shapes beyond this are seen by an eye, which mentions them in some of the ECGs only.
_VISIBLE, _MENTIONED = 1.2, 0.65


def scp_statements(patients, parameters, rng):
    """One dict per ECG, SCP code -> likelihood in percent, as PTB-XL writes them.

    Statements on form and rhythm carry the likelihood 0.0: none was given.
    """
    form, rhythm = _form(patients, parameters, rng), _rhythm(patients, parameters)
    diagnoses = _diagnoses(patients, parameters, rng)
    normal = ~np.any([present for present, _ in diagnoses.values()], axis=0)
    normal &= ~np.any(
        [form[code] for code in form if code not in ("PVC", "PAC")], axis=0
    )
    normal &= ~(rhythm["PACE"] | rhythm["AFIB"])
    sure = rng.choice([100.0, 100.0, 100.0, 80.0], len(patients))
    diagnoses = {"NORM": (normal, sure), **diagnoses}
    return [
        {
            code: float(sure[i])
            for code, (present, sure) in diagnoses.items()
            if present[i]
        }
        | {code: 0.0 for code, present in (form | rhythm).items() if present[i]}
        for i in range(len(patients))
    ]


def _diagnoses(patients, parameters, rng):
    """Presence and likelihood of each diagnostic statement."""
    n_samples = len(patients)
    certain = np.full(n_samples, 100.0)
    doubtful = rng.choice([100.0, 80.0, 50.0], n_samples, p=[0.6, 0.2, 0.2])
    septal = rng.random(n_samples) < 0.5
    man = patients["sex"] == 0
    narrow = parameters["qrs_duration_ms"] < 120
    domed = patients["st_t_doming"] > _VISIBLE
    discordant = patients[["paced", "lbbb", "strain"]].any(axis=1)
    found = {
        "IMI": (patients["inferior_infarction"], doubtful),
        "AMI": (patients["anterior_infarction"] & ~septal, doubtful),
        "ASMI": (patients["anterior_infarction"] & septal, doubtful),
        "CLBBB": (patients["lbbb"], certain),
        "CRBBB": (patients["rbbb"], certain),
        "1AVB": (patients["av_block_1"], certain),
        "LAFB": (
            narrow
            & (parameters["qrs_axis_deg"].between(-90, -45))
            & ~patients["inferior_infarction"],
            certain,
        ),
        "LVH": (patients["lvh"], np.where(_sokolow(parameters) > 3.5, 100.0, 50.0)),
        "LNGQT": (narrow & (parameters["qtc_ms"] > np.where(man, 470, 480)), certain),
        "NST_": (domed & ~discordant & _mentioned(n_samples, rng), certain),
    }
    return {code: (np.asarray(there), sure) for code, (there, sure) in found.items()}


def _form(patients, parameters, rng):
    """Presence of each statement on the form of the waves and on ectopic beats."""
    n_samples = len(patients)
    infarction = patients["inferior_infarction"] | patients["anterior_infarction"]
    narrow = parameters["qrs_duration_ms"] < 120
    odd_qrs = (patients["qrs_slurring"] > _VISIBLE) | (patients["qrs_notching"] > 0.35)
    high = patients["lvh"] & (_sokolow(parameters) > 3.5)
    flat = (
        parameters[["t_amplitude_v5_mv", "t_amplitude_ii_mv"]].abs().max(axis=1) < 0.1
    )
    found = {
        "ABQRS": odd_qrs & narrow & _mentioned(n_samples, rng),
        "QWAVE": infarction & _mentioned(n_samples, rng),
        "VCLVH": high,
        "LVOLT": patients["low_voltage"],
        "STD_": patients["strain"],
        "INVT": patients["strain"] | (infarction & _mentioned(n_samples, rng)),
        "LOWT": flat & narrow,
        "PVC": patients["pvc"],
        "PAC": patients["pac"],
    }
    return {code: np.asarray(there) for code, there in found.items()}


def _rhythm(patients, parameters):
    """Presence of each rhythm; every ECG has one."""
    rate = parameters["heart_rate_bpm"].to_numpy()
    paced, fibrillating = (
        patients[name].to_numpy() for name in ("paced", "atrial_fibrillation")
    )
    arrhythmic = (patients["sinus_arrhythmia"] > 0.07).to_numpy()
    named = np.select(
        [paced, fibrillating, rate < 55, rate > 100, arrhythmic],
        ["PACE", "AFIB", "SBRAD", "STACH", "SARRH"],
        "SR",
    )
    return {
        code: named == code
        for code in ("SR", "SBRAD", "STACH", "SARRH", "AFIB", "PACE")
    }


def _sokolow(parameters):
    """Sokolow and Lyon's voltage (1949) in mV."""
    lateral = parameters[["r_amplitude_v5_mv", "r_amplitude_v6_mv"]].max(axis=1)
    return parameters["s_amplitude_v1_mv"] + lateral


def _mentioned(n_samples, rng):
    """Whether the reader troubles to mention a minor finding."""
    return rng.random(n_samples) < _MENTIONED

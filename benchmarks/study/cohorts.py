"""The cohorts of the study: simulated ones, and real ones converted once."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from sksurv.util import Surv

from ecgdan_sk.datasets import make_ecg_cohort, simulate_follow_up
from ecgdan_sk.records import ECGRecords

RATE = 100  # Hz, of all cohorts
YEAR = 365.25  # days
MONTH = YEAR / 12
PRETRAINING_SEED = 1_000_000  # far from those of the draws

# Log hazard per unit after centring: what the simulated risk is made of.
_BY_PARAMETERS = {
    "heart_rate_bpm": (71.0, 12.0, 0.35),
    "qrs_duration_ms": (96.0, 18.0, 0.25),
    "t_amplitude_v5_mv": (0.30, 0.20, -0.35),
}
_BY_MORPHOLOGY = {"st_t_doming": 0.7, "qrs_slurring": 0.3}
_BY_RHYTHM = {"atrial_fibrillation": 1.0, "pvc": 0.8}
_BY_LABELS = {"MI": 0.5, "STTC": 0.5, "CD": 0.3, "HYP": 0.5}


@dataclass
class Draw:
    """ECGs with an outcome, and the true log risk where it is simulated."""

    X: ECGRecords
    y: np.ndarray
    log_risk: np.ndarray | None = None

    def groups(self, rows):
        """Patients of some ECGs, None where each ECG is a patient."""
        return None if self.X.patient_ids is None else self.X.patient_ids[rows]


@dataclass(frozen=True)
class SimulatedCohort:
    """A cohort of the size of a published one, with new patients in each draw.

    Times in days; follow-up of 53 months in the median, in whole months if asked.
    """

    name: str
    n_samples: int
    event_rate: float
    whole_months: bool
    n_draws: int
    duration: float
    n_pretraining: int
    pretrain_on: str | None = None
    kind = "SIMULATED ECGs with SIMULATED follow-up; each draw has new patients"
    has_reports = False
    pretrains = True

    def draw(self, i):
        """Patients of one draw, with their outcomes."""
        cohort = self._patients(self.n_samples, i)
        log_risk = simulated_log_risk(cohort)
        y = simulate_follow_up(
            log_risk,
            event_rate=self.event_rate,
            longest_follow_up=72 * MONTH,
            dropout_rate=0.01,
            random_state=i,
        )
        if self.whole_months:
            y = Surv.from_arrays(y["event"], np.ceil(y["time"] / MONTH) * MONTH)
        return Draw(_records(cohort), y, log_risk)

    def pretraining_set(self):
        """ECGs of other patients, with their SCP statements."""
        if self.pretrain_on is not None:
            return _with_reports(self.pretrain_on)
        cohort = self._patients(self.n_pretraining, PRETRAINING_SEED)
        return _records(cohort), cohort.scp_codes

    def _patients(self, n_samples, seed):
        return make_ecg_cohort(
            n_samples, sampling_rate=RATE, duration=self.duration, random_state=seed
        )


@dataclass(frozen=True)
class StoredCohort:
    """Real ECGs converted to a folder, whose outcome is real or drawn anew.

    `event_rate` is the share of simulated events, None for a real outcome.
    `pretrain_on` is the folder of another cohort whose reports pretrain the encoders.
    """

    name: str
    folder: str
    n_draws: int = 1
    event_rate: float | None = None
    pretrain_on: str | None = None

    @property
    def kind(self):
        """Real and simulated parts of the cohort."""
        if self.event_rate is None:
            return "real ECGs with real follow-up"
        return (
            "real ECGs with SIMULATED follow-up (age, sex and physicians' labels drive "
            "the hazard); draws share the patients and differ in the outcomes"
        )

    @property
    def has_reports(self):
        """Whether the encoders are pretrained on the training folds."""
        return self.pretrain_on is None and self._reports.exists()

    @property
    def pretrains(self):
        """Whether there are reports at all."""
        return self.pretrain_on is not None or self._reports.exists()

    def draw(self, i):
        """All patients, with their outcome or the i-th simulated one."""
        X = ECGRecords.open(Path(self.folder, "ecgs"))
        stored = np.load(Path(self.folder, "outcome.npz"))
        if self.event_rate is None:
            return Draw(X, Surv.from_arrays(stored["event"], stored["time"]))
        log_risk = stored["log_risk"]
        y = simulate_follow_up(log_risk, event_rate=self.event_rate, random_state=i)
        return Draw(X, y, log_risk)

    def pretraining_set(self):
        """ECGs with reports: of the other cohort, or all of this one's."""
        return _with_reports(self.pretrain_on or self.folder)

    @property
    def _reports(self):
        return Path(self.folder, "reports.json")


@lru_cache(maxsize=1)
def draw_of(cohort, i):
    """The i-th draw, kept in this process until another is asked for."""
    return cohort.draw(i)


@lru_cache(maxsize=1)
def pretraining_set_of(cohort):
    """ECGs and reports for pretraining, kept in this process."""
    return cohort.pretraining_set()


def simulated_log_risk(cohort):
    """Log risk of simulated patients: parameters, morphology, rhythm, age and sex."""
    table, age = cohort.parameters, cohort.covariates["age"]
    parts = [
        weight * (table[name] - centre) / spread
        for name, (centre, spread, weight) in _BY_PARAMETERS.items()
    ]
    parts += [w * cohort.morphology[name] for name, w in _BY_MORPHOLOGY.items()]
    parts += [w * cohort.conditions[name] for name, w in _BY_RHYTHM.items()]
    parts += [0.4 * (age - 60) / 12, -0.3 * cohort.covariates["sex"]]
    return np.asarray(sum(parts), dtype=np.float64)


def labelled_log_risk(covariates, superclasses, scp_codes):
    """Log risk of real patients whose follow-up is simulated, from their labels."""
    risk = 0.045 * (covariates["age"].to_numpy() - 60) - 0.3 * covariates["sex"]
    for name, weight in _BY_LABELS.items():
        risk = risk + weight * superclasses[name].to_numpy()
    fibrillates = np.array(["AFIB" in codes for codes in scp_codes])
    return np.asarray(risk, dtype=np.float64) + 0.7 * fibrillates


def simulated_cohort(name, scale, pretrain_on=None):
    """The MI-like or the HYP-like cohort, as large as a scale wants it."""
    n_samples, event_rate = {"mi-like": (800, 0.04), "hyp-like": (11_575, 0.014)}[name]
    return SimulatedCohort(
        name,
        scale.n_samples or n_samples,
        scale.event_rate or event_rate,
        name == "mi-like",
        scale.n_draws,
        scale.duration,
        scale.n_pretraining,
        pretrain_on,
    )


def _with_reports(folder):
    """ECGs of a converted cohort, with their reports."""
    reports = json.loads(Path(folder, "reports.json").read_text("utf-8"))
    return ECGRecords.open(Path(folder, "ecgs")), reports


def _records(cohort):
    return ECGRecords(cohort.X, RATE, covariates=cohort.covariates)

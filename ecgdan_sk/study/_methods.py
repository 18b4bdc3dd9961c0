"""Models of a study, with their inputs."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..baselines import PreventHF, cox_measurements
from ..survival import DualAttentionSurvival

NETWORK = "network"
_PREVENT = ("age", "sex", "systolic_bp", "bmi", "egfr")
_PREVENT += ("diabetes", "smoking", "bp_treated")
# On features that stay, the head is known at once: a ridge Cox model of them.
_HEAD_ALONE = {"freeze_encoder": True, "n_members": 1, "max_epochs": 1}
NETWORKS = {"frozen": _HEAD_ALONE, "trained": {}}


@dataclass(frozen=True)
class Method:
    """A model of the study: its name in tables, its input and its constructor."""

    label: str
    source: str
    make: Callable


class Prevent:
    """PREVENT equation as a model without a fit."""

    def fit(self, X, y):
        """Learn nothing."""
        return self

    def predict(self, X):
        """Log odds of heart failure within ten years; NaN outside of its range."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Of .* people")
            return PreventHF(outside="nan").predict(X)

    def predict_risk(self, X, time):
        """Probability by ten years, NaN at other times."""
        if abs(time - 3652.5) > 7:
            return np.full(len(X), np.nan)
        return 1 / (1 + np.exp(-self.predict(X)))


def methods_for(covariates, network, encoder, random_state):
    """Methods by name, as far as the covariates (or None) allow them."""

    def make_network():
        return DualAttentionSurvival(
            pretrained=encoder, random_state=random_state, **NETWORKS[network]
        )

    found = {
        NETWORK: Method("Network on raw ECGs", "ecgs", make_network),
        "measurements": Method(
            "Cox model of ECG measurements", "measurements", _cox(random_state)
        ),
    }
    columns = known_of(covariates, ("age", "sex"))
    if columns:
        label = f"Cox model of {' and '.join(columns)}"
        found["age_sex"] = Method(label, "age_sex", _cox(random_state))
    if len(known_of(covariates, _PREVENT)) == len(_PREVENT):
        found["prevent"] = Method("PREVENT equation (HF)", "prevent", Prevent)
    return found


def prevent_columns(covariates):
    """The covariates that the PREVENT equation reads."""
    return covariates[list(_PREVENT)]


def known_of(covariates, names):
    """Columns that hold at least some numbers."""
    if covariates is None:
        return []
    return [
        name
        for name in names
        if name in covariates
        and covariates[name].dtype.kind in "biuf"
        and covariates[name].notna().any()
    ]


def _cox(random_state):
    """Ridge Cox model of a table, that is, the steps after measuring."""
    return lambda: cox_measurements(random_state=random_state)[1:]

"""Reference models for the network, as pipelines over the same ECGs."""

from ._covariates import Covariates
from ._penalised_cox import PenalisedCox
from ._pipelines import (
    cox_covariates,
    cox_embedding,
    cox_measurements,
    cox_paper15,
    cox_random_convolutions,
    gradient_boosting,
    survival_forest,
)
from ._prevent import PreventHF
from ._random_convolutions import RandomConvolutions

__all__ = [
    "Covariates",
    "PenalisedCox",
    "PreventHF",
    "RandomConvolutions",
    "cox_covariates",
    "cox_embedding",
    "cox_measurements",
    "cox_paper15",
    "cox_random_convolutions",
    "gradient_boosting",
    "survival_forest",
]

"""Validation of a fitted model: at another site, in subgroups, with enough patients."""

from . import sample_size
from ._age import AgeDependence, age_dependence
from ._incremental import IncrementalValue, incremental_value
from ._model_card import model_card
from ._robustness import Robustness, robustness
from ._subgroups import Subgroups, subgroups
from ._validate import ValidationReport, validate

__all__ = [
    "AgeDependence",
    "IncrementalValue",
    "Robustness",
    "Subgroups",
    "ValidationReport",
    "age_dependence",
    "incremental_value",
    "model_card",
    "robustness",
    "sample_size",
    "subgroups",
    "validate",
]

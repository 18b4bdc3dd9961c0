"""All about y: whatever a user has becomes causes and times in days here."""

from ._checks import (
    Outcome,
    as_target,
    check_causes,
    check_entry,
    check_known_causes,
    check_outcome,
    check_same_length,
    check_strata,
    check_survival,
    check_weight,
    counted,
    time_told,
    unit_told,
)

__all__ = [
    "Outcome",
    "as_target",
    "check_causes",
    "check_entry",
    "check_known_causes",
    "check_outcome",
    "check_same_length",
    "check_strata",
    "check_survival",
    "check_weight",
    "counted",
    "time_told",
    "unit_told",
]

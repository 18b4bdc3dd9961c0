"""Heart failure, death and last contact of the patients of MIMIC-IV."""

from pathlib import Path

import pandas as pd

from ._phenotypes import is_code_of
from ._published_tables import as_dates, check_distinct, read_table

_SOURCE = "https://physionet.org/content/mimiciv/"
_TYPES = {
    "patients": {
        "subject_id": "int64",
        "gender": "string",
        "anchor_age": "float64",
        "anchor_year": "float64",
        "dod": "string",
    },
    "admissions": {
        "subject_id": "int64",
        "hadm_id": "int64",
        "admittime": "string",
        "dischtime": "string",
        "deathtime": "string",
    },
    "diagnoses_icd": {
        "hadm_id": "int64",
        "icd_code": "category",
        "icd_version": "int64",
    },
}
# MIMIC-IV has the deaths of a year after the last discharge.
_KNOWN_ALIVE = pd.Timedelta(days=365)
_DAY = pd.Timedelta(days=1)


def hospital_history(hosp):
    """Facts on each patient in the hospital data, by subject_id.

    Columns: `gender`, `anchor_age`, `anchor_year`, and as datetimes `heart_failure`
    (the first admission with a heart-failure code), `death` and `known_until`.
    """
    hosp = Path(hosp)
    patients, admissions, diagnoses = (_read(hosp, name) for name in _TYPES)
    for column in ("admittime", "dischtime", "deathtime"):
        admissions[column] = as_dates(admissions[column], f"{column} of admissions")
    failing = _heart_failure_stays(diagnoses)
    stays = admissions.groupby("subject_id")
    check_distinct(patients["subject_id"], "values of subject_id in patients")
    history = patients.set_index("subject_id")
    in_failure = admissions[admissions["hadm_id"].isin(failing)].groupby("subject_id")
    history["heart_failure"] = in_failure["admittime"].min()
    # A date without a time of day is over at its end.
    outside = as_dates(history.pop("dod"), "dod of patients") + _DAY
    inside = stays["deathtime"].min().reindex(history.index)
    history["death"] = inside.where(inside.notna(), outside)
    history["known_until"] = stays["dischtime"].max() + _KNOWN_ALIVE
    return history


def _read(hosp, name):
    """A table of the hospital, compressed as it is shipped or not."""
    path = hosp / f"{name}.csv.gz"
    if not path.is_file() and (hosp / f"{name}.csv").is_file():
        path = hosp / f"{name}.csv"
    return read_table(path, _TYPES[name], _SOURCE)


def _heart_failure_stays(diagnoses):
    """Hospital stays with a heart-failure code, of ICD-10-CM or ICD-9-CM."""
    found = []
    for version, coding in [(10, "ICD10CM"), (9, "ICD9CM")]:
        of_version = diagnoses[diagnoses["icd_version"] == version]
        matches = is_code_of(of_version["icd_code"], "heart-failure", coding)
        found.append(of_version.loc[matches, "hadm_id"])
    return pd.concat(found).unique()

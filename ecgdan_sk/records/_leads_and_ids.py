"""Checks on leads, sampling rate, rows and identifiers of ECGRecords."""

import re
from collections.abc import Mapping
from numbers import Real

import numpy as np
import pandas as pd

from .._warnings import warn

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

_OTHERS = (*"XYZ", "V7", "V8", "V9", *(f"V{i}R" for i in range(1, 10)))
_WRITTEN = {lead.upper(): lead for lead in LEADS + _OTHERS}
# Limb leads of electrodes on the trunk, as recorders carried by patients have them.
_WRITTEN |= {f"ML{lead}": lead for lead in LEADS[:3]}
_PREFIX = re.compile(
    r"^(mdc_ecg_lead_|(lead|ableitung|ecg|ekg)[\s_:-]+)+", re.IGNORECASE
)


_FASTEST = 1e6  # Hz, above every recorder


def lead_name(text):
    """A lead as `LEADS` writes it, whatever case and prefix it comes with.

    The one place where a name becomes a name: "AVR", "avr" and "Lead aVR" are aVR, and
    "MLII" is II. One that is not known stays as it is, without its prefix.
    """
    name = _PREFIX.sub("", str(text).strip())
    return _WRITTEN.get(name.upper(), name)


def is_known(lead):
    """Whether a name, as `lead_name` writes it, is that of a lead."""
    return lead in _WRITTEN.values()


def lead_names(leads):
    """Normalised names of several leads."""
    if isinstance(leads, str):
        raise ValueError(
            f"Expected a sequence of lead names, got the text {leads!r}. Write "
            f"[{leads!r}] for one lead."
        )
    return tuple(lead_name(lead) for lead in leads)


def checked_rate(sampling_rate):
    """Sampling rate as a positive number of Hz, or None."""
    if sampling_rate is None:
        return None
    is_number = isinstance(sampling_rate, Real) and not isinstance(sampling_rate, bool)
    if not (is_number and 0 < sampling_rate <= _FASTEST):
        raise ValueError(
            f"Expected a positive sampling rate in Hz, up to {_FASTEST:g}, got "
            f"{sampling_rate!r}. Leave it None where it is unknown."
        )
    return float(sampling_rate)


def checked_leads(leads, n_leads):
    """Distinct names, one for each lead of the signals."""
    if leads is None and n_leads != len(LEADS):
        raise ValueError(
            f"X has {n_leads} leads without names; an array is expected to hold the "
            f"twelve leads {', '.join(LEADS)} on its second axis. Name other leads "
            "with ECGRecords(X, sampling_rate=..., leads=[...])."
        )
    leads = LEADS if leads is None else lead_names(leads)
    if len(leads) != n_leads or len(set(leads)) != n_leads:
        raise ValueError(
            f"Expected {n_leads} distinct lead names, one for each lead of the "
            f"signals, got {len(leads)}: {', '.join(leads)}."
        )
    return leads


def warn_of_missing(leads, expected):
    """Warn of leads that `fit` knew and that no recording has by name."""
    missing = [lead for lead in lead_names(expected) if lead not in leads]
    if missing and len(missing) < len(expected):
        warn(
            f"X has no lead {', '.join(missing)}, which the model was fitted with: "
            f"they count as absent in every recording. X has {', '.join(leads)}. If "
            "these leads have other names in X, name them with ECGRecords(X, "
            "sampling_rate=..., leads=[...]). If they were not recorded, "
            "X.select_leads(model.leads_in_) avoids this warning.",
        )


def aligned(values, n_samples, name, ids=None):
    """`values` with one row per recording; pandas objects in the order of `ids`."""
    if values is not None and len(values) != n_samples:
        raise ValueError(
            f"{name} has {len(values)} rows, but there are {n_samples} recordings; "
            "give one row for each recording, in the same order."
        )
    if ids is None or not isinstance(values, pd.Series | pd.DataFrame):
        return values
    ids, index = pd.Index(ids), values.index
    if index.equals(ids):
        return values
    is_numbered = isinstance(index, pd.RangeIndex)
    same_labels = index.is_unique and index.isin(ids).all() and ids.isin(index).all()
    if same_labels and not is_numbered:
        return values.iloc[index.get_indexer(ids)]
    if not same_labels and index.equals(pd.RangeIndex(n_samples)):
        return values
    plain = "reset_index(drop=True)" if values.ndim == 2 else "to_numpy()"
    raise ValueError(
        f"{name} is labelled {first_ten(index[:3])}, ..., but the recordings have the "
        f"ids {first_ten(ids[:3])}, ..., so the order of its rows is unclear. Index "
        f"{name} by the ids (set_index), or pass {name}.{plain} if its rows are in "
        "the order of the recordings."
    )


def as_table(covariates):
    """Covariates as a DataFrame, from a mapping or a table; or None."""
    if covariates is None or isinstance(covariates, pd.DataFrame):
        return covariates
    if isinstance(covariates, Mapping):
        return pd.DataFrame(dict(covariates))
    raise TypeError(
        "Expected covariates as a DataFrame with one named column for each, got "
        f"{type(covariates).__name__}."
    )


def aligned_to(X, **arguments):
    """Arguments beside `X`; pandas objects are put in the order of its recordings.

    Arguments of another length are returned unchanged, for later checks.
    """
    ids = getattr(X, "ids", None)
    for name, values in arguments.items():
        labelled = ids is not None and isinstance(values, pd.Series | pd.DataFrame)
        if labelled and len(values) == len(ids):
            arguments[name] = aligned(values, len(ids), name, ids)
    return tuple(arguments.values())


def column(values):
    """Identifiers as a one-dimensional array, or None if they are missing."""
    if values is None:
        return None
    array = np.asarray(values)
    # Of texts and NaN NumPy would make the text "nan".
    missing = np.asarray(pd.isna(pd.Series(values, dtype=object)))
    if array.ndim != 1 or not missing.any():
        return array
    array = np.asarray(pd.Series(values, dtype=object).to_numpy(), object)
    array[missing] = None
    return array


def patient_groups(patient_ids):
    """Number of the patient of each sample, from 0; one of its own where it is missing.

    Parameters
    ----------
    patient_ids : array-like of shape (n_samples,)
        Identifiers of any kind. None, NaN and empty texts are missing.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Equal where the identifiers are equal and not missing.

    Warns
    -----
    UserWarning
        If identifiers are missing: their recordings may be of one patient.
    """
    ids = np.asarray(column(patient_ids))
    missing = np.array([i is None or str(i).strip() == "" for i in ids.tolist()], bool)
    missing |= pd.isna(ids)
    codes = pd.factorize(np.where(missing, None, ids.astype(object)), sort=True)[0]
    if missing.any():
        warn(
            f"{missing.sum()} of {len(ids)} recordings have no patient identifier; the "
            f"first is {np.argmax(missing)}. Each counts as a patient of its own: if "
            "two are of one patient, that patient may be on both sides of a split. "
            "Leave them out, or find their identifiers.",
        )
        codes[missing] = codes.max() + 1 + np.arange(missing.sum())
    return codes.astype(np.intp)


def check_distinct(ids):
    """Raise if two recordings share an identifier."""
    if ids is None:
        return
    ids = pd.Index(ids)
    repeated = ids[ids.duplicated()].unique()
    if len(repeated):
        raise ValueError(
            f"ids must differ, but {len(repeated)} of them are repeated: "
            f"{first_ten(repeated)}. Leave out the copies, or pass what recordings "
            "share as patient_ids."
        )


def matched(table, ids):
    """Rows of a table in the order of `ids`; each id must have a row."""
    if ids is None:
        raise ValueError(
            "The recordings have no ids to be matched by; give ECGRecords(X, ids=...)."
        )
    own, index = pd.Index(ids).unique(), table.index
    problems = {
        "recordings have no row in the table": own[~own.isin(index)],
        "rows of the table have no recording": index[~index.isin(own)],
        "ids are repeated in the table": index[index.duplicated()].unique(),
    }
    found = [
        f"{len(wrong)} {problem}: {first_ten(wrong)}"
        for problem, wrong in problems.items()
        if len(wrong)
    ]
    if found:
        remedy = _remedy_for_endings(own, index) or (
            "Index it by id (set_index), and leave out what is not in both, as in "
            "records[np.isin(records.ids, table.index)]."
        )
        raise ValueError(
            f"The index of the table must hold the {len(own)} ids of the recordings, "
            f"once each, but {'; '.join(found)}. {remedy}"
        )
    return table.loc[ids]


def _remedy_for_endings(ids, index):
    """Remedy if one side has file names with suffixes or folders."""
    named = [str(name) for name in index]
    stems = {re.sub(r"\.\w{1,8}$", "", name.replace("\\", "/")) for name in named}
    last = {stem.rpartition("/")[2] for stem in stems}
    if not (set(map(str, ids)) - set(named)) & (stems | last):
        return ""
    return (
        f"The index holds names of files, such as {named[0]!r}, and the ids have no "
        "folders and endings: table.index = [Path(name).stem for name in table.index]."
    )


def first_ten(values):
    """The first ten values, and dots where there are more."""
    values = list(values)
    return ", ".join(map(str, values[:10])) + (", ..." if len(values) > 10 else "")

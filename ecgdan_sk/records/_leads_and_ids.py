"""Checks on what ECGRecords hold besides signals: leads, rate, rows, identifiers."""

import numpy as np
import pandas as pd

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def checked_rate(sampling_rate):
    """A positive number of Hz, or None."""
    if sampling_rate is None:
        return None
    if not (np.isfinite(sampling_rate) and sampling_rate > 0):
        raise ValueError(
            f"Expected a positive sampling rate in Hz, got {sampling_rate!r}. "
            "Leave it None where it is unknown."
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
    leads = LEADS if leads is None else tuple(str(lead) for lead in leads)
    if len(leads) != n_leads or len(set(leads)) != n_leads:
        raise ValueError(
            f"Expected {n_leads} distinct lead names, one for each lead of the "
            f"signals, got {len(leads)}: {', '.join(leads)}."
        )
    return leads


def aligned(values, n_samples, name):
    """`values`, once it is certain that they hold one row for each recording."""
    if values is not None and len(values) != n_samples:
        raise ValueError(
            f"{name} has {len(values)} rows, but there are {n_samples} recordings; "
            "give one row for each recording, in the same order."
        )
    return values


def check_distinct(ids):
    """Raise if two recordings share an identifier."""
    if ids is None:
        return
    ids = pd.Index(ids)
    repeated = ids[ids.duplicated()].unique()
    if len(repeated):
        raise ValueError(
            f"ids must differ, but {len(repeated)} of them are repeated: "
            f"{_first_ten(repeated)}. Leave out the copies, or pass what recordings "
            "share as patient_ids."
        )


def matched(table, ids):
    """Rows of a table in the order of `ids`, each of which must have one."""
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
        f"{len(wrong)} {problem}: {_first_ten(wrong)}"
        for problem, wrong in problems.items()
        if len(wrong)
    ]
    if found:
        raise ValueError(
            f"The index of the table must hold the {len(own)} ids of the recordings, "
            f"once each, but {'; '.join(found)}. Index it by id (set_index), and leave "
            "out what is not in both, as in records[np.isin(records.ids, table.index)]."
        )
    return table.loc[ids]


def _first_ten(ids):
    """Their names."""
    return ", ".join(map(str, ids[:10])) + (", ..." if len(ids) > 10 else "")

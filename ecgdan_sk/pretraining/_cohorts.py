"""Several cohorts as one: ECGs, reports and patients side by side."""

import numpy as np
import pandas as pd

from ..records import ECGRecords
from ..records._lazy import SignalView, side_by_side
from ..records._leads_and_ids import aligned_to, patient_groups
from ..records._records import as_records


def joined(X, reports, groups):
    """(ECGRecords, reports, patients, cohort of each ECG), of one or of several."""
    if not _are_several(X):
        records = as_records(X)
        reports, groups = aligned_to(records, reports=reports, groups=groups)
        ids = records.patient_ids if groups is None else groups
        return records, reports, ids, np.zeros(len(records), np.int64)
    cohorts = [as_records(x) for x in X]
    _check_alike(cohorts)
    reports = _one_each(reports, cohorts, "reports")
    ids = _one_each(groups, cohorts, "groups")
    number = np.repeat(np.arange(len(cohorts)), [len(c) for c in cohorts])
    said, patients = _said(cohorts, reports), _patients(cohorts, ids)
    return _side_by_side(cohorts), said, patients, number


def balanced(rows, cohort):
    """Rows with equal numbers per cohort; rows of smaller cohorts are repeated."""
    parts = [rows[cohort[rows] == number] for number in np.unique(cohort[rows])]
    largest = max(map(len, parts))
    return np.concatenate([np.resize(part, largest) for part in parts])


def _are_several(X):
    """Whether this is a list of cohorts, rather than ECGs of one."""
    return (
        isinstance(X, list | tuple)
        and len(X) > 0
        and all(getattr(x, "ndim", 0) == 3 for x in X)
    )


def _check_alike(cohorts):
    """Raise unless one network can read all cohorts."""
    rates = {c.sampling_rate for c in cohorts} - {None}
    if len(rates) > 1:
        raise ValueError(
            f"The cohorts are sampled at {', '.join(f'{r:g}' for r in sorted(rates))} "
            "Hz. Bring them to one rate with preprocessing.Resample(rate)."
        )
    lengths = {c.shape[2] for c in cohorts}
    if len(lengths) > 1:
        raise ValueError(
            f"The cohorts have {', '.join(map(str, sorted(lengths)))} samples per "
            "lead. Bring them to one length with preprocessing.Window(n_times)."
        )


def _one_each(values, cohorts, name):
    """List of the values of each cohort, or None."""
    if values is None:
        return [None] * len(cohorts)
    if not isinstance(values, list | tuple) or len(values) != len(cohorts):
        raise ValueError(
            f"X holds {len(cohorts)} cohorts, so {name} must be a list of "
            f"{len(cohorts)}, one for each; None stands for a cohort without."
        )
    for number, (own, cohort) in enumerate(zip(values, cohorts)):
        if own is not None and len(own) != len(cohort):
            raise ValueError(
                f"Cohort {number} holds {len(cohort)} ECGs, but {name}[{number}] has "
                f"{len(own)}; give one for each ECG, in the same order."
            )
    return [
        aligned_to(cohort, **{name: own})[0] for cohort, own in zip(cohorts, values)
    ]


def _said(cohorts, reports):
    """Reports of all ECGs; without a report None, or NaN in a matrix."""
    width = {own.shape[1] for own in reports if getattr(own, "ndim", 1) == 2}
    if len(width) == 1 and all(getattr(own, "ndim", 2) == 2 for own in reports):
        empty = [np.full((len(c), min(width)), np.nan, np.float32) for c in cohorts]
        parts = [e if own is None else own for e, own in zip(empty, reports)]
        return np.concatenate(parts)
    parts = [[None] * len(c) if r is None else r for c, r in zip(cohorts, reports)]
    return [report for part in parts for report in part]


def _side_by_side(cohorts):
    """The recordings of all cohorts; a lead that one lacks is absent there."""
    leads = list(dict.fromkeys(lead for c in cohorts for lead in c.leads))
    signals = [c.select_leads(leads).signals for c in cohorts]
    lazy = any(isinstance(part, SignalView) for part in signals)
    rates = {c.sampling_rate for c in cohorts}
    tables = [
        pd.DataFrame(index=range(len(c))) if c.covariates is None else c.covariates
        for c in cohorts
    ]
    return ECGRecords(
        side_by_side(signals) if lazy else np.concatenate(signals),
        # The rate of an array is unknown; it may equal that of the others or not.
        None if None in rates else rates.pop(),
        leads,
        covariates=pd.concat(tables, ignore_index=True),
    )


def _patients(cohorts, given):
    """Identifiers that no two cohorts share; an ECG without one is a patient."""
    ids = []
    for number, (cohort, own) in enumerate(zip(cohorts, given)):
        own = cohort.patient_ids if own is None else own
        own = np.arange(len(cohort)) if own is None else patient_groups(own)
        ids.append(np.array([f"{number}/{patient}" for patient in own]))
    return np.concatenate(ids)

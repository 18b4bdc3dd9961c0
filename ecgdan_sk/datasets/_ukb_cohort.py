"""Cohorts of the imaging visit of UK Biobank, and later diseases."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._outcomes._first import as_outcome, first_of
from .._outcomes._flow import CohortFlow
from .._warnings import warn
from ..records._leads_and_ids import first_ten
from ._cohorts._phenotypes import phenotype_codes
from ._cohorts._ukb_table import DEATH, LOST, VISIT, UKBTable

# Fewer dates do not tell whether the latest is a mistake.
_ENOUGH, _ALONE = 20, np.timedelta64(365, "D")


def ukb_cohort(
    table,
    cohort,
    outcome="heart-failure",
    *,
    ecgs=None,
    instance=2,
    end_of_data=None,
    competing_death=False,
):
    """Build a cohort and its outcome from a table of UK Biobank.

    Members attended the imaging visit and had the disease of the cohort: a hospital
    code dated on the day of the visit or before. Participants who had the outcome on
    that day or before are left out. The date of the outcome is its first hospital code
    in ICD-10 or ICD-9, or the day of death if the outcome is among the causes of death.
    Follow-up ends with death, with loss to follow-up or with the end of the data,
    whichever comes first; later events do not count. Dates in the future, and the dates
    that UK Biobank writes for unknown ones (1900-01-01, 1901-01-01, 1902-02-02,
    1903-03-03, 1909-09-09, 2037-07-07), count as missing.

    With the cohorts "hypertension" and "myocardial-infarction" and the outcome heart
    failure, these are the two cohorts of the ECG-DAN study. The study does not publish
    its codes; those used here are in `ecgdan_sk/datasets/data/phenotype_codes.csv`,
    each with its source.

    Parameters
    ----------
    table : DataFrame, str or path-like
        Table of UK Biobank or a CSV or tab-separated file of it, with one row for each
        participant: `eid` and the fields 53, 191, 40000, 40001, 40002, 41270, 41280,
        41271 and 41281. Columns are named as by the Showcase (`41270-0.0`), its R
        export (`f.41270.0.0`) or the Research Analysis Platform (`p53_i2`).
    cohort : {"hypertension", "myocardial-infarction", "heart-failure"}
        Disease that all members have at the visit.
    outcome : str, default="heart-failure"
        Disease that is the outcome; another one of these.
    ecgs : ECGRecords or None, default=None
        ECGs from `load_ukb_ecg`, with `eid` as `patient_ids`. Participants without an
        ECG are left out; if there are several ECGs, the first is taken.
    instance : int, default=2
        Visit: 2 is the first imaging visit, 3 the repeat visit.
    end_of_data : str, datetime, mapping or None, default=None
        Last day of the hospital data, see the Showcase. It differs by country: with
        ``{"England": "2022-10-31", "Scotland": "2022-08-31", "Wales": "2022-05-31"}``,
        the country of the centre of the first visit counts (field 54). None takes the
        date of the latest diagnosis of the cohort or the outcome, or of the latest
        death, unless it is more than a year later than all others.
    competing_death : bool, default=False
        Whether death without the outcome is cause 2 instead of censored.

    Returns
    -------
    Bunch
        eid : ndarray of shape (n_samples,)
            Participants.
        X : ECGRecords of shape (n_samples, n_leads, n_times) or None
            Their ECGs, if `ecgs` was given.
        y : structured ndarray of shape (n_samples,)
            Event and days from the visit: True or False, or with `competing_death` 0
            censored, 1 outcome, 2 death.
        table : DataFrame of shape (n_samples, 5)
            Dates by `eid`: `visit`, `cohort` (first diagnosis), `outcome`, `death` and
            `last_contact`, the day of loss to follow-up or the end of the data.
        flow : DataFrame
            Number of participants left out, and the reasons, in this order.
        DESCR : str
            Description of the cohort, in one line.

    Raises
    ------
    FileNotFoundError
        If `table` is the path of a missing file.
    ValueError
        If fields are missing, if an `eid` occurs twice, if a date cannot be read, if no
        ECG belongs to a participant, if a country has no end of data, or if no
        participant remains.

    Warns
    -----
    UserWarning
        If the latest date is far from all others, so that it is not taken as the end of
        data.

    References
    ----------
    Kuan et al. (2019), A chronological map of 308 physical and mental health
    conditions, Lancet Digital Health 1:e63-e77.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecgdan_sk.datasets import ukb_cohort
    >>> empty = dict.fromkeys(["41271-0.0", "41281-0.0", "40001-0.0", "40002-0.0"])
    >>> table = pd.DataFrame(
    ...     {
    ...         "eid": [1, 2, 3],
    ...         "53-2.0": ["2015-01-01", "2015-01-01", None],
    ...         "41270-0.0": ["I10", "I10", "I10"],
    ...         "41280-0.0": ["2010-01-01", "2012-01-01", "2013-01-01"],
    ...         "41270-0.1": ["I500", None, None],
    ...         "41280-0.1": ["2016-01-01", None, None],
    ...         "40000-0.0": [None, "2017-01-01", None],
    ...         "191-0.0": None,
    ...         **empty,
    ...     }
    ... )
    >>> ukb = ukb_cohort(table, "hypertension", end_of_data="2020-12-31")
    >>> ukb.y.tolist()
    [(True, 365.0), (False, 731.0)]
    >>> ukb.flow["left_out"].tolist()
    [0, 1, 0, 0, 0, 0]
    """
    _check_diseases(cohort, outcome)
    table = UKBTable(table)
    flow = CohortFlow(pd.DataFrame(index=table.eid), "participants in the table")
    flow.table["visit"] = table.date(VISIT, instance)
    flow.leave_out(flow.table["visit"].isna(), f"no visit (instance {instance})")
    position = None if ecgs is None else _positions(ecgs, table.eid)
    if ecgs is not None:
        flow.leave_out(~flow.table.index.isin(position.index), "no ECG")
    flow.require_rows()
    _add_dates(flow, table.of(flow.table.index), cohort, outcome, end_of_data)
    _leave_out_ineligible(flow, cohort, outcome)
    flow.require_rows()
    dates = flow.table.drop(columns="undated")
    columns = ("visit", "outcome", "death", "last_contact")
    causes, days = first_of(*(dates[column] for column in columns))
    return Bunch(
        eid=dates.index.to_numpy(),
        X=None if ecgs is None else ecgs[position[dates.index].to_numpy()],
        y=as_outcome(causes, days, competing=competing_death),
        table=dates,
        flow=flow.to_frame(),
        DESCR=f"UK Biobank, {cohort} at visit {instance}, then {outcome}.",
    )


def _check_diseases(cohort, outcome):
    """Raise unless both diseases are known and differ."""
    codes = phenotype_codes().query("coding == 'ICD10'")
    known = codes["phenotype"].unique().tolist()
    for name, disease in [("cohort", cohort), ("outcome", outcome)]:
        if disease not in known:
            raise ValueError(
                f"{name} must be one of {', '.join(known)}, got {disease!r}."
            )
    if cohort == outcome:
        raise ValueError(
            f"cohort and outcome are both {cohort!r}; nobody is left who could still "
            "have it."
        )


def _positions(ecgs, eid):
    """Position of the first ECG of each participant, by eid."""
    if ecgs.patient_ids is None:
        raise ValueError(
            "ecgs has no patient_ids; they must hold the eid of each ECG, as "
            "load_ukb_ecg has them."
        )
    owners = pd.Series(np.arange(len(ecgs)), index=ecgs.patient_ids.astype(np.int64))
    owners = owners[~owners.index.duplicated()]
    if not owners.index.isin(eid).any():
        raise ValueError(
            f"None of the {len(owners)} patient_ids of the ECGs "
            f"({first_ten(owners.index)}) is among the {len(eid)} values of eid "
            f"({first_ten(eid)}). Are both of the same UK Biobank application?"
        )
    return owners


def _add_dates(flow, table, cohort, outcome, end_of_data):
    """Dates of both diseases, of death and of the last contact."""
    people = flow.table
    people["cohort"], _ = table.first_diagnosis(cohort)
    in_hospital, people["undated"] = table.first_diagnosis(outcome)
    people["death"] = table.date(DEATH)
    at_death = people["death"].where(table.died_of(outcome))
    people["outcome"] = pd.concat([in_hospital, at_death], axis=1).min(axis=1)
    if end_of_data is None:
        dates = people[["cohort", "outcome", "death"]].to_numpy("datetime64[ns]")
        end = _latest(np.unique(dates[~np.isnat(dates)]))
    elif isinstance(end_of_data, Mapping):
        end = _end_by_country(table.country(), end_of_data)
    else:
        end = pd.Timestamp(end_of_data)
    lost = table.date(LOST)
    people["last_contact"] = lost.where(lost < end, end)
    flow.note(table.n_unknown_dates, "dates taken as missing: placeholders, or to come")
    flow.table = people[
        ["visit", "cohort", "outcome", "death", "last_contact", "undated"]
    ]


def _latest(dates):
    """The latest of many dates in order that does not stand alone."""
    n_dates = len(dates)
    while len(dates) >= _ENOUGH and dates[-1] - dates[-2] > _ALONE:
        dates = dates[:-1]
    if len(dates) < n_dates:
        end = pd.Timestamp(dates[-1]).date()
        warn(
            f"{n_dates - len(dates)} dates lie more than a year behind all others and "
            f"are not taken for the end of the data, which is {end} then. Say when the "
            "data end: end_of_data='2022-10-31', as the Showcase has it.",
        )
    return pd.Timestamp(dates[-1]) if n_dates else pd.NaT


def _end_by_country(country, ends):
    """Last day of the data for each participant."""
    absent = country[~country.isin(list(ends))]
    if len(absent):
        raise ValueError(
            f"end_of_data names {', '.join(ends)}, but {len(absent)} participants were "
            f"recruited in {first_ten(absent.unique())}. Give a date for each country; "
            "England, Scotland and Wales are told apart by field 54."
        )
    return country.map({name: pd.Timestamp(end) for name, end in ends.items()})


def _leave_out_ineligible(flow, cohort, outcome):
    """Leave out who lacks the disease, has the outcome already or is not followed."""

    def leave_out(wrong, reason):
        flow.leave_out(wrong(flow.table), reason)

    leave_out(lambda t: ~(t["cohort"] <= t["visit"]), f"no {cohort} by the visit")
    leave_out(lambda t: t["outcome"] <= t["visit"], f"{outcome} by the visit")
    leave_out(lambda t: t["undated"], f"{outcome} without a date")
    leave_out(
        lambda t: t[["death", "last_contact"]].min(axis=1) <= t["visit"],
        "no time under observation",
    )

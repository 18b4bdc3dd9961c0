"""PTB-XL, read from a local copy in the layout that PhysioNet ships."""

import ast
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ..records import LEADS, ECGRecords, LazySignals
from ..reports._cleaning import mend_letters
from ._ages import ages_of
from ._check_leads import checked
from ._cohorts._wfdb_records import check_present, inside
from ._ptbxl_plus import read_ptbxl_plus

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")

_SECONDS = 10
_FILENAME = {100: "filename_lr", 500: "filename_hr"}
_COLUMNS = ("patient_id", "age", "sex", "report", "scp_codes", "strat_fold")

# PTB-XL hides the exact age of those over 89 behind this value.
_OVER_89 = 300


def load_ptbxl(path, *, sampling_rate=100, folds=None, lazy=False, n_jobs=None):
    """Read PTB-XL: 10-second 12-lead ECGs with reports and SCP-ECG statements.

    The folder is that of https://physionet.org/content/ptb-xl/ and must hold
    `ptbxl_database.csv`, `scp_statements.csv` and `records100/` or `records500/`. Leads
    are matched by their names in each record; units and sampling rate are checked.

    Parameters
    ----------
    path : str or path-like
        Folder of PTB-XL.
    sampling_rate : {100, 500}, default=100
        Version of the recordings to read, in Hz.
    folds : int, sequence of int or None, default=None
        Folds of PTB-XL to read, from 1 to 10. A physician checked all ECGs of folds 9
        and 10. No patient is in two folds. None reads all folds.
    lazy : bool, default=False
        Whether to read recordings only when a batch of them is needed. Otherwise all of
        PTB-XL takes 1 GB of memory at 100 Hz and 5.2 GB at 500 Hz.
    n_jobs : int or None, default=None
        Number of processes that read recordings. None means 1, -1 all processors.

    Returns
    -------
    Bunch
        All members have the rows of the table, in its order.

        X : ECGRecords of shape (n_samples, 12, n_times), float32
            ECGs in mV, leads in the order of `ecgdan_sk.records.LEADS`, with
            `covariates`, `ecg_id` as `ids` and `patient_id` as `patient_ids`.
        reports : list of str
            Reports in German, English or Swedish. Letters damaged by an encoding are
            restored if only one reading is possible.
        scp_codes : list of dict
            SCP-ECG statement -> likelihood in percent. 0 means that none was given.
        superclasses : DataFrame of shape (n_samples, 5)
            1 if a diagnostic statement belongs to NORM, MI, STTC, CD or HYP, at any
            likelihood (as in Wagner et al., 2020), otherwise 0.
        covariates : DataFrame of shape (n_samples, 2)
            `age` in years, where 90 stands for all ages over 89 (PTB-XL hides them as
            300); `sex`, 0 male and 1 female. NaN if unknown.
        patient_id : ndarray of shape (n_samples,)
            Pass it as `groups` to splitters: some patients have several ECGs.
        fold : ndarray of shape (n_samples,)
            Fold of PTB-XL, from 1 to 10.
        ecg_id : ndarray of shape (n_samples,)
            Identifier of the ECG, also the index of the tables.
        features_12sl, features_unig : DataFrame of shape (n_samples, n_features)
            Measurements of the GE Marquette 12SL and the Glasgow (Uni-G) programs; NaN
            for an ECG without them. Only if the folder also holds PTB-XL+
            (https://physionet.org/content/ptb-xl-plus/), with its `features/` beside
            the tables of PTB-XL.
        median_beats_12sl, median_beats_unig : ECGRecords of shape (n, 12, 600)
            Median beats of both programs, 1.2 s at 500 Hz in mV, lazily. Some ECGs have
            none; `ids` names those that have. Only if the folder holds `median_beats/`
            of PTB-XL+.

    Raises
    ------
    FileNotFoundError
        If a table or recordings are missing; the message names their number and the
        first ten.
    ValueError
        If a table or a recording is not as in PTB-XL; the message names the first such
        row.

    References
    ----------
    Wagner et al. (2020), PTB-XL, a large publicly available electrocardiography
    dataset, Scientific Data 7:154.

    Strodthoff et al. (2023), PTB-XL+, a comprehensive electrocardiographic feature
    dataset, Scientific Data 10:279.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_ptbxl
    >>> ptbxl = load_ptbxl("ptb-xl/1.0.3", folds=[9, 10])  # doctest: +SKIP
    >>> ptbxl.X  # doctest: +SKIP
    ECGRecords(4381 ECGs, 12 leads, 1000 samples, 100 Hz)
    """
    if sampling_rate not in _FILENAME:
        raise ValueError(f"sampling_rate must be 100 or 500 Hz, got {sampling_rate!r}.")
    path = Path(path)
    table = _select(
        _read_table(path / "ptbxl_database.csv", (*_COLUMNS, _FILENAME[sampling_rate])),
        folds,
    )
    scp_codes = [_parsed_codes(*row) for row in table["scp_codes"].items()]
    names, covariates = table[_FILENAME[sampling_rate]], _covariates(table)
    return Bunch(
        X=checked(
            ECGRecords(
                _signals(path, names, sampling_rate, lazy, n_jobs),
                sampling_rate,
                covariates=covariates,
                ids=table.index.to_numpy(dtype=np.int64),
                patient_ids=table["patient_id"].to_numpy(dtype=np.int64),
            )
        ),
        reports=[mend_letters(report) for report in table["report"].fillna("")],
        scp_codes=scp_codes,
        superclasses=_superclasses(path, scp_codes, table.index),
        covariates=covariates,
        patient_id=table["patient_id"].to_numpy(dtype=np.int64),
        fold=table["strat_fold"].to_numpy(dtype=np.int64),
        ecg_id=table.index.to_numpy(dtype=np.int64),
        **read_ptbxl_plus(path, table.index),
    )


def _read_table(path, columns):
    """Read a table of PTB-XL by its first column, and check its columns."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path.name} in {path.parent}; expected the folder of PTB-XL "
            "as PhysioNet ships it. Get it at https://physionet.org/content/ptb-xl/."
        )
    table = pd.read_csv(path, index_col=0)
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"{path} lacks the columns {', '.join(missing)}; expected the table as "
            "PhysioNet ships it (PTB-XL 1.0.1 or later)."
        )
    return table


def _select(table, folds):
    """The rows of the folds asked for."""
    if folds is None:
        return table
    folds = np.atleast_1d(folds)
    absent = np.setdiff1d(folds, table["strat_fold"])
    if folds.size == 0 or absent.size:
        raise ValueError(
            f"folds={folds.tolist()} must name folds that the table holds; it has "
            f"{np.unique(table['strat_fold']).astype(int).tolist()}."
        )
    return table[table["strat_fold"].isin(folds)]


def _parsed_codes(ecg_id, text):
    """The statements of one ECG, written in the table as a Python dictionary."""
    try:
        codes = ast.literal_eval(text)
        valid = all(
            isinstance(code, str) and 0 <= likelihood <= 100
            for code, likelihood in codes.items()
        )
    except (AttributeError, SyntaxError, TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            f"scp_codes of ECG {ecg_id} must map statements to likelihoods from 0 to "
            f"100, like {{'NORM': 100.0}}, got {text!r}."
        )
    return {code: float(likelihood) for code, likelihood in codes.items()}


def _superclasses(path, scp_codes, index):
    """1 where an ECG has a diagnostic statement of the class, otherwise 0."""
    columns = ("diagnostic", "diagnostic_class")
    statements = _read_table(path / "scp_statements.csv", columns)
    diagnostic = statements[statements["diagnostic"] == 1]
    classes = diagnostic["diagnostic_class"].to_dict()
    present = [{classes.get(code) for code in codes} for codes in scp_codes]
    rows = [[int(name in found) for name in SUPERCLASSES] for found in present]
    return pd.DataFrame(rows, index=index, columns=SUPERCLASSES)


def _covariates(table):
    """Age in years and sex, as numbers."""
    age = ages_of(table["age"], "age of ptbxl_database.csv", over_89=_OVER_89)
    return pd.DataFrame({"age": age, "sex": table["sex"].astype(float)})


def _signals(root, names, sampling_rate, lazy, n_jobs):
    """All recordings, of shape (n_samples, 12, n_times) in mV."""
    records = [inside(root, name) for name in names]
    remedy = "Complete the copy, or choose `folds` that it holds."
    check_present(root, names, records, remedy)
    shape = (len(LEADS), _SECONDS * sampling_rate)
    read = partial(_read_ecg, sampling_rate=sampling_rate)
    if lazy:
        return LazySignals(read, records, shape)
    X = np.empty((len(records), *shape), np.float32)
    jobs = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    for row, ecg in zip(X, jobs(joblib.delayed(read)(record) for record in records)):
        row[:] = ecg
    return X


def _read_ecg(record, sampling_rate):
    """One recording of shape (12, n_times) in mV, leads in the order of LEADS."""
    # Imported here: wfdb brings matplotlib and a network client along.
    import wfdb

    ecg = wfdb.rdrecord(str(record), return_res=32)
    expected = (_SECONDS * sampling_rate, sampling_rate, {"mV"})
    got = (ecg.sig_len, ecg.fs, set(ecg.units))
    if got != expected:
        raise ValueError(
            f"The recording {record} has {got[0]} samples at {got[1]} Hz in "
            f"{', '.join(sorted(got[2]))}; PTB-XL has {expected[0]} at {expected[1]} "
            "Hz in mV. Is the table that of another data set?"
        )
    names = [name.upper() for name in ecg.sig_name]
    absent = [lead for lead in LEADS if lead.upper() not in names]
    if absent:
        raise ValueError(f"The recording {record} lacks the lead {', '.join(absent)}.")
    return ecg.p_signal[:, [names.index(lead.upper()) for lead in LEADS]].T

"""PTB-XL, read from a local copy in the layout that PhysioNet ships."""

import ast
import re
from pathlib import Path, PureWindowsPath

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ..records import LEADS

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")

_SECONDS = 10
_FILENAME = {100: "filename_lr", 500: "filename_hr"}
_COLUMNS = ("patient_id", "age", "sex", "report", "scp_codes", "strat_fold")

# PTB-XL hides the exact age of those over 89 behind this value.
_OVER_89, _LEAST_AGE_OVER_89 = 300, 90

# Letters of DOS code pages 437 and 850 that were read as Latin-1, where they are
# control characters, which no report can mean, and an a acute, foreign to them all.
_DOS_LETTERS = str.maketrans("\x81\x84\x86\x8e\x8f\x94\x99\x9a\xe1", "üäåÄÅöÖÜß")
_LOST_LETTERS = ((re.compile(r"\bf#r\b"), "für"), (re.compile(r"(?<!\w)#ber"), "über"))


def load_ptbxl(path, *, sampling_rate=100, folds=None, n_jobs=None):
    """Read PTB-XL: 10-second 12-lead ECGs with reports and SCP-ECG statements.

    The folder is that of https://physionet.org/content/ptb-xl/ and must hold
    `ptbxl_database.csv`, `scp_statements.csv` and `records100/` or `records500/`.
    Leads are ordered by the names in each record, units and sampling rate are checked.

    Parameters
    ----------
    path : str or path-like
        Folder of PTB-XL.
    sampling_rate : {100, 500}, default=100
        Which of the two versions of the recordings to read, in Hz.
    folds : int, sequence of int or None, default=None
        Folds of PTB-XL to read, from 1 to 10; 9 and 10 are those that were all checked
        by a physician. No patient is in two folds. None reads all of them.
    n_jobs : int or None, default=None
        Number of processes that read recordings. None means 1, -1 all processors.

    Returns
    -------
    Bunch
        The rows of all members are those of the table, in its order.

        X : ndarray of shape (n_samples, 12, n_times), float32
            ECGs in mV, leads in the order of `ecgdan_sk.records.LEADS`.
        reports : list of str
            Reports in German, English or Swedish. Letters lost or changed by an
            encoding are mended where only one reading is possible.
        scp_codes : list of dict
            SCP-ECG statement -> likelihood in percent. 0 means that none was given.
        superclasses : DataFrame of shape (n_samples, 5)
            1 where a diagnostic statement belongs to NORM, MI, STTC, CD or HYP, at
            whatever likelihood (as in Wagner et al., 2020), otherwise 0.
        covariates : DataFrame of shape (n_samples, 2)
            `age` in years, where 90 stands for all ages over 89, which PTB-XL keeps to
            itself (as 300); `sex`, 0 male and 1 female. Both NaN where unknown.
        patient_id : ndarray of shape (n_samples,)
            Pass it as `groups` to splitters: some patients have several ECGs.
        fold : ndarray of shape (n_samples,)
            Fold of PTB-XL, from 1 to 10.
        ecg_id : ndarray of shape (n_samples,)
            Identifier of the ECG, also the index of the two tables.

    Raises
    ------
    FileNotFoundError
        If a table is missing, or recordings are: one error names them all in number and
        the first ten.
    ValueError
        If a table or a recording is not as PTB-XL has it, naming the first such row.

    References
    ----------
    Wagner et al. (2020), PTB-XL, a large publicly available electrocardiography
    dataset, Scientific Data 7:154.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_ptbxl
    >>> ptbxl = load_ptbxl("ptb-xl/1.0.3", folds=[9, 10])  # doctest: +SKIP
    >>> ptbxl.X.shape  # doctest: +SKIP
    (4381, 12, 1000)
    """
    if sampling_rate not in _FILENAME:
        raise ValueError(f"sampling_rate must be 100 or 500 Hz, got {sampling_rate!r}.")
    path = Path(path)
    table = _select(
        _read_table(path / "ptbxl_database.csv", (*_COLUMNS, _FILENAME[sampling_rate])),
        folds,
    )
    scp_codes = [_parsed_codes(*row) for row in table["scp_codes"].items()]
    return Bunch(
        X=_read_ecgs(path, table[_FILENAME[sampling_rate]], sampling_rate, n_jobs),
        reports=[_mended(report) for report in table["report"].fillna("")],
        scp_codes=scp_codes,
        superclasses=_superclasses(path, scp_codes, table.index),
        covariates=_covariates(table),
        patient_id=table["patient_id"].to_numpy(dtype=np.int64),
        fold=table["strat_fold"].to_numpy(dtype=np.int64),
        ecg_id=table.index.to_numpy(dtype=np.int64),
    )


def _read_table(path, columns):
    """A table of PTB-XL by its first column, with at least these columns."""
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
    age = table["age"].astype(float).replace(_OVER_89, _LEAST_AGE_OVER_89)
    return pd.DataFrame({"age": age, "sex": table["sex"].astype(float)})


def _mended(report):
    """The report with its umlauts back, where only one reading is possible."""
    report = report.translate(_DOS_LETTERS)
    for damage, letters in _LOST_LETTERS:
        report = damage.sub(letters, report)
    return re.sub(r"\w+", _lowered, report)


def _lowered(word):
    """The word in lower case if its ASCII letters are: the rest had been forgotten."""
    word = word.group()
    ascii_letters = "".join(letter for letter in word if letter.isascii())
    return word.lower() if ascii_letters.islower() else word


def _read_ecgs(root, names, sampling_rate, n_jobs):
    """All recordings, of shape (n_samples, 12, n_times) in mV."""
    records = [_inside(root, name) for name in names]
    _check_present(root, names, records)
    X = np.empty((len(records), len(LEADS), _SECONDS * sampling_rate), np.float32)
    read = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    ecgs = read(joblib.delayed(_read_ecg)(name, sampling_rate) for name in records)
    for row, ecg in zip(X, ecgs):
        row[:] = ecg
    return X


def _inside(root, name):
    """Where a recording lies; a name that leads out of the folder is refused."""
    # A Windows path splits at both kinds of slash and knows drives, on any machine.
    relative = PureWindowsPath(str(name))
    if relative.anchor or ".." in relative.parts:
        raise ValueError(
            f"The table names the recording {name!r}, which lies outside of {root}; "
            "expected a name like 'records100/00000/00001_lr'."
        )
    return root / str(name)


def _check_present(root, names, records):
    """Raise one error for all recordings that are not there."""
    missing = [
        name
        for name, record in zip(names, records)
        if not (Path(f"{record}.hea").is_file() and Path(f"{record}.dat").is_file())
    ]
    if missing:
        named = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise FileNotFoundError(
            f"{len(missing)} of {len(records)} recordings lack their .hea or .dat file "
            f"in {root}: {named}. "
            "Complete the copy, or choose `folds` that it holds."
        )


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

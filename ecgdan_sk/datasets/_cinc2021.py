"""PhysioNet/CinC Challenge 2021: ECGs of several countries with SNOMED CT codes."""

import re
from functools import partial
from pathlib import Path

import pandas as pd
from sklearn.utils import Bunch

from .._outcomes._flow import CohortFlow
from ..records import LEADS, ECGRecords, LazySignals
from ._ages import age_in_years
from ._check_leads import checked
from ._cohorts._published_tables import check_distinct
from ._cohorts._wfdb_records import check_present, read_ecg, read_header
from ._formats._recording import sex_code

_SOURCE = "https://physionet.org/content/challenge-2021/"
# Folders g1, g2, ... within a source hold 1000 recordings each.
_GROUP = re.compile(r"g\d+")


def load_cinc2021(path, *, sampling_rate=500, duration=10.0):
    """Read the ECGs of the PhysioNet/CinC Challenge 2021 with their SNOMED CT codes.

    The folder is that of https://physionet.org/content/challenge-2021/, or any part of
    it: all headers (`.hea`) in it and below are read, with the signals (`.mat`) beside
    them. Signals are read only when a batch of them is needed; `X.save` makes a faster
    copy.

    Parameters
    ----------
    path : str or path-like
        Folder of the Challenge, or of one or more of its sources.
    sampling_rate : float, default=500
        Rate of the recordings to read, in Hz: 500 in most sources, 1000 in PTB and 257
        in INCART (St Petersburg). Others are left out.
    duration : float, default=10.0
        Length of the recordings in s, from their beginning. Shorter ones are left out.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, 12, n_times), float32
            ECGs in mV, leads in the order of `ecgdan_sk.records.LEADS`, lazily, with
            `covariates` (age in years; sex, 0 male and 1 female) and names as `ids`.
        snomed_codes : list of list of str
            SNOMED CT codes of each ECG, in the order of its header.
        table : DataFrame of shape (n_samples, 5)
            `source` (name of the folder), `age`, `sex`, `sampling_rate` in Hz and
            `n_times`, by the name of the recording.
        flow : DataFrame
            Number of recordings left out, and the reasons.
        DESCR : str
            Description of the data, in one line.

    Raises
    ------
    FileNotFoundError
        If there is no header, or if signals are missing; the message names their number
        and the first ten.
    ValueError
        If a header cannot be read, if two recordings have the same name, or if none
        remains.

    References
    ----------
    Reyna et al. (2021), Will two do? Varying dimensions in electrocardiography: the
    PhysioNet/Computing in Cardiology Challenge 2021, Computing in Cardiology 48.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_cinc2021
    >>> challenge = load_cinc2021("challenge-2021/training")  # doctest: +SKIP
    >>> challenge.X.shape[1:]  # doctest: +SKIP
    (12, 5000)
    """
    path = Path(path)
    records = sorted(header.with_suffix("") for header in path.rglob("*.hea"))
    if not records:
        raise FileNotFoundError(
            f"There is no .hea file in {path} or below; expected a local copy of "
            f"{_SOURCE}."
        )
    check_distinct(
        [record.name for record in records], f"names of recordings in {path}"
    )
    table = pd.DataFrame([_row(record) for record in records]).set_index("name")
    flow = CohortFlow(table, "recordings in the folder")
    other_rate = flow.table["sampling_rate"] != sampling_rate
    flow.leave_out(other_rate, f"not sampled at {sampling_rate:g} Hz")
    n_times = round(duration * sampling_rate)
    flow.leave_out(flow.table["n_times"] < n_times, f"shorter than {duration:g} s")
    flow.require_rows()
    table = flow.table
    return Bunch(
        X=_ecgs(path, table, sampling_rate, n_times),
        snomed_codes=table["snomed_codes"].tolist(),
        table=table.drop(columns=["record", "snomed_codes"]),
        flow=flow.to_frame(),
        DESCR=f"PhysioNet/CinC Challenge 2021, {duration:g} s; {_SOURCE}.",
    )


def _row(record):
    """Facts in the header of a recording."""
    header = read_header(record)
    told = dict(
        (part.strip() for part in comment.split(":", 1))
        for comment in header.comments
        if ":" in comment
    )
    folders = [name for name in record.parent.parts if not _GROUP.fullmatch(name)]
    # PTB-XL, a part of the Challenge, hides ages over 89 behind 300.
    age = {"300": ">89"}.get(told.get("Age"), told.get("Age"))
    return {
        "name": record.name,
        "record": record,
        "source": folders[-1] if folders else "",
        "age": age_in_years(age),
        "sex": sex_code(told.get("Sex")),
        "sampling_rate": header.sampling_rate,
        "n_times": header.n_times,
        "snomed_codes": re.findall(r"\d+", told.get("Dx", "")),
    }


def _ecgs(root, table, sampling_rate, n_times):
    """The recordings, lazily."""
    records = table["record"].tolist()
    remedy = f"Complete the copy from {_SOURCE}."
    check_present(root, table.index, records, remedy, (".hea", ".mat"))
    read = partial(read_ecg, sampling_rate=sampling_rate, n_times=n_times)
    return checked(
        ECGRecords(
            LazySignals(read, records, (len(LEADS), n_times)),
            sampling_rate,
            covariates=table[["age", "sex"]],
            ids=table.index.to_numpy(dtype=str),
        )
    )

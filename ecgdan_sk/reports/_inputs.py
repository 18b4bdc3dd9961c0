"""Kind of the given reports, and checks that each can be used."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ._cleaning import clean_report

EXPECTED = {
    "text": "free text (list of str)",
    "codes": "SCP codes with likelihoods (list of dict)",
    "matrix": "embeddings (n_samples, n_dims)",
}
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?%?")
_FILE = re.compile(
    r"\S+\.(csv|txt|xml|pdf|json|hea|dat|dcm|scp|parquet|html?)|(/|~/|\./|\\\\).*", re.I
)
_ANY_KIND = "Expected one report for each ECG: " + ", or ".join(EXPECTED.values())


def is_matrix(reports):
    """Whether these are embeddings rather than something to read."""
    return getattr(reports, "ndim", 1) == 2


def as_list(reports, n_samples):
    """Reports as a list of the expected length, from any container."""
    if isinstance(reports, str | Mapping) or not hasattr(reports, "__len__"):
        raise TypeError(f"{_ANY_KIND}; got a single {type(reports).__name__}.")
    if getattr(reports, "ndim", 1) != 1:
        raise ValueError(f"{_ANY_KIND}; got an array of shape {np.shape(reports)}.")
    check_length(reports, n_samples)
    return list(reports)


def check_length(reports, n_samples):
    """Raise unless there is one report for each ECG."""
    if n_samples is not None and len(reports) != n_samples:
        raise ValueError(
            f"X holds {n_samples} ECGs, but there are {len(reports)} reports; give one "
            "report for each ECG, in the same order."
        )
    if len(reports) == 0:
        raise ValueError("Expected at least one report, got none.")


def kind_of(reports):
    """Of all reports, "text" or "codes"; raises if one is missing or is neither."""
    kinds = [_kind_of_one(report) for report in reports]
    missing = [i for i, kind in enumerate(kinds) if kind == "missing"]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(reports)} reports are missing (None or NaN); the "
            f"first is number {missing[0]}, counted from 0. Leave these ECGs out."
        )
    odd = [i for i, kind in enumerate(kinds) if kind not in EXPECTED]
    odd = odd or [i for i, kind in enumerate(kinds) if kind != kinds[0]]
    if odd:
        raise TypeError(
            f"{_ANY_KIND}, all of one kind; got {type(reports[0]).__name__} first and "
            f"{type(reports[odd[0]]).__name__} as number {odd[0]}, counted from 0."
        )
    return kinds[0]


def check_texts(reports):
    """Cleaned reports; raises if one is empty, or is a dictionary in writing."""
    texts = [clean_report(report) for report in reports]
    empty = [i for i, text in enumerate(texts) if not any(map(str.isalnum, text))]
    if empty:
        raise ValueError(
            f"{len(empty)} of {len(texts)} reports hold no word; the first is number "
            f"{empty[0]}, counted from 0. Leave these ECGs out."
        )
    if texts[0].startswith("{") and texts[0].endswith("}"):
        raise ValueError(
            f"The first report, {texts[0][:50]!r}, looks like SCP codes in writing, as "
            "in the table of PTB-XL. Make each a dictionary with ast.literal_eval, or "
            "read them with ecgdan_sk.datasets.load_ptbxl."
        )
    return texts


def check_free_text(i, report):
    """Raise unless a report can be one."""
    if isinstance(report, Mapping):
        raise TypeError(
            f"Report {i}, counted from 0, is statements already: {report!r}. Give them "
            "to ECGReportPretrainer as they are."
        )
    if not isinstance(report, str):
        raise TypeError(
            f"Expected free text, got {report!r} as report {i}, counted from 0. Leave "
            "ECGs without a report out, or give ''."
        )
    stripped = report.strip()
    if _NUMBER.fullmatch(stripped):
        raise ValueError(
            f"Expected free text, got the number {stripped!r} as report {i}, counted "
            "from 0. Is this the right column?"
        )
    if _FILE.fullmatch(stripped):
        raise ValueError(
            f"Expected free text, got what looks like a file, {stripped!r}, as report "
            f"{i}, counted from 0. Read it first."
        )


def check_embeddings(embeddings, n_rows=None, n_dims=None):
    """Embeddings (n_rows, n_dims) in float32: finite, and no row of zeros."""
    if isinstance(embeddings, pd.DataFrame):
        embeddings = embeddings.to_numpy()
    embeddings = np.asarray(embeddings, dtype=np.float32)
    got = embeddings.shape
    expected = (n_rows or len(embeddings), n_dims or embeddings.shape[-1])
    if got != expected or not all(got):
        raise ValueError(
            "Expected embeddings of shape "
            f"({n_rows or 'n_samples'}, {n_dims or 'n_dims'}), got {got}."
        )
    for problem, wrong in [
        ("hold NaN or infinity", ~np.isfinite(embeddings).all(axis=1)),
        ("are zero throughout", ~embeddings.any(axis=1)),
    ]:
        if wrong.any():
            raise ValueError(
                f"{wrong.sum()} of {len(wrong)} embeddings {problem}; the first is "
                f"row {np.argmax(wrong)}. Embed these texts again, or leave them out."
            )
    return embeddings


def check_columns(matrix):
    """Raise if a dimension of the embeddings is constant."""
    constant = np.ptp(matrix, axis=0) == 0
    if constant.any():
        raise ValueError(
            f"The embedding matrix is constant in {constant.sum()} of "
            f"{len(constant)} columns; the first is column {np.argmax(constant)}. It "
            "tells no reports apart there: leave these columns out."
        )


def _kind_of_one(report):
    """One of "text", "codes" and "missing", or the name of any other type."""
    if isinstance(report, str):
        return "text"
    if isinstance(report, Mapping):
        return "codes"
    is_missing = pd.api.types.is_scalar(report) and pd.isna(report)
    return "missing" if is_missing else type(report).__name__

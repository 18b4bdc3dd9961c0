"""Encoded reports of a cohort, and which of them are equal."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EncodedReports:
    """Encoded reports of a cohort, one row per ECG.

    Parameters
    ----------
    embeddings : ndarray of shape (n_samples, n_dims), float32
        One vector per ECG, finite and not zero; equal if `keys` are equal.
    keys : ndarray of shape (n_samples,), int64
        Number of the distinct report of each ECG, by first appearance.
    texts : tuple of str or None, default=None
        Cleaned report or statements of each ECG. None for a matrix.
    codes : tuple of str or None, default=None
        SCP codes that occurred in `fit`, given or found. None for texts and matrices.
    likelihoods : ndarray of shape (n_samples, n_codes), float32, or None, default=None
        Likelihood of each of `codes`, from 0 to 1; a row of zeros if none is known.

    Examples
    --------
    >>> from ecgdan_sk.reports import ReportEmbedder
    >>> reports = [{"NORM": 100, "SR": 0}, {"AFIB": 0}, {"SR": 0, "NORM": 100}]
    >>> encoded = ReportEmbedder().fit_transform(reports)
    >>> encoded.texts[0], encoded.keys.tolist(), encoded.codes
    ('normal ECG; sinus rhythm', [0, 1, 0], ('NORM', 'SR', 'AFIB'))
    """

    embeddings: np.ndarray
    keys: np.ndarray
    texts: tuple | None = None
    codes: tuple | None = None
    likelihoods: np.ndarray | None = None

    def __len__(self):
        return len(self.keys)


def distinct(content, kind):
    """Key of each ECG (n_samples,), and the row where each key first appears.

    Texts that differ only in case share a key. So do statements whose likelihoods
    differ by a common factor, because the embedding is a weighted mean.
    """
    if kind == "text":
        rows = [text.casefold() for text in content]
    else:
        if kind == "codes":
            content = np.round(content / content.sum(axis=1, keepdims=True), 6)
        rows = [row.tobytes() for row in content + 0.0]  # there is a -0.0
    met = {}
    keys = np.array([met.setdefault(row, len(met)) for row in rows], np.int64)
    return keys, np.unique(keys, return_index=True)[1]

"""Reports that some ECGs have and others lack."""

import numpy as np

from ..reports import EncodedReports
from ..reports._inputs import is_matrix


def encoded_reports(embedder, reports, n_samples):
    """Key of the report of each ECG, -1 without a report; None if all lack one."""
    if reports is None:
        return None
    missing = _missing(reports)
    if len(missing) != n_samples or not missing.any():
        return embedder.fit_transform(reports, n_samples=n_samples)
    if missing.all():
        return None
    there = np.flatnonzero(~missing)
    if is_matrix(reports):
        said = embedder.fit_transform(np.asarray(reports)[there])
    else:
        said = embedder.fit_transform([reports[i] for i in there])
    return _spread(said, there, n_samples)


def _missing(reports):
    """Which reports are None or NaN."""
    if is_matrix(reports):
        return np.isnan(np.asarray(reports, np.float64)).all(axis=1)
    return np.array([r is None or isinstance(r, float) for r in reports], bool)


def _spread(said, there, n_samples):
    """Values with one row for each ECG."""
    keys = np.full(n_samples, -1, np.int64)
    keys[there] = said.keys
    embeddings = np.zeros((n_samples, said.embeddings.shape[1]), np.float32)
    embeddings[there] = said.embeddings
    texts = likelihoods = None
    if said.texts is not None:
        texts = [None] * n_samples
        for i, text in zip(there, said.texts):
            texts[i] = text
        texts = tuple(texts)
    if said.likelihoods is not None:
        likelihoods = np.zeros((n_samples, said.likelihoods.shape[1]), np.float32)
        likelihoods[there] = said.likelihoods
    return EncodedReports(embeddings, keys, texts, said.codes, likelihoods)

"""Outputs of nets for ECGs, which are read once, in any number of jobs."""

import threading

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from ._batches import ECGDataset
from ._net import ECGNet

# Batches that a job computes in one go.
_AT_ONCE = 4


def net_outputs(nets, X, step=ECGNet.evaluation_step) -> np.ndarray:
    """Outputs (n_nets, n_samples, n_outputs) of a step method of some nets.

    Each batch is read once for all nets. The batches do not depend on the number of
    jobs that `joblib.parallel_config` allows.
    """
    n_rows = _AT_ONCE * nets[0].batch_size
    if not _are_jobs() or len(X) <= n_rows:
        return _outputs(nets, X, step)
    parts = in_jobs(
        delayed(_outputs)(nets, X[first : first + n_rows], step)
        for first in range(0, len(X), n_rows)
    )
    return _joined(parts, len(X))


def encode(nets, X) -> np.ndarray:
    """Latent features (n_nets, n_samples, latent_dim) of some nets."""
    return net_outputs(nets, X, ECGNet.encoding_step)


def in_jobs(calls):
    """Ordered results of delayed calls, in the jobs of `joblib.parallel_config`.

    The default backend is threads, because torch releases Python's lock.
    """
    if not _are_jobs():
        return (function(*args, **kwargs) for function, args, kwargs in calls)
    return Parallel(prefer="threads", return_as="generator")(calls)


def _are_jobs():
    """Whether several jobs are allowed and this is not already one of them."""
    # Dask offers its whole cluster to each of its own tasks.
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and effective_n_jobs() > 1


def _outputs(nets, X, step):
    """Outputs (n_nets, n_samples, n_outputs), computed here."""
    parts = (
        np.stack([step(net, batch).cpu().numpy() for net in nets])
        for batch in nets[0].get_iterator(ECGDataset(X))
    )
    return _joined((part.reshape(*part.shape[:2], -1) for part in parts), len(X))


def _joined(parts, n_samples):
    """Arrays (n_nets, ..., n_outputs), side by side along their samples."""
    whole, first = None, 0
    for part in parts:
        if whole is None:
            # Small results kept one by one scatter over the room of large batches.
            whole = np.empty((len(part), n_samples, part.shape[2]), part.dtype)
        whole[:, first : first + part.shape[1]] = part
        first += part.shape[1]
    return whole

"""How any study runs: what is finished is kept, and every fit has the same bits."""

import warnings
from contextlib import contextmanager

import torch
from sklearn.base import clone
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from .._jobs import lasting_jobs
from ..model_selection import fit_by_patient

_OF_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


def run_missing(function, calls, store, n_jobs, title, unit="job", verbose=1):
    """Results of a function for those of {step: arguments} that are not in the store.

    It has to store its step itself, so that a run after a kill goes on.
    """
    left = [arguments for step, arguments in calls.items() if step not in store]
    bar = {"desc": title, "total": len(calls), "initial": len(calls) - len(left)}
    with tqdm(**bar, unit=unit, disable=not (verbose and left)) as bar:
        return lasting_jobs(function, left, n_jobs, bar.update)


@contextmanager
def one_thread():
    """The same bits, however many threads and processes there are."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)


def fitted(model, X, y, groups=None):
    """A clone of a model, fitted with patients kept together where it can be.

    Returns it with the texts of the warnings of the fit, each once. A fit that the user
    breaks off ends the study: half a training is no result.
    """
    model = clone(model) if hasattr(model, "get_params") else model
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for category in _OF_DEVELOPERS:
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("error", "Training was interrupted")
        try:
            model = fit_by_patient(model, X, y, groups)
        except UserWarning as error:
            raise KeyboardInterrupt from error
    return model, sorted({str(warning.message) for warning in told})

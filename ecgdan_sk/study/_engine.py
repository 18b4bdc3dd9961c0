"""Engine of studies: finished steps are kept, and fits are reproducible bit for bit."""

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
    """Results of a function for {step: arguments} that are not in the store.

    The function must store its step itself, so that an interrupted run can continue.
    """
    left = [arguments for step, arguments in calls.items() if step not in store]
    bar = {"desc": title, "total": len(calls), "initial": len(calls) - len(left)}
    with tqdm(**bar, unit=unit, disable=not (verbose and left)) as bar:
        return lasting_jobs(function, left, n_jobs, bar.update)


@contextmanager
def one_thread():
    """Context with the same bits for any number of threads and processes."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)


def fitted(model, X, y, groups=None):
    """Fit a clone of a model, with the patients if it takes them.

    Returns the clone and the distinct texts of warnings. If the user interrupts a fit,
    the study ends, because half a training is not a result.
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

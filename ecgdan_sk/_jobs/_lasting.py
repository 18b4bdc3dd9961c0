"""Jobs that survive the loss of a worker."""

from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool

from joblib import Parallel, delayed

_N_LOSSES = 3
# Of packages that need not be there, by their names.
_LOST = {
    "KilledWorker",
    "ActorDiedError",
    "RayActorError",
    "OutOfMemoryError",
    "WorkerCrashedError",
}


def lasting_jobs(function, arguments, n_jobs=None, on_result=None):
    """Results of `function` for each tuple of arguments, in their order.

    If a process or machine is lost, its unfinished jobs run again. After three losses
    without any result between them, the error is raised.

    Parameters
    ----------
    function : callable
        A function of a module.
    arguments : list of tuple
        For each call.
    n_jobs : int or None, default=None
        As for `joblib.Parallel`.
    on_result : callable or None, default=None
        Called without arguments whenever a result has come.

    Returns
    -------
    list
        The results.
    """
    found, n_losses = {}, 0
    while len(found) < len(arguments):
        n_found = len(found)
        left = [i for i in range(len(arguments)) if i not in found]
        jobs = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
        try:
            # A new run, because a broken one loses the tasks sent to its workers.
            for i, result in jobs(
                delayed(_numbered)(function, i, arguments[i]) for i in left
            ):
                found[i] = result
                if on_result is not None:
                    on_result()
        except Exception as error:
            n_losses = 1 if len(found) > n_found else n_losses + 1
            if not _is_loss(error) or n_losses == _N_LOSSES:
                raise
    return [found[i] for i in range(len(arguments))]


def _numbered(function, i, arguments):
    """The result, with its number."""
    return i, function(*arguments)


def _is_loss(error):
    """Whether a worker was lost, rather than its work wrong."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, BrokenProcessPool | CancelledError) or bool(kinds & _LOST)

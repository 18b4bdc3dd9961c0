"""Where a warning points: to the line of the user, not into a library."""

import sys
import warnings

# What may stand between a line of the user and a warning of this package.
_BETWEEN = {
    __name__.partition(".")[0],
    *("joblib", "sklearn", "skorch", "sksurv", "torch", "tqdm"),
    *sys.stdlib_module_names,
}


def warn(message, category=UserWarning):
    """Warn at the last line of the user's own code.

    In a process of joblib there is no such line, and Python writes ``sys:1``. From
    Python 3.12 on, `skip_file_prefixes` of `warnings.warn` does the same.
    """
    frame, level = sys._getframe(), 1
    while frame is not None and _is_between(frame.f_globals):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_between(module):
    """Whether these globals belong to a library rather than to the user's code."""
    # What runs by `python -m` is called __main__, but its spec knows its name.
    spec = module.get("__spec__")
    name = module.get("__name__", "") if spec is None else spec.name
    return name.partition(".")[0] in _BETWEEN

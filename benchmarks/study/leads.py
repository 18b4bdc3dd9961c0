"""Leads of the fitted methods over one of them, by their test patients.

With a single draw of the outcome this is what can be said of differences, beside the
test over a few folds.
"""

import numpy as np
import pandas as pd
from scipy.stats import norm
from sksurv.util import Surv

from ecgdan_sk.metrics import paired_c_index_difference

from .folds import read_fold
from .tables import in_order

_WIDTH = norm.ppf(0.975)
# What no interval of these has in it.
LEAVES_OUT = (
    "Intervals are of the same fitted models on other test patients, by the influence "
    "of each patient on the difference within the folds. They leave out what another "
    "training set, seed or draw would change."
)


def leads(frame, reference):
    """Lead of each method over the reference, mean of the folds that both finished."""
    files = frame.pivot(index=["seed", "fold"], columns="method", values="file")
    rows = []
    for method in in_order(frame):
        if method == reference or reference not in files:
            continue
        both = files[[method, reference]].dropna()
        if len(both):
            names = ("difference of C", "low", "high")
            row = {"method": method, "folds": len(both)}
            rows.append(row | dict(zip(names, _lead(both.to_numpy(), both.index))))
    return pd.DataFrame(rows)


def _lead(pairs, index):
    """Mean difference over folds, and its interval.

    Folds of one repeat share no patient, so their variances add up. Repeats share all:
    the error of their mean is taken as the mean of their errors, which is its largest.
    """
    found = np.array([_of_fold(*files) for files in pairs])
    repeats = pd.Series(found[:, 1] ** 2).groupby(index.get_level_values("seed"))
    error = (np.sqrt(repeats.sum()) / repeats.size()).mean()
    value = found[:, 0].mean()
    return value, value - _WIDTH * error, value + _WIDTH * error


def _of_fold(*files):
    """Difference of C of two methods on one test fold, and its standard error."""
    a, b = (read_fold(file)[1] for file in files)
    if not np.array_equal(a["test"], b["test"]):
        raise ValueError(f"{files[0]} and {files[1]} have other test patients.")
    y = Surv.from_arrays(a["event"], a["time"])
    found = paired_c_index_difference(y, a["risk"], b["risk"], groups=a.get("patient"))
    return found.value, (found.high - found.low) / (2 * _WIDTH)

"""Every model on every fold, each kept as soon as it is finished."""

import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..explain import lead_group_shapley, lead_occlusion
from ..model_selection import RepeatedEventKFold
from ..validation._predictions import risks_by
from ._engine import fitted, one_thread, run_missing
from ._methods import NETWORK

_MOST_EXPLAINED = 100  # ECGs of the first fold


@dataclass(frozen=True)
class Plan:
    """Cohort of a study and its folds; `times` are the horizons of the risks."""

    inputs: object
    y: np.ndarray
    groups: np.ndarray | None
    methods: dict
    times: tuple
    n_splits: int
    n_repeats: int
    random_state: int

    def splits(self):
        """Training and test rows of each fold."""
        folds = RepeatedEventKFold(
            self.n_splits, n_repeats=self.n_repeats, random_state=self.random_state
        )
        return list(folds.split(self.y, self.y, self.groups))


def run_folds(plan, store, n_jobs, verbose):
    """Predictions of each model on each fold: {(method, fold): arrays}."""
    splits = plan.splits()
    steps = {
        f"{method}-fold{fold:02d}": (method, fold)
        for fold in range(len(splits))
        for method in plan.methods
    }
    # The longest first, so that no process waits for one at the end.
    order = sorted(steps, key=lambda step: steps[step][0] != NETWORK)
    calls = {step: (plan, *steps[step], splits, store, step) for step in order}
    run_missing(_run, calls, store, n_jobs, "Cross-validation", "fit", verbose)
    return {task: store.load(step) for step, task in steps.items()}


def warnings_of(results):
    """Lines on the warnings of each model, with the number of fits."""
    fits = Counter(method for method, _ in results)
    told = Counter(
        (method, str(text))
        for (method, _), arrays in results.items()
        for text in arrays["warnings"]
    )
    return [
        f"{n} of {fits[method]} fits of {method!r} warned: {text}"
        for (method, text), n in told.items()
    ]


def fitted_by(plan, method, rows):
    """A model fitted to some rows, and the texts of the warnings of the fit."""
    entry = plan.methods[method]
    X = plan.inputs.rows(entry.source, rows)
    groups = None if plan.groups is None else plan.groups[rows]
    with one_thread():
        return fitted(entry.make(), X, plan.y[rows], groups)


@contextmanager
def _as_checked():
    """Silence warnings of single high or low ECGs, which `check_ecgs` reports once.

    `check_ecgs` compares each ECG with all others, unfiltered. In filtered ECGs, which
    have less noise, the low voltage of some hearts looks like a wrong gain.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The amplitudes of .* are far from those of")
        yield


def _run(plan, method, fold, splits, store, step):
    """Fit, predict and store one model on one fold."""
    train, test = splits[fold]
    start = perf_counter()
    with one_thread(), _as_checked():
        model, told = fitted_by(plan, method, train)
        X = plan.inputs.rows(plan.methods[method].source, test)
        arrays = {
            "test": test,
            "warnings": np.array(told, dtype=str),
            "score": np.asarray(model.predict(X), np.float64),
            "risks": risks_by(model, X, np.asarray(plan.times)),
        }
        if method == NETWORK and fold == 0:
            arrays |= _leads(model, X)
    store.save(step, **arrays, seconds=np.array(perf_counter() - start))


def _leads(model, X):
    """Effect of each lead and group of leads on the risks of unseen patients."""
    risks = model.predict(X)
    n = min(len(X), _MOST_EXPLAINED)
    rows = np.argsort(risks, kind="stable")[np.linspace(0, len(X) - 1, n).astype(int)]
    occlusion, shares = (
        f(model, X[rows]) for f in (lead_occlusion, lead_group_shapley)
    )
    return {
        "leads": np.array(occlusion.leads),
        "lead_change": occlusion.change,
        "groups": np.array(shares.groups),
        "group_share": shares.values,
    }

"""Every model on every fold, each kept as soon as it is finished."""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from ..explain import lead_group_shapley, lead_occlusion
from ..model_selection import RepeatedEventKFold, fit_by_patient
from ..validation._predictions import risks_by
from ._methods import NETWORK

_MOST_EXPLAINED = 100  # ECGs of the first fold


@dataclass(frozen=True)
class Plan:
    """The cohort of a study and how it is divided; `times` are those of the risks."""

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
    """What each model predicts on each fold: {(method, fold): arrays}."""
    splits = plan.splits()
    tasks = {
        (method, fold): f"{method}-fold{fold:02d}"
        for fold in range(len(splits))
        for method in plan.methods
    }
    left = [task for task, name in tasks.items() if name not in store]
    # The longest first, so that no process waits for one at the end.
    left.sort(key=lambda task: task[0] != NETWORK)
    jobs = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(
        delayed(_run)(plan, method, fold, *splits[fold], store, tasks[method, fold])
        for method, fold in left
    )
    bar = {"disable": not verbose, "unit": "fit", "initial": len(tasks) - len(left)}
    for _ in tqdm(jobs, "Cross-validation", len(tasks), **bar):
        pass
    return {task: store.load(name) for task, name in tasks.items()}


def fitted(plan, method, rows):
    """A model fitted to some rows, with one thread, so that bits do not differ."""
    entry = plan.methods[method]
    model = entry.make()
    model = clone(model) if hasattr(model, "get_params") else model
    groups = None if plan.groups is None else plan.groups[rows]
    with uninterrupted():
        return fit_by_patient(
            model, plan.inputs.rows(entry.source, rows), plan.y[rows], groups
        )


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


@contextmanager
def uninterrupted():
    """Break off where the user does: half a training is no result."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")
        warnings.filterwarnings("error", "Training was interrupted")
        try:
            yield
        except UserWarning as error:
            raise KeyboardInterrupt from error


@contextmanager
def _as_checked():
    """Silent about single ECGs that are high or low, which `check_ecgs` tells.

    It holds each against a unit. Against the training ECGs, once they are filtered, the
    low voltage that some hearts have looks like a wrong gain, again in each fold.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The amplitudes of .* are far from those of")
        yield


def _run(plan, method, fold, train, test, store, name):
    """Fit, predict and store one model on one fold."""
    start = perf_counter()
    with one_thread(), _as_checked():
        model = fitted(plan, method, train)
        X = plan.inputs.rows(plan.methods[method].source, test)
        arrays = {
            "test": test,
            "score": np.asarray(model.predict(X), np.float64),
            "risks": risks_by(model, X, np.asarray(plan.times)),
        }
        if method == NETWORK and fold == 0:
            arrays |= _leads(model, X)
    store.save(name, **arrays, seconds=np.array(perf_counter() - start))


def _leads(model, X):
    """What each lead, and each group of leads, does to the risks of unseen patients."""
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

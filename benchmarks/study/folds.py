"""The folds: who is trained on whom, and one file for each that is finished."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.study._store import Store

from .cohorts import draw_of
from .scales import SEEDS, STACKS
from .scores import TIMES, scored

CURVE_METHODS = ("measurements", "compact", "compact-alignment")
_LEAST_EVENTS = 6  # in the training set, below which nothing is learned from a share


@dataclass(frozen=True)
class Task:
    """One method on one fold; `share` is the part of the training set it may see."""

    draw: int
    protocol: str
    n_splits: int
    seed: int
    fold: int
    method: str
    share: float = 1.0

    @property
    def split(self):
        """Name of the training set."""
        share = f"-share{self.share:g}" if self.share < 1 else ""
        return f"draw{self.draw:02d}-{self.protocol}-{self.seed}-fold{self.fold}{share}"

    @property
    def step(self):
        """Under which name the result is stored."""
        return f"folds/{self.split}~{self.method}"


def all_tasks(cohort, scale, methods, protocols):
    """Tasks of a study, a draw after the other."""
    tasks = []
    for draw in range(cohort.n_draws):
        for protocol in protocols:
            n_splits, seeds = scale.protocols[protocol]
            tasks += [
                Task(draw, protocol, n_splits, seed, fold, method)
                for seed in seeds
                for fold in range(n_splits)
                for method in methods
            ]
        tasks += _curve(draw, scale, methods, cohort)
    return tasks


def _curve(draw, scale, methods, cohort):
    """Tasks with a part of the training set, for the data-efficiency curve."""
    methods = [method for method in CURVE_METHODS if method in methods]
    if not methods:  # the patients need not be drawn to say so
        return []
    n_events = draw_of(cohort, 0).y["event"].sum()
    return [
        Task(draw, "2-fold", 2, SEEDS[0], fold, method, share)
        for share in scale.shares
        if share * n_events / 2 >= _LEAST_EVENTS
        for fold in range(2)
        for method in methods
    ]


def rows_of(task, draw):
    """Positions of the training and of the test patients."""
    folds = EventKFold(task.n_splits, random_state=task.seed).split(draw.X, draw.y)
    train, test = list(folds)[task.fold]
    if task.share < 1:
        train = _part(train, draw.y["event"], task.share, task.seed)
    return train, test


def _part(train, event, share, seed):
    """A share of the training patients, and the same share of their events."""
    rng = np.random.default_rng(seed)
    parts = []
    for rows in (train[event[train]], train[~event[train]]):
        parts.append(rng.permutation(rows)[: max(1, round(share * len(rows)))])
    return np.sort(np.concatenate(parts))


def keep(task, store, prediction, draw, train, test):
    """Store the scores and predictions of a finished fold, at once."""
    log_risk = None if draw.log_risk is None else draw.log_risk[test]
    scores = scored(prediction, draw.y[train], draw.y[test], log_risk)
    scores["n_train_events"] = int(draw.y["event"][train].sum())
    groups = draw.groups(test)
    patients = {}
    if groups is not None:
        patients["patient"] = np.unique(groups, return_inverse=True)[1]
    store.save(
        task.step,
        scores=np.array(json.dumps(scores)),
        test=test,
        risk=prediction.risk,
        survival=prediction.survival(TIMES),
        event=draw.y["event"][test],
        time=draw.y["time"][test],
        **patients,
    )


def results_of(task, names):
    """The tasks under whose names the results of one are kept."""
    if task.method != STACKS:
        return [task]
    return [replace(task, method=name) for name in names]


def read_fold(path):
    """Scores, and predictions for the test patients, of a finished fold."""
    arrays = Store(path.parent).load(path.stem)
    return json.loads(str(arrays.pop("scores"))), arrays


def read_all(out):
    """Every finished fold: its parts by name, its scores and its file."""
    rows = []
    for path in sorted(Path(out, "folds").glob("draw*.npz")):
        split, method = path.stem.split("~")
        draw, n_splits, _, seed, fold, *share = split.split("-")
        rows.append(
            {
                "draw": int(draw.removeprefix("draw")),
                "protocol": f"{n_splits}-fold",
                "n_splits": int(n_splits),
                "seed": int(seed),
                "fold": int(fold.removeprefix("fold")),
                "share": float(share[0].removeprefix("share")) if share else 1.0,
                "method": method,
                **read_fold(path)[0],
                "file": path,
            }
        )
    return rows

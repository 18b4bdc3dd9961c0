"""
Tuning without looking at the test patients
===========================================

A search tries many settings and keeps the one that scored best, so that its best score
is too good to be true. Here Optuna searches inside the training patients alone: for the
network and, for fairness, for the Cox model on measurements. What each search gained is
then read from patients that it never met. Signals and outcomes are simulated.
"""

# %%
# A cohort in two halves
# ----------------------
#
# One half is searched on, by cross-validation; the other is left alone to the end. The
# whole of `benchmarks/study --tune` does this in every fold of its own.

import argparse
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState
from skorch.callbacks import Callback

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.baselines import cox_measurements
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.metrics import bootstrap_ci, concordance_index
from ecgdan_sk.model_selection import EventKFold

parser = argparse.ArgumentParser(description="Nested search by Optuna.")
parser.add_argument("--n-samples", type=int, default=400, help="patients")
parser.add_argument("--n-trials", type=int, default=6, help="trials of each search")
parser.add_argument("--small", action="store_true", help="a quick run of 160 patients")
parser.add_argument("--storage", metavar="FILE", help="journal of the searches")
parser.add_argument("--picture", metavar="FILE", help="save the picture there")
options, _ = parser.parse_known_args()
n_samples, n_trials, max_epochs = options.n_samples, options.n_trials, 15
if options.small:
    n_samples, n_trials, max_epochs = 160, 5, 4

cohort = make_ecg_cohort(
    n_samples, sampling_rate=100, duration=5, event_rate=0.4, random_state=0
)
# Measurements learn nothing from other patients, so they are taken once for all.
table = ECGMeasurements(sampling_rate=100).fit_transform(cohort.X)
train, test = next(EventKFold(2, random_state=0).split(cohort.X, cohort.y))
print(f"{len(train)} patients to search on, {len(test)} to test on")

# %%
# A trial that ends early
# -----------------------
#
# After each epoch the trial learns the validation loss; a trial that is worse than the
# median of its predecessors at the same epoch is given up. The estimator trains with
# copies of its callbacks, but there is one trial: so the copy is the callback itself.


class ReportEpochs(Callback):
    """Report the negative validation loss of each epoch, and stop where pruned."""

    def __init__(self, trial, first_step):
        self.trial = trial
        self.first_step = first_step

    def __deepcopy__(self, memo):
        return self

    def on_epoch_end(self, net, **kwargs):
        """Report; raise where the trial is to end."""
        step = self.first_step + len(net.history) - 1
        self.trial.report(-net.history[-1, "valid_loss"], step)
        if self.trial.should_prune():
            raise optuna.TrialPruned


# %%
# What is searched
# ----------------
#
# The score of a trial is the mean C-index over the inner folds. Here it is one network
# of few epochs, and few trials, so that the search takes a minute; a search in earnest
# has many trials, and the epochs and networks of the final model.

shared = {"n_members": 1, "max_epochs": max_epochs, "random_state": 0}


def network(trial, **runtime):
    """A network with suggested settings."""
    return DualAttentionSurvival(
        lr=trial.suggest_float("lr", 3e-4, 1e-2, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        crop=trial.suggest_categorical("crop", [0.3, 0.5, 0.8]),
        **shared,
        **runtime,
    )


def cox(trial):
    """A Cox model with a suggested kind of penalty; its strength it chooses itself."""
    return cox_measurements(l1_ratio=trial.suggest_float("l1_ratio", 0.0, 1.0))[1:]


def inner_score(trial, make, X):
    """Mean C-index over the inner folds of the training patients."""
    y = cohort.y[train]
    scores = []
    folds = EventKFold(2, random_state=1)
    for k, (fit, held_out) in enumerate(folds.split(X, y)):
        model = make(trial, k).fit(X[fit], y[fit])
        scores.append(concordance_index(y[held_out], model.predict(X[held_out])))
    return np.mean(scores)


def inner_network(trial, k):
    """The network of one inner fold, which reports its epochs."""
    report = ReportEpochs(trial, first_step=k * max_epochs)
    return network(trial, callbacks=[report])


searches = {
    "network": (inner_network, network, cohort.X),
    "Cox": (lambda trial, k: cox(trial), cox, table),
}

# %%
# A search that can be killed
# ---------------------------
#
# The journal keeps every trial. Called again with the same ``--storage``, the search
# goes on; called in several processes or machines at once, they share the trials. A
# database URL serves as well.

finished = (TrialState.COMPLETE, TrialState.PRUNED)
folder = tempfile.TemporaryDirectory()
journal = options.storage or str(Path(folder.name, "journal"))
optuna.logging.set_verbosity(optuna.logging.WARNING)
studies = {}
for name, (inner, _, X) in searches.items():
    study = optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(journal)),
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
        load_if_exists=True,
    )
    n_done = len(study.get_trials(states=finished))
    # With the same seed a resumed search would try the same settings again.
    study.sampler = optuna.samplers.TPESampler(seed=n_done)
    if n_done < n_trials:
        study.optimize(
            lambda trial, inner=inner, X=X: inner_score(trial, inner, X[train]),
            callbacks=[MaxTrialsCallback(n_trials, states=finished)],
        )
    studies[name] = study
    n_pruned = len(study.get_trials(states=(TrialState.PRUNED,)))
    settings = {key: float(f"{value:.3g}") for key, value in study.best_params.items()}
    print(f"{name}: {n_trials} trials, {n_pruned} given up early; best {settings}")

# %%
# What the searches are worth
# ---------------------------
#
# The best inner score is the best of many, and of smaller training sets; the test score
# is fair. Beside it stands what the default settings reach on the same patients. A gain
# that is small beside the intervals is not shown; so short a search seldom shows one.

defaults = {
    "network": DualAttentionSurvival(**shared),
    "Cox": cox_measurements()[1:],
}
intervals = {}
for name, (_, make, X) in searches.items():
    for kind, model in [
        ("default", defaults[name]),
        ("tuned", make(studies[name].best_trial)),
    ]:
        risk = model.fit(X[train], cohort.y[train]).predict(X[test])
        interval = bootstrap_ci(concordance_index, cohort.y[test], risk, random_state=0)
        intervals[f"{name}, {kind}"] = interval
        low, high = interval.low, interval.high
        print(f"{name}, {kind}: test C {interval.value:.3f} ({low:.3f} to {high:.3f})")
    print(f"{name}: best inner score {studies[name].best_value:.3f}")

# %%
# On the left, the trials of both searches in their order. On the right, the test
# patients: intervals of 95 per cent say how much of a difference could be chance.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, color in zip(searches, ("C0", "C1")):
    trials = studies[name].get_trials(states=(TrialState.COMPLETE,))
    numbers = [trial.number for trial in trials]
    scores = [trial.value for trial in trials]
    left.plot(numbers, scores, "o", ms=4, color=color, label=name)
    left.plot(numbers, np.maximum.accumulate(scores), "-", lw=1, color=color)
left.set(xlabel="Trial", ylabel="C-index of the inner folds", title="Search")
left.legend(frameon=False)
for place, (name, interval) in enumerate(reversed(intervals.items())):
    color = "C0" if name.startswith("network") else "C1"
    ends = [[interval.value - interval.low], [interval.high - interval.value]]
    right.errorbar(interval.value, place, xerr=ends, fmt="o", color=color, capsize=3)
right.set_yticks(range(len(intervals)), list(reversed(intervals)))
right.set(xlabel="C-index of the test patients", title="Test")
fig.suptitle("Simulated patients: searched on one half, tested on the other")
folder.cleanup()
if options.picture:
    fig.savefig(options.picture, dpi=150)
else:
    plt.show()

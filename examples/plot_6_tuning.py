"""
Tuning without looking at the test patients
===========================================

A search tries many settings and keeps the one that scored best, so that its best score
is too good to be true. Here Optuna searches inside the training patients alone, and
what the search gained is read from patients that it never met. Signals and outcomes are
simulated.
"""

# %%
# A cohort in two halves
# ----------------------
#
# One half is searched on, by cross-validation; the other is left alone to the end. The
# whole of `benchmarks/study --tune` does this in every fold of its own, and for the Cox
# model on measurements as well.

import argparse
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from sklearn.model_selection import cross_val_score

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import bootstrap_ci, concordance_index
from ecgdan_sk.model_selection import EventKFold

parser = argparse.ArgumentParser(description="Nested search by Optuna.")
parser.add_argument("--n-samples", type=int, default=400, help="patients")
parser.add_argument("--n-trials", type=int, default=6, help="trials of the search")
parser.add_argument("--small", action="store_true", help="a quick run of 160 patients")
parser.add_argument("--storage", metavar="FILE", help="journal of the search")
parser.add_argument("--picture", metavar="FILE", help="save the picture there")
options, _ = parser.parse_known_args()
n_samples, n_trials, max_epochs = options.n_samples, options.n_trials, 15
if options.small:
    n_samples, n_trials, max_epochs = 160, 4, 4

cohort = make_ecg_cohort(
    n_samples, sampling_rate=100, duration=5, event_rate=0.4, random_state=0
)
train, test = next(EventKFold(2, random_state=0).split(cohort.X, cohort.y))
print(f"{len(train)} patients to search on, {len(test)} to test on")

# %%
# What is searched
# ----------------
#
# The score of a trial is the mean C-index over the inner folds. Here it is one network
# of few epochs, and few trials, so that the search takes a minute; a search in earnest
# has many trials, and the epochs and networks of the final model.

default = DualAttentionSurvival(n_members=1, max_epochs=max_epochs, random_state=0)


def network(trial):
    """A network with suggested settings."""
    return DualAttentionSurvival(
        lr=trial.suggest_float("lr", 3e-4, 1e-2, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        crop=trial.suggest_categorical("crop", [0.3, 0.5, 0.8]),
        n_members=1,
        max_epochs=max_epochs,
        random_state=0,
    )


def inner_score(trial):
    """Mean C-index over the inner folds of the training patients."""
    folds = EventKFold(2, random_state=1)
    return cross_val_score(
        network(trial), cohort.X[train], cohort.y[train], cv=folds
    ).mean()


# %%
# A search that can be killed, and shared
# ---------------------------------------
#
# The journal keeps every trial. Called again with the same ``--storage``, the search
# goes on; called in several processes or machines at once, they share the trials. The
# sampler has no seed: with one, each of them would try the same settings.

folder = tempfile.TemporaryDirectory()
journal = options.storage or str(Path(folder.name, "journal"))
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    study_name="network",
    storage=JournalStorage(JournalFileBackend(journal)),
    direction="maximize",
    load_if_exists=True,
)
if len(study.trials) < n_trials:
    study.optimize(inner_score, callbacks=[MaxTrialsCallback(n_trials)])
best = {name: float(f"{value:.3g}") for name, value in study.best_params.items()}
print(f"{n_trials} trials; best inner score {study.best_value:.3f} with {best}")

# %%
# What the search is worth
# ------------------------
#
# The best inner score is the best of many, and of smaller training sets; the test score
# is fair. Beside it stands what the default settings reach on the same patients: a gain
# that is small beside the intervals of 95 per cent is not shown.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
models = {"default": default, "tuned": network(study.best_trial)}
for place, (name, model) in enumerate(models.items()):
    risk = model.fit(cohort.X[train], cohort.y[train]).predict(cohort.X[test])
    found = bootstrap_ci(concordance_index, cohort.y[test], risk, random_state=0)
    print(f"{name}: test C {found.value:.3f} ({found.low:.3f} to {found.high:.3f})")
    ends = [[found.value - found.low], [found.high - found.value]]
    right.errorbar(found.value, place, xerr=ends, fmt="o", capsize=3)
right.set_yticks([0, 1], models)
right.set(xlabel="C-index of the test patients", ylim=(-0.5, 1.5), title="Test")
scores = [trial.value for trial in study.trials if trial.value is not None]
left.plot(scores, "o", label="a trial")
left.plot(np.maximum.accumulate(scores), label="the best so far")
left.set(xlabel="Trial", ylabel="C-index of the inner folds", title="Search")
left.legend(frameon=False)
fig.suptitle("Simulated patients: searched on one half, tested on the other")
folder.cleanup()
if options.picture:
    fig.savefig(options.picture, dpi=150)
else:
    plt.show()

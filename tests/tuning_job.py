"""Part of a search: `python tuning_job.py STORAGE N_TRIALS [die]`, several at once.

As the guide has it, but for an objective that takes no time.
"""

import os
import sys

import optuna
from optuna.storages import (
    JournalStorage,
    RDBStorage,
    RetryHeartbeatStaleTrialCallback,
)
from optuna.storages.journal import JournalFileBackend


def storage(place):
    """A journal for a file, a database for a URL."""
    if "://" not in place:
        return JournalStorage(JournalFileBackend(place))
    return RDBStorage(
        place,
        heartbeat_interval=1,
        grace_period=2,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
    )


def search(place, n_trials, dies=False):
    """Add so many trials; `dies` ends the process within the first."""

    def objective(trial):
        lr = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        if dies:
            os._exit(1)
        return -((lr - 1e-3) ** 2) - trial.suggest_float("dropout", 0.0, 0.5)

    study = optuna.create_study(
        study_name="risk",
        storage=storage(place),
        load_if_exists=True,
        direction="maximize",
    )
    study.optimize(objective, n_trials=n_trials)
    return study


if __name__ == "__main__":
    search(sys.argv[1], int(sys.argv[2]), "die" in sys.argv)

"""Hyper-parameter search by Optuna inside a training set."""

import numpy as np
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.architectures import Compact
from ecgdan_sk.baselines import cox_measurements, gradient_boosting
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.model_selection import RepeatedEventKFold


class ReportEpochs(Callback):
    """Tell an Optuna trial the validation loss of each epoch; stop where it is pruned.

    Parameters
    ----------
    trial : optuna.Trial
        The trial.
    first_step : int
        Step of the first epoch, so that the folds of a trial follow each other.
    """

    def __init__(self, trial, first_step=0):
        self.trial = trial
        self.first_step = first_step

    def __deepcopy__(self, memo):
        # The estimator trains with copies, but there is one trial.
        return self

    def on_epoch_end(self, net, **kwargs):
        """Report; higher is better, as for the concordance."""
        from optuna import TrialPruned

        step = self.first_step + len(net.history) - 1
        self.trial.report(-net.history[-1, "valid_loss"], step)
        if self.trial.should_prune():
            raise TrialPruned


class Tuned(BaseEstimator):
    """An estimator whose settings Optuna chose by cross-validation inside `fit`.

    Parameters
    ----------
    make : callable
        `make(trial)` gives an estimator with suggested settings.
    n_trials : int
        Trials in all, over all processes and resumed searches.
    folds : tuple of int
        Inner folds and their repeats.
    storage : str
        A database URL, or the file of a journal.
    study_name : str
        Name of the search in the storage; a search of that name goes on.

    Attributes
    ----------
    best_estimator_ : object
        Fitted to all training samples with the best settings.
    study_ : optuna.Study
        The search.
    """

    def __init__(self, make, n_trials, folds, storage, study_name):
        self.make = make
        self.n_trials = n_trials
        self.folds = folds
        self.storage = storage
        self.study_name = study_name

    def fit(self, X, y):
        """Search, then fit the best settings."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study_ = optuna.create_study(
            storage=storage_of(self.storage),
            study_name=self.study_name,
            direction="maximize",
            load_if_exists=True,
        )
        done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
        n_done = len(self.study_.get_trials(states=done))
        # A sampler that starts with the same seed would repeat its first trials.
        self.study_.sampler = optuna.samplers.TPESampler(seed=n_done)
        self.study_.pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
        if n_done < self.n_trials:
            enough = optuna.study.MaxTrialsCallback(self.n_trials, states=done)
            self.study_.optimize(lambda t: self._score(t, X, y), callbacks=[enough])
        best = self.make(self.study_.best_trial)
        self.best_estimator_ = best.fit(X, y)
        return self

    def predict(self, X):
        """Log risk by the best estimator."""
        return self.best_estimator_.predict(X)

    def predict_survival_function(self, X):
        """Survival functions by the best estimator."""
        return self.best_estimator_.predict_survival_function(X)

    def _score(self, trial, X, y):
        """Mean concordance over the inner folds."""
        n_splits, n_repeats = self.folds
        cv = RepeatedEventKFold(n_splits, n_repeats=n_repeats, random_state=0)
        scores = []
        for k, (train, test) in enumerate(cv.split(X, y)):
            model = self.make(trial)
            if isinstance(model, DualAttentionSurvival):
                # One network tells settings apart for a third of the price.
                report = ReportEpochs(trial, k * model.max_epochs)
                model.set_params(n_members=1, callbacks=[report])
            risk = model.fit(X[train], y[train]).predict(X[test])
            scores.append(concordance_index(y[test], risk))
        return float(np.mean(scores))


def storage_of(storage):
    """An Optuna storage from a database URL or the path of a journal."""
    if "://" in storage:
        return storage
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(storage))


def _tuned(job, make):
    """The search of one fold."""
    scale = job.scale
    return Tuned(make, scale.n_trials, scale.tuning_folds, job.storage, job.study_name)


def tuned_cox(job):
    """Elastic-net Cox model of measurements: the kind of its penalty is searched."""

    def make(trial):
        return cox_measurements(l1_ratio=trial.suggest_float("l1_ratio", 0.0, 1.0))[1:]

    return _tuned(job, make)


def tuned_boosting(job):
    """Gradient boosting on measurements."""

    def make(trial):
        boosting = gradient_boosting()[1:]
        boosting[-1].set_params(
            learning_rate=trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
            n_estimators=trial.suggest_int("n_estimators", 25, job.scale.n_trees),
            max_depth=trial.suggest_int("max_depth", 1, 4),
            subsample=trial.suggest_float("subsample", 0.3, 1.0),
        )
        return boosting

    return _tuned(job, make)


def tuned_compact(job):
    """Search space of the compact network: its most influential parameters."""

    def make(trial):
        changes = {
            "lr": trial.suggest_float("lr", 3e-4, 1e-2, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
            "crop": trial.suggest_categorical("crop", [0.3, 0.5, 0.8]),
            "lead_masking": trial.suggest_float("lead_masking", 0.0, 0.5),
            "architecture": Compact(
                n_channels=trial.suggest_categorical("n_channels", [16, 32])
            ),
        }
        return DualAttentionSurvival(
            **{**job.scale.network, **changes}, random_state=job.seed
        )

    return _tuned(job, make)

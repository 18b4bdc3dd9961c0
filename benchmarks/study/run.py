"""Running the tasks of a study: inputs first, then encoders, then folds."""

import shutil
import traceback
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from ecgdan_sk.study._engine import fitted, one_thread, run_missing

from .cohorts import draw_of
from .folds import keep, results_of, rows_of
from .inputs import STORED, input_of, input_step, prepare_input, pretraining_input
from .methods import METHODS, Job
from .networks import pretrain
from .scales import STACKS
from .scores import Prediction, n_parameters
from .stacks import BASES, PRETRAINED_BASES, fit_stacks, stack_names


class Study:
    """A cohort, a scale and a folder; what is in the folder already is not done again.

    Parameters
    ----------
    cohort : SimulatedCohort or StoredCohort
        Patients.
    scale : Scale
        Sizes.
    store : Store
        Of the results.
    storage : str or None
        Of the hyper-parameter searches; None is a journal in the folder.
    weights : dict or None
        Files of foundation models, by name.
    """

    def __init__(self, cohort, scale, store, storage=None, weights=None):
        self.cohort = cohort
        self.scale = scale
        self.store = store
        self.weights = weights
        self.storage = storage or str(store.folder / "tuning.journal")
        self.bases = PRETRAINED_BASES if cohort.pretrains else BASES

    def run(self, tasks, n_jobs):
        """Run what is missing; return the errors of folds that failed."""
        left = [task for task in tasks if not self._is_done(task)]
        inputs = {
            input_step(task.draw, name): (task.draw, name)
            for task in left
            for name in self._inputs(task)
        }
        encoders = {
            self._encoder(task, method): (task, method)
            for task in left
            for method in self._pretrained(task)
        }
        stages = [
            ("Inputs", self.prepare, inputs),
            ("Encoders", self.pretrain, encoders),
            ("Folds", self.fit, {task.step: (task,) for task in left}),
        ]
        found = [
            run_missing(function, calls, self.store, n_jobs, title)
            for title, function, calls in stages
        ]
        return [error for errors in found for error in errors if error]

    def prepare(self, draw, name):
        """Compute what methods read of the ECGs of a draw."""
        prepare_input(self.cohort, draw, name, self.store, self.weights)

    def pretrain(self, task, method):
        """Pretrain the encoder that a method starts from on a fold."""
        entry = METHODS[method]
        X, reports = pretraining_input(self.cohort, entry.input, self.store)
        if self.cohort.has_reports:  # of the patients themselves: never the test ones
            whole = replace(task, share=1.0)  # a report needs no event
            train, _ = rows_of(whole, draw_of(self.cohort, task.draw))
            X, reports = X[train], [reports[i] for i in train]
        path = self._encoder(task, method)
        pretrain(X, reports, entry.objective, entry.architecture, self.scale, path)

    def fit(self, task):
        """Fit, predict and store; an error is returned, for the others to go on."""
        try:
            draw = draw_of(self.cohort, task.draw)
            train, test = rows_of(task, draw)
            fit = self._fit_stacks if task.method == STACKS else self._fit_one
            with one_thread():
                found = fit(task, draw, train, test)
            for result, prediction in zip(results_of(task, self._stacks()), found):
                keep(result, self.store, prediction, draw, train, test)
            shutil.rmtree(self._checkpoints(task), ignore_errors=True)
        except Exception:
            return f"{task.split} {task.method}\n{traceback.format_exc()}"
        return None

    def _fit_one(self, task, draw, train, test):
        """The prediction of a single method, in a list."""
        X, seconds = self._input(task.draw, METHODS[task.method].input)
        start = perf_counter()
        estimator = self._estimator(task, task.method, len(train))
        groups = draw.groups(train)
        model, _ = fitted(estimator, X[train], draw.y[train], groups)
        seconds = perf_counter() - start + seconds * len(train)
        curves = np.asarray(model.predict_survival_function(X[test]))
        risk = model.predict(X[test])
        return [Prediction(risk, curves, seconds, n_parameters(model))]

    def _fit_stacks(self, task, draw, train, test):
        """Predictions of all stacks, in the order of their names."""
        bases = {
            name: (
                self._estimator(task, name, len(train)),
                *self._input(task.draw, METHODS[name].input),
            )
            for name in self.bases
        }
        return list(fit_stacks(bases, draw, train, test).values())

    def _estimator(self, task, method, n_train):
        entry = METHODS[method]
        encoder = None if entry.objective is None else self._encoder(task, method)
        study_name = f"{task.split} {method}"
        # Draws vary by the weights that networks start from, as new studies would.
        seed = task.seed + 1000 * task.draw
        return entry.build(
            Job(
                self.scale,
                n_train,
                seed,
                encoder,
                self.storage,
                study_name,
                self._checkpoints(task),
            )
        )

    def _checkpoints(self, task):
        """Folder of the trainings of a fold, from where a killed one goes on."""
        return str(self.store.folder / "checkpoints" / Path(task.step).name)

    def _encoder(self, task, method):
        """File of an encoder: one for all folds, unless it is pretrained on each."""
        entry = METHODS[method]
        whole = replace(task, share=1.0)
        where = whole.split if self.cohort.has_reports else "all"
        name = f"{where}-{entry.architecture}-{entry.objective}.safetensors"
        return str(self.store.folder / "encoders" / name)

    def _input(self, draw, name):
        return input_of(self.cohort, draw, name, self.store)

    def _inputs(self, task):
        """Stored inputs of a task."""
        names = {METHODS[name].input.split("+")[-1] for name in self._methods(task)}
        return sorted(names & set(STORED))

    def _pretrained(self, task):
        return [name for name in self._methods(task) if METHODS[name].objective]

    def _methods(self, task):
        return self.bases if task.method == STACKS else [task.method]

    def _stacks(self):
        return stack_names(self.bases)

    def _is_done(self, task):
        results = results_of(task, self._stacks())
        return all(result.step in self.store for result in results)

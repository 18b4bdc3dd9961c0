"""Cox models of the out-of-fold risks of several methods, nested in a training set."""

import time

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.study._engine import fitted

from .scores import Prediction

BASES = ("age-sex", "measurements", "compact")
PRETRAINED_BASES = ("age-sex", "measurements", "compact-alignment")
# Which bases are united, by their places.
_UNIONS = ((0, 1), (0, 2), (1, 2), (0, 1, 2))
_N_INNER = 3


def stack_names(bases):
    """Names of the stacks in the tables."""
    return [" + ".join(bases[i] for i in union) for union in _UNIONS]


def fit_stacks(bases, draw, train, test):
    """Predictions of every union of `bases`.

    They map a name to an estimator, its input, and the seconds that the input took for
    each ECG. Each base is fitted to the inner folds of the training set, for risks that
    the Cox model of the stack may learn from, and to all of it, for the test patients.
    """
    inside, tested, seconds = [], [], []
    for estimator, X, seconds_each in bases.values():
        start = time.perf_counter()
        risks = _risks(estimator, X, draw, train, test)
        inside.append(risks[0])
        tested.append(risks[1])
        spent = time.perf_counter() - start
        seconds.append(spent + seconds_each * len(train))
    inside, tested = np.column_stack(inside), np.column_stack(tested)
    predictions = {}
    for name, union in zip(stack_names(list(bases)), _UNIONS):
        cox = make_pipeline(StandardScaler(), PenalisedCox())
        cox.fit(inside[:, union], draw.y[train])
        predictions[name] = Prediction(
            cox.predict(tested[:, union]),
            cox.predict_survival_function(tested[:, union]),
            sum(seconds[i] for i in union),
            np.nan,
        )
    return predictions


def _risks(estimator, X, draw, train, test):
    """Out-of-fold risks of the training patients, and risks of the test patients."""

    def centred(train, test):
        # The origin of log risks differs between fits.
        model, _ = fitted(estimator, X[train], draw.y[train], draw.groups(train))
        return model.predict(X[test]) - model.predict(X[train]).mean()

    inside = np.empty(len(train))
    folds = EventKFold(_N_INNER, random_state=0)
    for part, held_out in folds.split(train, draw.y[train], draw.groups(train)):
        inside[held_out] = centred(train[part], train[held_out])
    return inside, centred(train, test)

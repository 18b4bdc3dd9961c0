"""Warnings: they point at the line of the user, whatever runs in between."""

import warnings
from functools import partial
from importlib.machinery import ModuleSpec
from inspect import currentframe
from threading import Thread

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from ecgdan_sk._warnings import warn
from ecgdan_sk._warnings._user_line import _is_between
from ecgdan_sk.model_selection import EventKFold, out_of_fold
from ecgdan_sk.study._engine import fitted
from ecgdan_sk.study._folds import warnings_of

PATIENTS = [None, *range(59)]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = Surv.from_arrays(np.arange(60) % 2 == 0, rng.exponential(size=60))
    return rng.normal(size=(60, 2)), y


def by_the_splitter(X, y):
    return list(EventKFold(2, random_state=0).split(X, y, PATIENTS)), line()


def by_this_package(X, y):
    return out_of_fold(CoxPHSurvivalAnalysis(), X, y, 2, groups=PATIENTS), line()


def by_scikit_learn(X, y):
    cox, cv = CoxPHSurvivalAnalysis(), EventKFold(2, random_state=0)
    return cross_val_score(cox, X, y, groups=PATIENTS, cv=cv), line()


def line():
    """Number of the line that calls this."""
    return currentframe().f_back.f_lineno


@pytest.mark.parametrize("call", [by_the_splitter, by_this_package, by_scikit_learn])
def test_a_warning_points_at_the_line_of_the_user(call, data):
    with pytest.warns(UserWarning, match="no patient identifier") as caught:
        _, at = call(*data)
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, at)]


def test_the_category_is_kept():
    with pytest.warns(DeprecationWarning, match="old") as caught:
        warn("It is old.", DeprecationWarning)
    assert caught[0].filename == __file__


def test_where_no_line_is_the_users_no_library_is_shown():
    def run_elsewhere():
        thread = Thread(target=partial(warn, "from a thread"))
        thread.start()
        thread.join()

    with pytest.warns(UserWarning, match="from a thread") as caught:
        run_elsewhere()
    assert (caught[0].filename, caught[0].lineno) == ("sys", 1)


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        ("ecgdan_sk.records._records", None, True),
        ("sklearn.base", None, True),
        ("contextlib", None, True),
        ("ecgdan_sketches", None, False),
        ("__main__", None, False),
        ("__main__", "ecgdan_sk.__main__", True),
        ("__main__", "joblib.externals.loky.backend.popen_loky_posix", True),
        ("__main__", "study.run", False),
    ],
)
def test_whose_line_it_is(name, spec, expected):
    module = {"__name__": name, "__spec__": spec and ModuleSpec(spec, None)}
    assert _is_between(module) is expected


class Warns(BaseEstimator):
    """Warns as a model does that did not converge, and as a library that ages."""

    def fit(self, X, y):
        warnings.warn("No convergence.", ConvergenceWarning, stacklevel=2)
        warnings.warn("An old name.", FutureWarning, stacklevel=2)
        return self


def test_a_study_tells_in_its_log_what_fits_warned_of():
    for _ in range(2):  # said again, although it was said from the same line
        _, told = fitted(Warns(), np.zeros((4, 1)), np.zeros(4))
        assert told == ["No convergence."]
    results = {("Cox", 0): {"warnings": np.array(told)}}
    results |= {("Cox", 1): {"warnings": np.array([], dtype=str)}}
    assert warnings_of(results) == ["1 of 2 fits of 'Cox' warned: No convergence."]

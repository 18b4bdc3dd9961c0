"""What users see: names, submodules on first use, and models that are not fitted."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sksurv.util import Surv

import ecgdan_sk
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.reports import SentenceEncoder

MODULES = [
    importlib.import_module(name)
    for _, name, _ in pkgutil.walk_packages(ecgdan_sk.__path__, "ecgdan_sk.")
    if "._" not in name
]
PRIVATE = {"SurvivalLoss", "as_records", "present_leads", "lead_tokens"}

# Arguments by name, for whatever method asks for them.
GIVEN = {
    "X": np.random.default_rng(0).standard_normal((4, 12, 500)).astype(np.float32),
    "y": Surv.from_arrays([True] * 4, [1.0, 2.0, 3.0, 4.0]),
    "reports": ["sinus rhythm"] * 4,
    "texts": ["sinus rhythm"] * 4,
    "prompts": ["sinus rhythm", "atrial fibrillation"],
    "times": [1.0],
    "time": 1.0,
}
NO_ANSWERS = {"fit", "fit_transform", "load", "paper", "set_params", "set_output"}
NO_ANSWERS |= {"get_params", "get_metadata_routing"}


def estimators():
    """One of each public estimator."""
    for thing in (getattr(m, name) for m in MODULES for name in m.__all__):
        if inspect.isclass(thing) and issubclass(thing, BaseEstimator):
            needed = [
                PenalisedCox() if parameter.name == "estimator" else 100
                for parameter in inspect.signature(thing).parameters.values()
                if parameter.default is parameter.empty
            ]
            yield thing(*needed)


def answers(estimator):
    """Names of the methods that answer from what `fit` learned."""
    for name, _ in inspect.getmembers(estimator, inspect.ismethod):
        request = name.startswith("set_") and name.endswith("_request")
        if name[0] != "_" and name not in NO_ANSWERS and not request:
            yield name


CASES = {
    f"{type(estimator).__name__}.{name}": (estimator, name)
    for estimator in estimators()
    if get_tags(estimator).requires_fit and not isinstance(estimator, SentenceEncoder)
    for name in answers(estimator)
}


@pytest.mark.parametrize(("estimator", "name"), CASES.values(), ids=CASES)
def test_unfitted_estimators_say_so(estimator, name, tmp_path):
    method = getattr(estimator, name)
    given = {**GIVEN, "path": tmp_path / "model.safetensors"}
    asked = [
        given[parameter.name]
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    with pytest.raises(NotFittedError, match=type(estimator).__name__):
        method(*asked)
    assert not list(tmp_path.iterdir())


def test_the_unfitted_include_all_that_learn():
    tested = {case.split(".")[0] for case in CASES}
    assert {"DualAttentionSurvival", "ECGReportPretrainer"} <= tested
    assert {"CalibratedSurvival", "PenalisedCox", "WithCensoring"} <= tested


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_modules_say_what_is_public(module):
    assert module.__all__ == sorted(module.__all__, key=lambda n: (not n.isupper(), n))
    assert all(hasattr(module, name) for name in module.__all__)
    assert not PRIVATE & set(module.__all__)
    assert not [name for name in module.__all__ if name[0] == "_"]


def test_the_top_holds_the_estimators_alone():
    estimators = {"DualAttentionSurvival", "ECGReportPretrainer"}
    assert set(ecgdan_sk.__all__) == {*estimators, "__version__"}
    rooms = {module.__name__.split(".")[1] for module in MODULES}
    assert set(dir(ecgdan_sk)) == rooms | set(ecgdan_sk.__all__)


def test_submodules_are_there_on_first_use():
    code = (
        "import sys, ecgdan_sk; assert 'ecgdan_sk.datasets' not in sys.modules;"
        "print(ecgdan_sk.datasets.read_ecg.__module__, hasattr(ecgdan_sk, 'nothing'))"
    )
    run = [sys.executable, "-W", "ignore", "-c", code]
    printed = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["ecgdan_sk.datasets._read_ecg", "False"]

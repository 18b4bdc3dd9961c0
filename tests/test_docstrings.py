"""Docstrings say what signatures say: the same names, order and defaults."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil

import pytest
from numpydoc.docscrape import NumpyDocString

import ecgdan_sk

# Their signatures are annotated: types and defaults stand there, shapes in comments.
ANNOTATED = {"augmentation", "losses", "network", "paper_network"}


def public_modules():
    walk = pkgutil.walk_packages(ecgdan_sk.__path__, "ecgdan_sk.")
    public = [name for _, name, _ in walk if "._" not in name]
    return [ecgdan_sk, *map(importlib.import_module, public)]


def public_objects(module):
    """Classes and functions that a module, or a folder of private ones, offers."""
    is_package = hasattr(module, "__path__")
    for name in getattr(module, "__all__", [n for n in vars(module) if n[0] != "_"]):
        thing = getattr(module, name)
        home = getattr(thing, "__module__", "")
        at_home = (
            home.startswith("ecgdan_sk") if is_package else home == module.__name__
        )
        if at_home and (inspect.isclass(thing) or inspect.isfunction(thing)):
            yield thing


def public_methods(cls):
    for name, method in vars(cls).items():
        # `forward` is how torch spells a call: the class describes it.
        if name[0] != "_" and name != "forward" and inspect.isfunction(method):
            yield method


OBJECTS = [thing for module in public_modules() for thing in public_objects(module)]
METHODS = [m for cls in OBJECTS if inspect.isclass(cls) for m in public_methods(cls)]
EVERYTHING = list(dict.fromkeys(OBJECTS + METHODS))
FULL = [t for t in EVERYTHING if t.__module__.rpartition(".")[2] not in ANNOTATED]


def is_result(thing):
    """A dataclass that functions return, or an exception: nobody makes one."""
    made = dataclasses.is_dataclass(thing) and not documented(thing)
    return inspect.isclass(thing) and (made or issubclass(thing, Exception))


def name_of(thing):
    return f"{thing.__module__.removeprefix('ecgdan_sk.')}.{thing.__qualname__}"


def documented(thing):
    """Parameter -> text of its default, None where it has none, ... where ignored."""
    defaults = {}
    sections = NumpyDocString(inspect.getdoc(thing))
    # An estimator lists apart those that few have to set.
    for parameter in sections["Parameters"] + sections["Other Parameters"]:
        _, found, default = parameter.type.partition("default=")
        ignored = " ".join(parameter.desc).startswith("Ignored")
        for name in parameter.name.split(", "):
            defaults[name.lstrip("*")] = ... if ignored else default if found else None
    return defaults


def declared(thing):
    parameters = inspect.signature(thing).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "self"}


def same_default(text, default):
    if text is ...:
        return True
    if text is None or default is inspect.Parameter.empty:
        return text is None and default is inspect.Parameter.empty
    try:
        return ast.literal_eval(text) == default
    except (SyntaxError, ValueError):
        return text == str(default)


@pytest.mark.parametrize("thing", EVERYTHING, ids=name_of)
def test_summary_is_one_sentence(thing):
    assert thing.__doc__, "no docstring"
    summary = inspect.getdoc(thing).split("\n\n")[0]
    assert "\n" not in summary
    assert summary.endswith((".", "?"))


@pytest.mark.parametrize("thing", EVERYTHING, ids=name_of)
def test_parameters_match_the_signature(thing):
    if is_result(thing):
        return
    said, real = documented(thing), declared(thing)
    if thing not in FULL and not said:
        return
    assert list(said) == list(real)
    wrong = {n: (said[n], real[n]) for n in real if not same_default(said[n], real[n])}
    assert not wrong


@pytest.mark.parametrize("thing", FULL, ids=name_of)
def test_result_is_described(thing):
    if inspect.isclass(thing):
        return
    sections = NumpyDocString(inspect.getdoc(thing))
    assert sections["Returns"] or sections["Yields"]


@pytest.mark.parametrize("thing", [t for t in OBJECTS if t in FULL], ids=name_of)
def test_there_is_an_example(thing):
    assert is_result(thing) or ">>>" in inspect.getdoc(thing)


@pytest.mark.parametrize("thing", [*filter(is_result, OBJECTS)], ids=name_of)
def test_attributes_of_a_result_are_described(thing):
    sections = NumpyDocString(inspect.getdoc(thing))
    names = [n for a in sections["Attributes"] for n in a.name.split(", ")]
    fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    assert {field.name for field in fields} <= set(names)


def test_the_public_surface_is_found():
    names = {thing.__name__ for thing in EVERYTHING}
    assert {"DualAttentionSurvival", "load_ptbxl", "ECGRecords", "cox_loss"} <= names
    assert {"fit", "predict", "split", "select_leads"} <= names

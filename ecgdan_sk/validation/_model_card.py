"""A model card: the model, its training data, and its validation."""

import json
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from .._version import __version__
from ._age import AgeDependence
from ._incremental import IncrementalValue
from ._page import told
from ._robustness import Robustness
from ._subgroups import Subgroups
from ._validate import ValidationReport

_TO_WRITE = "*To be written by you.*"
_USE = f"""## Intended use

{_TO_WRITE} For whom, by whom, for which decision; and for whom not.
The model gives risks, no diagnosis.

## Data

{_TO_WRITE} Where and when the ECGs were recorded, by which devices, how the outcome was
ascertained, who was left out."""
_LIMITS = f"""## Limits

{_TO_WRITE} Groups that were few or absent, devices never seen, outcomes of another
kind. Validate and recalibrate the model before it is used at another site."""
_FLATTERS = "The best epoch was chosen on these ECGs, so that the figures flatter."
_PACKAGES = ("torch", "scikit-learn", "scikit-survival", "numpy")


def model_card(estimator, *results, name, license="other"):
    """Describe a fitted model in the form of the model cards of the Hugging Face hub.

    The card holds all that the model and the results tell. Marks show where you have to
    add something, such as the intended use. It holds no ECG, identifier or value of a
    single patient.

    Parameters
    ----------
    estimator : estimator
        Fitted survival estimator. If it has `summary`, such as `DualAttentionSurvival`,
        the card also describes the training cohort.
    *results : ValidationReport, Subgroups, Robustness, AgeDependence, IncrementalValue
        Results of the functions of `ecgdan_sk.validation`, in the order of the card.
    name : str
        Of the model.
    license : str, default="other"
        Identifier of its licence on the hub, such as "cc-by-4.0".

    Returns
    -------
    str
        Markdown with a YAML head. Save it as "README.md" beside the model.

    Raises
    ------
    TypeError
        If a result is of another kind.

    References
    ----------
    Mitchell et al. (2019), Model cards for model reporting, FAT* '19, 220-229.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.validation import model_card, validate
    >>> X, y = load_whas500()
    >>> X = X.astype(float).to_numpy()
    >>> cox = CoxPHSurvivalAnalysis().fit(X[:250], y[:250])
    >>> report = validate(cox, X[250:], y[250:], times=365, n_bootstrap=0)
    >>> model_card(cox, report, name="Cox model").splitlines()[1]
    'library_name: "ecgdan_sk"'
    """
    check_is_fitted(estimator)
    parts = [_head(name, license), _what(estimator), _USE, *map(_found, results)]
    return "\n\n".join([*parts, _LIMITS, _environment()]) + "\n"


def _head(name, license):
    """YAML that the hub reads; JSON strings are YAML, whatever they hold."""
    fields = {"library_name": "ecgdan_sk", "license": license}
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items()]
    tags = "tags: [ecg, survival-analysis, tabular-regression]"
    return "\n".join(["---", *lines, tags, "---", "", f"# {name}"])


def _what(estimator):
    text = ["## The model", f"A fitted `{type(estimator).__name__}`."]
    if not hasattr(estimator, "summary"):
        return "\n\n".join([*text, f"Fitted to: {_TO_WRITE}"])
    found = estimator.summary()
    if found.settings:
        settings = ", ".join(f"`{k}={v!r}`" for k, v in found.settings.items())
        text.append(f"Settings that differ from their defaults: {settings}.")
    facts = pd.DataFrame({"": [told(v) for v in found.data.values()]}, found.data)
    text += ["### Fitted to", _markdown(facts), "### Its own validation", _FLATTERS]
    return "\n\n".join([*text, _markdown(found.networks)])


def _found(result):
    """Section of the card for one result."""
    if isinstance(result, ValidationReport):
        return "## Validation\n\n" + result.to_markdown().strip()
    for kind, (title, tables) in _KINDS.items():
        if isinstance(result, kind):
            blocks = [_markdown(getattr(result, table)) for table in tables]
            return "\n\n".join([f"## {title}", *blocks])
    known = ", ".join(k.__name__ for k in (ValidationReport, *_KINDS))
    raise TypeError(
        f"Expected results of ecgdan_sk.validation ({known}), got "
        f"{type(result).__name__}. Pass what these functions returned."
    )


_KINDS = {
    Subgroups: ("Subgroups", ("table", "tests")),
    Robustness: ("Robustness", ("table",)),
    AgeDependence: ("How much of it is age", ("hazard_ratios", "by_band")),
    IncrementalValue: ("Beyond the reference", ("differences",)),
}


def _environment():
    names = [f"ecgdan_sk {__version__}"]
    for package in _PACKAGES:
        try:
            names.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "## Made with\n\n" + ", ".join(names)


def _markdown(table):
    """A DataFrame as a table of Markdown, its index first."""
    table = table.reset_index()
    names = ["" if name == "index" else str(name) for name in table.columns]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(map(_cell, row)) + " |")
    return "\n".join(lines)


def _cell(value):
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating) and np.isnan(value):
        return ""
    return told(value).replace("|", "\\|").replace("\n", " ")

"""The house rules: who imports whom, what loads what, and how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ecgdan_sk"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}

# What a module, or a folder of private modules, may import of the rest of the package.
# A new one is a new line here and in the design, with a reason of its own and a place.
MAY_IMPORT = {
    "_baseline": {"_risk_sums"},
    "_beats": set(),
    "_delineation": set(),
    "_risk_sums": set(),
    "_record_checks": set(),
    "_signal_sources": set(),
    "_lazy_signals": {"_signal_sources"},
    "_record_files": {"_lazy_signals"},
    "_validation": {"_lazy_signals"},
    "augmentation": set(),
    "losses": set(),
    "network": set(),
    "paper_network": set(),
    "records": {"_lazy_signals", "_record_files", "_record_checks"},
    "_censoring": {"_validation"},
    "_curves": set(),
    "_ecg_input": {"_validation", "records"},
    "_likelihoods": {"_baseline", "losses"},
    "_members": {"_training"},
    "_outcomes": {"_validation"},
    "_report_cleaning": set(),
    "_state": set(),
    "_tensor_files": set(),
    "_version": set(),
    "_paper_risk": {"network", "paper_network", "records"},
    "_covariates": {"losses"},
    "_encoder_weights": {"_tensor_files"},
    "_training": {"_tensor_files", "augmentation", "losses", "network"},
    "_training_plan": {
        "_encoder_weights",
        "_paper_risk",
        "_training",
        "_validation",
        "_version",
        "augmentation",
        "losses",
        "metrics",
        "network",
    },
    "_saved_models": {
        "_baseline",
        "_censoring",
        "_covariates",
        "_likelihoods",
        "_state",
        "_tensor_files",
        "_training",
        "_training_plan",
        "_version",
        "losses",
    },
    "datasets": {"_lazy_signals", "_report_cleaning", "_validation", "records"},
    "preprocessing": {"_beats", "_lazy_signals", "_validation", "records"},
    "measurements": {"_beats", "_delineation", "preprocessing", "records"},
    "metrics": {"_censoring", "_outcomes", "_validation"},
    "model_selection": {"_outcomes", "metrics"},
    "calibration": {
        "_baseline",
        "_curves",
        "_outcomes",
        "_validation",
        "losses",
        "metrics",
        "model_selection",
    },
    "baselines": {"_validation", "measurements", "model_selection", "records"},
    "reports": {"_report_cleaning"},
    "survival": {
        "_covariates",
        "_curves",
        "_ecg_input",
        "_likelihoods",
        "_members",
        "_outcomes",
        "_saved_models",
        "_training",
        "_training_plan",
        "_validation",
        "metrics",
        "records",
    },
    "_report_network": {"_paper_risk", "losses", "network", "paper_network"},
    "_report_training": {
        "_paper_risk",
        "_report_network",
        "_training",
        "_validation",
        "augmentation",
    },
    "pretraining": {
        "_ecg_input",
        "_encoder_weights",
        "_report_training",
        "_training",
        "_validation",
        "metrics",
        "records",
        "reports",
    },
    # The patient's page tells measurements, the C-index and the calibration.
    "explain": {
        "_beats",
        "_delineation",
        "_outcomes",
        "_training",
        "_validation",
        "_version",
        "measurements",
        "metrics",
        "network",
        "records",
        "survival",
    },
    "plotting": {
        "_beats",
        "_validation",
        "explain",
        "measurements",
        "metrics",
        "model_selection",
        "preprocessing",
        "records",
    },
    "__init__": {"_version", "survival", "pretraining"},
}

READERS = ("wfdb", "pydicom", "sierraecg", "h5py", "pyedflib", "defusedxml")
MAY_NAME = {
    "skorch": {"_training"},
    "matplotlib": {"plotting"},
    "sentence_transformers": {"reports"},
    "huggingface_hub": {"reports"},
    "optuna": set(),
    **{reader: {"datasets"} for reader in READERS},
}

CEILINGS = {
    "_baseline": 120,
    "_delineation": 350,
    "_training": 300,
    "_validation": 220,
    "augmentation": 160,
    "explain": 300,
    "losses": 300,
    "measurements": 300,
    "metrics": 400,
    "model_selection": 300,
    "network": 400,
    "paper_network": 490,
    "plotting": 400,
    "preprocessing": 300,
    "pretraining": 450,
    "records": 300,
    "reports": 300,
    "survival": 600,
}
OTHER_CEILING = 300


def module_of(path):
    """The module, or the folder of modules, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """Modules of the package, and packages of others, that a file imports anywhere."""
    folder = path.relative_to(PACKAGE).parent.parts
    own, other = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = [*folder[: len(folder) - node.level + 1]]
            parts += (node.module or "").split(".") if node.module else []
            own.update([parts[0]] if parts else [alias.name for alias in node.names])
        elif isinstance(node, ast.ImportFrom):
            other.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            other.update(alias.name.split(".")[0] for alias in node.names)
    return own, other


def file_id(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=file_id)
def test_imports_flow_one_way(path):
    module = module_of(path)
    assert module in MAY_IMPORT, f"{module} has no place in MAY_IMPORT and the design"
    own, other = imports_of(path)
    assert own - {module} <= MAY_IMPORT[module]
    assert "ecgdan_sk" not in other, "import the package's own modules relatively"


@pytest.mark.parametrize("path", FILES, ids=file_id)
def test_packages_are_named_in_their_place_only(path):
    _, other = imports_of(path)
    for package in other & MAY_NAME.keys():
        assert module_of(path) in MAY_NAME[package], package


@pytest.mark.parametrize("path", FILES, ids=file_id)
def test_file_is_below_its_ceiling(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= CEILINGS.get(module_of(path), OTHER_CEILING)


def test_the_import_rules_have_no_cycle():
    left = dict(MAY_IMPORT)
    while left:
        free = {module for module, allowed in left.items() if not allowed & left.keys()}
        assert free, f"a cycle among {sorted(left)}"
        left = {module: left[module] for module in left.keys() - free}


def test_no_file_is_a_drawer():
    assert not MODULES & {"utils", "_utils", "helpers", "_helpers", "base", "common"}


def test_top_level_holds_the_estimators_alone():
    import ecgdan_sk

    assert set(ecgdan_sk.__all__) <= {
        "DualAttentionSurvival",
        "ECGReportPretrainer",
        "__version__",
    }


def test_the_estimators_are_seen_before_they_are_loaded():
    code = (
        "import sys, ecgdan_sk; assert set(ecgdan_sk.__all__) <= set(dir(ecgdan_sk));"
        "from ecgdan_sk import *; assert not hasattr(ecgdan_sk, 'Network');"
        "print(DualAttentionSurvival.__module__, ECGReportPretrainer.__module__)"
    )
    run = [sys.executable, "-W", "ignore", "-c", code]
    printed = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["ecgdan_sk.survival", "ecgdan_sk.pretraining"]


@pytest.mark.parametrize("module", ["ecgdan_sk", "ecgdan_sk.datasets"])
def test_import_loads_nothing_heavy(module):
    heavy = {"wfdb", "matplotlib", "sentence_transformers", "optuna", "pydicom", "h5py"}
    # What only reads files starts many times, in processes that need no networks.
    heavy |= {"torch", "skorch"}
    code = f"import sys, {module}; print(*sorted({heavy} & sys.modules.keys()))"
    run = [sys.executable, "-W", "ignore", "-c", code]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []

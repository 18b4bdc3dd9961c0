"""The house rules: who imports whom, what loads what, and how long a file may be."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ecgdan_sk"
FILES = sorted(PACKAGE.rglob("*.py"))

# What a room, a folder or a file at the root, may import of the others. A new room is
# a new line here and in CONTRIBUTING, with a subject of its own.
MAY_IMPORT = {
    "_version _outcomes _tensor_files _beats _html _jobs _warnings": "",
    "reports augmentation losses": "",
    "network paper_network": "",
    "records": "_html _tensor_files",
    "outcomes": "_outcomes",
    "datasets": "_html _outcomes preprocessing records reports",
    "preprocessing": "_beats records",
    "measurements": "_beats preprocessing records",
    "metrics": "_outcomes records",
    "model_selection": "_jobs _outcomes records",
    "_architectures": "_tensor_files network paper_network records",
    "architectures": "_architectures",
    "_training": "_tensor_files _version augmentation losses network",
    "_hazards": "_outcomes losses records",
    "encoders": "_architectures _tensor_files _version preprocessing records",
    "survival": "_architectures _hazards _outcomes _tensor_files _training _version "
    "augmentation encoders losses metrics model_selection network records",
    "pretraining": "_architectures _tensor_files _training _version augmentation "
    "encoders losses measurements metrics network records reports",
    "calibration": "_hazards _outcomes _tensor_files _version losses metrics "
    "model_selection records survival",
    "baselines": "_hazards _outcomes losses measurements metrics model_selection "
    "records",
    "explain": "_architectures _beats _html _outcomes _training _version measurements "
    "metrics network records",
    "validation": "_hazards _html _outcomes _version calibration losses measurements "
    "metrics model_selection records survival",
    "plotting": "_beats _outcomes explain measurements metrics model_selection "
    "records validation",
    "study": "_html _jobs _outcomes _tensor_files _version baselines datasets encoders "
    "explain measurements metrics model_selection outcomes preprocessing pretraining "
    "records survival validation",
    "_cli": "study validation",
    "__main__": "_cli",
    "__init__": "_version pretraining survival",
}
# Every room may warn the user.
ROOMS = {
    room: {"_warnings", *others.split()}
    for rooms, others in MAY_IMPORT.items()
    for room in rooms.split()
}

READERS = ("wfdb", "pydicom", "sierraecg", "h5py", "pyedflib", "defusedxml")
READERS += ("ecgdatakit", "soundfile")
MAY_NAME = {
    "skorch": {"_training"},
    "torch.distributed": {"_training"},
    "matplotlib": {"plotting"},
    "sentence_transformers": {"reports", "encoders"},
    "huggingface_hub": {"reports", "encoders"},
    "optuna": set(),
    "ecgdan_sk": set(),  # the package's own modules are imported relatively
    **dict.fromkeys(READERS, {"datasets"}),
}

LONG = {"survival/_estimator", "pretraining/_estimator", "network", "paper_network"}
DRAWERS = {"utils", "helpers", "base", "common", "misc", "tools"}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path):
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


@cache
def imports_of(path):
    """Other rooms, and modules of other packages, that a file imports anywhere."""
    folder, own, other = path.relative_to(PACKAGE).parent.parts, set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            other.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if not node.level:
                other.update([node.module], (f"{node.module}.{n}" for n in names))
                continue
            parts = folder[: len(folder) - node.level + 1]
            parts += tuple(node.module.split(".")) if node.module else ()
            own.update(parts[:1] or names)
    return own - {room_of(path)}, other


@cache
def chain_from(room, above=()):
    """The longest chain of rooms that import each other, from this one down."""
    assert room not in above, f"a circle of imports: {(*above, room)}"
    below = [imports_of(path)[0] for path in FILES if room_of(path) == room]
    chains = [chain_from(other, (*above, room)) for other in set().union(*below)]
    return (room, *max(chains, key=len, default=()))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_imports_what_its_room_may(path):
    assert room_of(path) in ROOMS, "a new room needs a line in MAY_IMPORT"
    own, other = imports_of(path)
    assert own <= ROOMS[room_of(path)]
    for package, rooms in MAY_NAME.items():
        named = {name for name in other if f"{name}.".startswith(f"{package}.")}
        assert not named or room_of(path) in rooms, f"{package} is named elsewhere"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_warns_at_the_line_of_the_user(path):
    text = path.read_text(encoding="utf-8")
    assert "warnings.warn(" not in text or room_of(path) == "_warnings"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_is_no_longer_than_it_may_be(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= (600 if name_of(path) in LONG else 400)


@pytest.mark.parametrize("room", sorted({room_of(path) for path in FILES}))
def test_chain_of_imports_is_short(room):
    # The commands stand on top of all rooms, and are no room to build on.
    most = {"_cli": 7, "__main__": 8}.get(room, 6)
    assert len(chain_from(room)) <= most, chain_from(room)


def test_root_holds_few_files_and_no_drawer():
    assert len([path for path in FILES if path.parent == PACKAGE]) <= 10
    names = {part.strip("_") for path in FILES for part in name_of(path).split("/")}
    assert not names & DRAWERS


def run(code):
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_estimators_are_seen_before_they_are_loaded():
    printed = run(
        "import sys, ecgdan_sk; assert set(ecgdan_sk.__all__) <= set(dir(ecgdan_sk));"
        "from ecgdan_sk import *; assert not hasattr(ecgdan_sk, 'Network');"
        "print(DualAttentionSurvival.__module__, ECGReportPretrainer.__module__)"
    )
    assert [name.split(".")[1] for name in printed.split()] == [
        "survival",
        "pretraining",
    ]


@pytest.mark.parametrize("module", ["ecgdan_sk", "ecgdan_sk.datasets"])
def test_import_loads_nothing_heavy(module):
    # What only reads files starts many times, in processes that need no networks.
    heavy = {"torch", "skorch", "matplotlib", "sentence_transformers", "optuna"}
    heavy |= {"wfdb", "pydicom", "h5py"}
    assert run(f"import sys, {module}; print(*{heavy} & sys.modules.keys())") == "\n"

"""What the pages draw from the code: the reference, and the tables of the networks.

`conf.py` calls it at each build; what it writes is not kept in the repository.
"""

import importlib
import inspect
import pkgutil
import shutil
from itertools import chain
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import ecgdan_sk
from ecgdan_sk.network import Encoder, HeadedEncoder, LinearRisk
from ecgdan_sk.paper_network import PaperEncoder, PaperRiskHead

UNITS = """\
ECGs are in mV, float32 of shape (n_samples, n_leads, n_times), and times are in days,
unless said otherwise."""

# In the order in which a researcher needs them; who writes networks reads on.
GROUPS = {
    "Models of risk": ["ecgdan_sk", "ecgdan_sk.baselines", "ecgdan_sk.calibration"],
    "ECGs and outcomes": [
        "ecgdan_sk.datasets",
        "ecgdan_sk.outcomes",
        "ecgdan_sk.records",
        "ecgdan_sk.preprocessing",
        "ecgdan_sk.measurements",
    ],
    "Validation": [
        "ecgdan_sk.model_selection",
        "ecgdan_sk.metrics",
        "ecgdan_sk.validation",
        "ecgdan_sk.validation.sample_size",
        "ecgdan_sk.study",
    ],
    "Pictures and explanations": ["ecgdan_sk.plotting", "ecgdan_sk.explain"],
    "Encoders and reports": ["ecgdan_sk.encoders", "ecgdan_sk.reports"],
    "For those who write networks": [
        "ecgdan_sk.architectures",
        "ecgdan_sk.losses",
        "ecgdan_sk.augmentation",
        "ecgdan_sk.network",
        "ecgdan_sk.paper_network",
    ],
}
LONG = 60  # characters of a signature, two lines on a phone

PERTURBED = 3  # the lead that is changed to see where leads meet


def write_all(folder):
    """Write every generated page and figure to a folder, those that changed."""
    folder.mkdir(exist_ok=True)
    # A page of something that is no longer public would be an orphan.
    shutil.rmtree(folder / "api", ignore_errors=True)
    networks = {"compact": compact_stages(), "paper": paper_stages()}
    write(folder / "reference.rst", reference())
    for name, stages in networks.items():
        path = folder / f"{name}_network.inc"
        if write(path, table(stages)):
            draw(stages, path.with_suffix(".png"))


def arguments_of_examples(gallery_conf, script_vars):
    """Arguments with which the gallery runs each example: a size for minutes."""
    return ["--small"]


def write(path, text):
    """Write a file unless it says so already, and tell whether it was written."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def public_modules():
    """The package, and its modules without an underscore, by name."""
    walk = pkgutil.walk_packages(ecgdan_sk.__path__, "ecgdan_sk.")
    at_the_top = {"ecgdan_sk.survival", "ecgdan_sk.pretraining"}
    public = [n for _, n, _ in walk if "._" not in n and n not in at_the_top]
    return ["ecgdan_sk", *public]


def public_names(module):
    """What a module offers: `__all__`, or the classes and functions made in it."""
    if hasattr(module, "__all__"):
        names = [name for name in module.__all__ if not name.startswith("_")]
        return [n for n in names if not inspect.ismodule(getattr(module, n))]
    return [
        name
        for name, thing in vars(module).items()
        if name[0] != "_"
        and getattr(thing, "__module__", None) == module.__name__
        and (inspect.isclass(thing) or inspect.isfunction(thing))
    ]


def reference():
    """A section for each public module, in groups by what a reader wants to do."""
    left_out = set(public_modules()).symmetric_difference(chain(*GROUPS.values()))
    if left_out:
        raise ValueError(f"In GROUPS or public, but not both: {sorted(left_out)}.")
    lines = [*heading("Reference", "="), UNITS, ""]
    for group, modules in GROUPS.items():
        lines += heading(group, "-")
        for name in modules:
            lines += section(name)
    return "\n".join(lines)


def section(name):
    """The lines on one module: what it is for, and a summary of what it offers."""
    module = importlib.import_module(name)
    if name == "ecgdan_sk":
        about = "The two estimators."
    else:
        about = inspect.getdoc(module).split("\n\n")[0].replace("\n", " ")
    title = heading(name.removeprefix("ecgdan_sk."), "~")
    lines = [f".. module:: {name}", "", *title, about, ""]
    lines += [".. autosummary::", "   :toctree: api", "   :nosignatures:", ""]
    return [*lines, *(f"   {public}" for public in public_names(module)), ""]


def heading(text, underline):
    """The lines of a heading."""
    return [text, underline * len(text), ""]


def folded(signature, docstring):
    """A signature that the list of parameters repeats: without its keywords, if long.

    `(X, y, *, strata=None, entry=None)` becomes `(X, y, *, …)`; `(*, ties="efron")`
    becomes `(…)`.
    """
    described = "Parameters\n---" in (docstring or "")
    if len(signature) <= LONG or not described:
        return signature
    positional, _, keywords = signature.strip("()").partition("*, ")
    if not keywords:
        return signature
    return f"({positional}*, …)" if positional else "(…)"


def compact_stages():
    """Stage, output for one ECG, and parameters, of the default network."""
    torch.manual_seed(0)
    network = HeadedEncoder(Encoder(12), LinearRisk(64)).eval()
    encoder = network.encoder
    present = torch.ones(2, 12, dtype=torch.bool)
    x = _two_ecgs(1000)
    scaled = encoder.scaled(x)
    features = encoder.trunk(scaled)
    tokens = encoder.temporal(features)
    met = encoder.across_leads(tokens, present)
    latent = encoder(x)
    return [
        ("ECG, scaled (leads, times)", scaled, 1, None),
        ("Trunk (channels, leads, steps)", features, 2, encoder.trunk),
        ("Temporal attention (leads, channels)", tokens, 1, encoder.temporal),
        ("Cross-lead attention (leads, channels)", met, 1, encoder.across_leads),
        ("Mean and maximum, linear", latent, None, encoder.to_latent),
        ("Head: log risk", network(x), None, network.head),
    ]


def paper_stages():
    """The same of the published network, for a median beat padded to 608 samples."""
    torch.manual_seed(0)
    encoder, head = PaperEncoder(608).eval(), PaperRiskHead().eval()
    x = _two_ecgs(608)
    stem, trunk = encoder.input_conv(x), encoder._trunk(x)
    latent = encoder(x)
    return [
        ("ECG, z-scored (leads, times)", x, 1, None),
        ("Stem (rows, times)", stem, 1, encoder.input_conv),
        ("Trunk (channels, rows, steps)", trunk, 2, encoder.encoder),
        ("Dual attention, both branches", latent, None, encoder.attention),
        ("Head: log risk", head(latent), None, head),
    ]


def _two_ecgs(n_times):
    """An ECG of noise, and the same with one lead changed."""
    x = torch.randn(1, 12, n_times).repeat(2, 1, 1)
    x[1, PERTURBED] += torch.randn(n_times)
    return x


def table(stages):
    """A list table of stages, in which leads have met if another lead's row moved."""
    lines = [".. list-table::", "   :header-rows: 1", "   :align: left", ""]
    rows = [("Stage", "Shape for one ECG", "Parameters", "Leads met?")]
    total = 0
    for name, output, axis, part in stages:
        size = sum(p.numel() for p in part.parameters()) if part else 0
        total += size
        shape = " × ".join(map(str, output.shape[1:])) or "1"
        rows.append((name, shape, f"{size:,}" if part else "", _met(output, axis)))
    rows.append(("Total", "", f"{total:,}", ""))
    for row in rows:
        lines += [f"   {'*' if i == 0 else ' '} - {c}" for i, c in enumerate(row)]
    return "\n".join(lines) + "\n"


def _met(output, axis):
    """Whether a change of one lead moved the row of another."""
    if axis is None:
        return "yes"
    moved = (output[0] != output[1]).movedim(axis - 1, 0).flatten(1).any(1)
    if len(moved) != 12:
        return "yes: its rows are no leads"
    return "yes" if moved.sum() > 1 else "no"


def draw(stages, path):
    """Boxes from the ECG down to the risk; twelve lines join them until leads meet."""
    n = len(stages)
    fig, ax = plt.subplots(figsize=(4.4, 0.75 * n), layout="constrained")
    ax.axis("off")
    ax.set(xlim=(-1, 1), ylim=(n - 0.5, -0.5))
    box = {"boxstyle": "round,pad=0.5", "fc": "#eef3f8", "ec": "#33597a"}
    for i, (name, output, _, part) in enumerate(stages):
        size = sum(p.numel() for p in part.parameters()) if part else 0
        shape = " × ".join(map(str, output.shape[1:])) or "1"
        text = f"{name.split(' (')[0]}\n{shape}"
        text += f"; {size:,} parameters" if size else ""
        ax.text(0, i, text, ha="center", va="center", fontsize=9, bbox=box, zorder=2)
        if i:
            apart = _met(stages[i - 1][1], stages[i - 1][2]) == "no"
            places = [0.03 * (k - 5.5) for k in range(12)] if apart else [0]
            width = 0.8 if apart else 3
            ax.vlines(places, i - 1, i, color="#33597a", linewidth=width, zorder=1)
    fig.savefig(path, dpi=140)
    plt.close(fig)


if __name__ == "__main__":
    write_all(Path(__file__).parent / "generated")

"""Methods of the study, with their inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ecgdan_sk import encoders
from ecgdan_sk.architectures import Compact, Paper
from ecgdan_sk.baselines import (
    cox_embedding,
    cox_measurements,
    cox_paper15,
    cox_random_convolutions,
    gradient_boosting,
)
from ecgdan_sk.study._methods import NETWORKS

from . import foundation
from .networks import OBJECTIVES, compact, frozen_cox, paper, ready, residual
from .scales import Scale
from .tuning import tuned_boosting, tuned_compact, tuned_cox

ABLATIONS = {
    "": {},
    "-no-lead": {"lead_attention": False},
    "-no-time": {"temporal_attention": False},
    "-neither": {"lead_attention": False, "temporal_attention": False},
}
AGE_SEX = {"covariates": ("age", "sex")}


@dataclass(frozen=True)
class Job:
    """Data and settings for the estimator of one fold."""

    scale: Scale
    n_train: int
    seed: int
    encoder: str | None = None
    storage: str | None = None
    study_name: str = ""
    checkpoints: str | None = None


@dataclass(frozen=True)
class Method:
    """An entry of the tables.

    `input` is what it reads, see `inputs`; `objective` what its encoder was pretrained
    by, `is_ready` whether it comes pretrained; `build` makes the estimator of a `Job`.
    """

    group: str
    input: str
    build: Callable
    objective: str | None = None
    architecture: str = "compact"
    is_ready: bool = False


def _after_input(pipeline, job, **settings):
    """A pipeline of the package without its first step, whose result is stored."""
    return pipeline(**settings)[1:]


def _beside_age_and_sex():
    """Measurements whose first two columns are not shrunk, as in the networks."""
    pipeline = cox_measurements()
    pipeline[-1].set_params(n_unpenalised=2)
    return pipeline


def _boosting(job):
    boosting = gradient_boosting()[1:]
    boosting[-1].set_params(n_estimators=job.scale.n_trees)
    return boosting


def _random_convolutions(job):
    return cox_random_convolutions(job.scale.n_kernels)


def _traditional():
    """Models of covariates, measurements and random convolutions."""
    group = "traditional"
    any_table = partial(_after_input, cox_measurements)
    beside = partial(_after_input, _beside_age_and_sex)
    return {
        "age-sex": Method(group, "covariates", any_table),
        "paper15": Method(group, "paper15", partial(_after_input, cox_paper15)),
        "measurements": Method(group, "measurements", any_table),
        "age-sex-measurements": Method(group, "covariates+measurements", beside),
        "boosting": Method(group, "measurements", _boosting),
        "random-convolutions": Method(group, "ecg", _random_convolutions),
    }


def _networks(name, build, architecture, source):
    """One architecture from scratch, ablated, and pretrained in several ways."""
    methods = {}
    for ablation, switches in ABLATIONS.items():
        group = "ablation" if ablation else "network from scratch"
        make = partial(build, architecture=architecture(**switches))
        methods[f"{name}{ablation}"] = Method(group, source, make)
    for objective in OBJECTIVES:
        methods[f"{name}-{objective}"] = Method(
            "pretrained network", source, build, objective, name
        )
    return methods


def _others():
    """Networks that are there once."""
    with_covariates = partial(compact, **AGE_SEX)
    return {
        "compact-covariates": Method("with age and sex", "ecg", with_covariates),
        "compact-alignment-covariates": Method(
            "with age and sex", "ecg", with_covariates, "alignment"
        ),
        "residual": Method("network from scratch", "ecg", residual),
        "frozen-random": Method("frozen encoder + ridge Cox", "ecg", frozen_cox),
        "frozen-alignment": Method(
            "frozen encoder + ridge Cox", "ecg", frozen_cox, "alignment"
        ),
    }


def _ready():
    """Networks that start from an encoder of the package, and heads on its features."""
    methods = {}
    for name in encoders.names():
        start = partial(ready, name)
        for method, group, changes in (
            (f"compact-{name}", "from a ready encoder", {}),
            (f"compact-{name}-covariates", "with age and sex", AGE_SEX),
            (f"frozen-{name}", "from a ready encoder", NETWORKS["frozen"]),
        ):
            build = partial(start, **changes)
            methods[method] = Method(group, "ecg", build, is_ready=True)
    return methods


def _foundation():
    """Ridge Cox models of the features of published models, and of random twins."""
    build = partial(_after_input, partial(cox_embedding, "passthrough"))
    return {
        name: Method("foundation model + ridge Cox", name, build, is_ready=True)
        for name in foundation.INPUTS
    }


def _tuned():
    """Methods whose settings are searched for inside the training set."""
    return {
        "measurements-tuned": Method("tuned", "measurements", tuned_cox),
        "boosting-tuned": Method("tuned", "measurements", tuned_boosting),
        "compact-tuned": Method("tuned", "ecg", tuned_compact),
    }


METHODS = {
    **_traditional(),
    **_networks("compact", compact, Compact, "ecg"),
    **_networks("paper", paper, Paper, "median-beat"),
    **_others(),
    **_ready(),
    **_foundation(),
    **_tuned(),
}

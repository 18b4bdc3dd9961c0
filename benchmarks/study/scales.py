"""How large a study is."""

from dataclasses import dataclass, field

SEEDS = (42, 2021, 2022, 2023, 2024)  # the paper's

TRADITIONAL = (
    "age-sex",
    "paper15",
    "measurements",
    "age-sex-measurements",
    "boosting",
    "random-convolutions",
)
COMPACT = (
    "compact",
    "compact-no-lead",
    "compact-no-time",
    "compact-neither",
    "compact-reconstruction",
    "compact-classification",
    "compact-reports",
    "compact-alignment",
    "compact-covariates",
    "compact-alignment-covariates",
    "residual",
    "frozen-random",
    "frozen-alignment",
)
PAPER = (
    "paper",
    "paper-no-lead",
    "paper-no-time",
    "paper-neither",
    "paper-reconstruction",
    "paper-classification",
    "paper-reports",
)
STACKS = "stacks"
TUNED = ("measurements-tuned", "boosting-tuned", "compact-tuned")


@dataclass(frozen=True)
class Scale:
    """Sizes of a study; what is left empty is the default of the estimators.

    `protocols` maps a name to the number of folds and the seeds of the repeats;
    `shares` are parts of the training set for the data-efficiency curve. The published
    network has its published recipe at every scale.
    """

    methods: tuple
    n_draws: int
    protocols: dict
    shares: tuple
    duration: float
    n_samples: int | None = None
    event_rate: float | None = None
    n_pretraining: int = 10_000
    network: dict = field(default_factory=dict)
    pretraining: dict = field(default_factory=dict)
    n_kernels: int = 10_000
    n_trials: int = 50
    tuning_folds: tuple = (3, 2)
    n_trees: int = 200


SCALES = {
    "small": Scale(
        methods=(*TRADITIONAL, *COMPACT, STACKS),
        n_draws=10,
        protocols={"2-fold": (2, SEEDS[:1])},
        shares=(0.5,),
        duration=5.0,
        n_samples=300,
        event_rate=0.1,
        n_pretraining=800,
        network={"n_members": 1, "max_epochs": 15, "batch_size": 32},
        pretraining={"max_epochs": 12, "batch_size": 64},
        n_kernels=1000,
        n_trials=6,
        tuning_folds=(2, 1),
        n_trees=100,
    ),
    "full": Scale(
        methods=(*TRADITIONAL, *COMPACT, *PAPER, STACKS),
        n_draws=10,
        protocols={"2-fold": (2, SEEDS), "5-fold": (5, SEEDS)},
        shares=(0.1, 0.25, 0.5),
        duration=10.0,
    ),
}

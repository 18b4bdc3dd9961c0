"""What the outputs of a network mean: log risks of Cox, or hazards in discrete time.

Each likelihood says how many outputs it needs, what the loss is, which columns its
target has, and, once fitted, turns outputs of shape (n_members, n_samples, n_outputs)
into log risks and into cumulative hazards of shape (n_samples, n_causes, n_times);
`of_member(i)` does so for the outputs of one network, and `outputs_are_log_risks` tells
whether outputs are such before it is fitted.
"""

from ._discrete_time import DiscreteTime
from ._proportional_hazards import ProportionalHazards

PROPORTIONAL = ("cox", "cause-specific")
DISCRETE = ("logistic-hazard", "deephit", "discrete-competing")
COMPETING = ("cause-specific", "discrete-competing")


def likelihood_of(loss, outcome, *, ties, n_intervals, has_covariates=False):
    """The likelihood of a loss by its name, for the outcome of a training set.

    `has_covariates` tells whether covariates add to the log risks.
    """
    if outcome.n_causes > 1 and loss not in COMPETING:
        raise ValueError(
            f"y holds {outcome.n_causes} causes, but loss={loss!r} knows one event. "
            f"Use one of the losses {', '.join(COMPETING)}, or make the event of "
            "interest True and everything else False."
        )
    if loss in PROPORTIONAL:
        return ProportionalHazards(outcome, ties)
    if has_covariates:
        raise ValueError(
            f"covariates cannot be used with loss={loss!r}; they enter the log risk of "
            f"the losses {', '.join(PROPORTIONAL)}."
        )
    given = [n for n in ("strata", "entry") if getattr(outcome, n) is not None]
    if given:
        raise ValueError(
            f"{' and '.join(given)} cannot be used with loss={loss!r}; they are for "
            f"the losses {', '.join(PROPORTIONAL)}."
        )
    return DiscreteTime(outcome, loss, n_intervals)


__all__ = [
    "DISCRETE",
    "PROPORTIONAL",
    "DiscreteTime",
    "ProportionalHazards",
    "likelihood_of",
]

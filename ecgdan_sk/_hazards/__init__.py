"""Meaning of a network's outputs: log risks of Cox, or hazards in discrete time.

Each likelihood defines its number of outputs, its loss and the columns of its target.
Once fitted, it converts outputs (n_members, n_samples, n_outputs) into log risks and
into cumulative hazards (n_samples, n_causes, n_times). `of_member(i)` does so for one
network. `outputs_are_log_risks` is True if outputs are log risks even before the fit.
"""

from ._discrete_time import DiscreteTime
from ._proportional_hazards import ProportionalHazards

PROPORTIONAL = ("cox", "cause-specific")
DISCRETE = ("logistic-hazard", "deephit", "discrete-competing")
COMPETING = ("cause-specific", "discrete-competing")


def likelihood_of(loss, outcome, *, ties, n_intervals, has_covariates=False):
    """Likelihood of a loss by its name, for the outcome of a training set.

    `has_covariates` is True if covariates add to the log risks.
    """
    if outcome.n_causes > 1 and loss not in COMPETING:
        raise ValueError(
            f"y holds {outcome.n_causes} causes, but loss={loss!r} takes one event. "
            f"Use one of the losses {', '.join(COMPETING)}, or make the event of "
            "interest True and everything else False."
        )
    if loss in PROPORTIONAL:
        return ProportionalHazards(outcome, ties)
    if has_covariates:
        raise ValueError(
            f"covariates cannot be used with loss={loss!r}. Use one of the losses "
            f"{', '.join(PROPORTIONAL)}, or leave covariates out."
        )
    given = [n for n in ("strata", "entry") if getattr(outcome, n) is not None]
    if given:
        raise ValueError(
            f"{' and '.join(given)} cannot be used with loss={loss!r}. Use one of the "
            f"losses {', '.join(PROPORTIONAL)}, or leave them out."
        )
    return DiscreteTime(outcome, loss, n_intervals)


__all__ = [
    "DISCRETE",
    "PROPORTIONAL",
    "DiscreteTime",
    "ProportionalHazards",
    "likelihood_of",
]

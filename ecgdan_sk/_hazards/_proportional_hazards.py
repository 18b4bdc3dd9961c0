"""Cox's model: an output is the log risk of a cause, the baseline is left open."""

from copy import copy

import numpy as np

from ..losses import cause_specific_loss, cox_loss
from ._baseline import BaselineHazards


class ProportionalHazards:
    """Cox's partial likelihood, and Breslow's baselines.

    The partial likelihood determines the scale of the log risks, but not their origin.
    So the log risks of each network are centred and then averaged without scaling. A
    network that learned nothing has almost constant log risks, because the validation
    loss stops it early, and so has little influence.

    Parameters
    ----------
    outcome : Outcome
        Of the training set.
    ties : {"efron", "breslow"}
        How tied events are treated.

    Attributes
    ----------
    means_ : ndarray of shape (n_members, 1, n_causes)
        Mean of each network's log risks over the training set.
    baseline_ : BaselineHazards
        The baselines.
    times_ : ndarray of shape (n_times,)
        Where the cumulative hazards step.
    """

    outputs_are_log_risks = True

    def __init__(self, outcome, ties):
        self.n_causes = self.n_outputs = outcome.n_causes
        self.ties = ties
        self.columns = tuple(
            name
            for name in ("sample_weight", "strata", "entry")
            if getattr(outcome, name) is not None
        )

    @property
    def loss(self):
        """Parameters of `SurvivalLoss`."""
        return {
            "function": cox_loss if self.n_outputs == 1 else cause_specific_loss,
            "columns": self.columns,
            "ties": self.ties,
        }

    def target(self, outcome):
        """Columns event and time, then further columns if given, in float32."""
        # Ranks are exact in float32, times are not: close times would become ties.
        ends = (
            [outcome.time] if outcome.entry is None else [outcome.time, outcome.entry]
        )
        _, ranks = np.unique(np.concatenate(ends), return_inverse=True)
        rank, *entry = np.split(ranks, len(ends))
        columns = [outcome.causes, rank]
        if outcome.sample_weight is not None:
            columns.append(outcome.sample_weight / outcome.sample_weight.mean())
        if outcome.strata is not None:
            columns.append(np.unique(outcome.strata, return_inverse=True)[1])
        return np.column_stack(columns + entry).astype(np.float32)

    def fit(self, outputs, outcome, unseen=None):
        """Estimate the baselines from the log risks.

        `unseen` holds rows that no network was trained on; if given, only their log
        risks are used.
        """
        self.means_ = outputs.astype(np.float64).mean(1, keepdims=True)
        rows = slice(None) if unseen is None else unseen
        log_risks = self._log_risks(outputs)[rows]
        self.baseline_ = BaselineHazards().fit(log_risks, outcome[rows])
        self.times_ = self.baseline_.times_
        return self

    def of_member(self, i):
        """The likelihood of one network alone, as if that were the only one."""
        single = copy(self)
        single.means_ = self.means_[i : i + 1]
        return single

    def log_risk(self, outputs):
        """Log risks (n_samples,) of the first cause."""
        return self._log_risks(outputs)[:, 0]

    def cumulative_hazards(self, outputs, times, strata=None):
        """Hazards (n_samples, n_causes, n_times) accumulated up to each time."""
        log_risks = self._log_risks(outputs)
        return self.baseline_.cumulative_hazards(log_risks, times, strata)

    def _log_risks(self, outputs):
        """Mean (n_samples, n_causes) of the networks' centred log risks."""
        return (outputs.astype(np.float64) - self.means_).mean(0)

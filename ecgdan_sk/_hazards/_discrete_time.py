"""Discrete time: an output is the logit of a hazard, or probability, of an interval."""

import numpy as np
import torch
from scipy.special import log_softmax

from ..losses import deephit_loss, discrete_hazard_loss


class DiscreteTime:
    """Hazards of intervals between quantiles of the event times, constant within each.

    The logits of the life table of the training set are added to the outputs. So the
    networks learn only deviations of a patient from the life table, not the rate of the
    events. Logits of several networks are averaged.

    Parameters
    ----------
    outcome : Outcome
        Of the training set.
    loss : {"logistic-hazard", "discrete-competing", "deephit"}
        Whether the logits are of hazards, or of probabilities of events.
    n_intervals : int
        Number of intervals; fewer where there are fewer distinct event times.

    Attributes
    ----------
    cut_points_ : ndarray of shape (n_intervals,)
        End of each interval, inclusive, in the unit of the target.
    times_ : ndarray of shape (n_times,)
        Distinct event times.
    """

    outputs_are_log_risks = False

    def __init__(self, outcome, loss, n_intervals):
        self.n_causes = outcome.n_causes
        self.is_deephit = loss == "deephit"
        event_times = outcome.time[outcome.causes > 0]
        quantiles = np.arange(1, n_intervals + 1) / n_intervals
        # Quantiles that are event times themselves keep the last event inside.
        self.cut_points_ = np.unique(
            np.quantile(event_times, quantiles, method="inverted_cdf")
        )
        self.times_ = np.unique(event_times)
        self.offset_ = self._life_table(outcome)
        self.n_outputs = self.offset_.size
        self.columns = () if outcome.sample_weight is None else ("sample_weight",)

    @property
    def loss(self):
        """Parameters of `SurvivalLoss`."""
        offset = self.offset_[0] if self.is_deephit else self.offset_
        return {
            "function": deephit_loss if self.is_deephit else discrete_hazard_loss,
            "columns": self.columns,
            "offset": torch.tensor(offset, dtype=torch.float32),
        }

    def target(self, outcome):
        """Columns event, time in intervals and, where given, weight, in float32."""
        interval, lived = self._position(outcome.time)
        # In the middle of its interval an event cannot be rounded into another.
        time = interval + np.where(outcome.causes > 0, 0.5, lived)
        columns = [outcome.causes, time]
        if outcome.sample_weight is not None:
            columns.append(outcome.sample_weight / outcome.sample_weight.mean())
        return np.column_stack(columns).astype(np.float32)

    def fit(self, outputs, outcome, unseen=None):
        """Keep the mean log risk of the training set, from which others are counted."""
        self.mean_ = 0.0
        self.mean_ = self.log_risk(outputs).mean()
        return self

    def of_member(self, i):
        """Likelihood of a single network, which is equal for all of them."""
        return self

    def log_risk(self, outputs):
        """Log of the cumulative hazard of the first cause, averaged over the intervals.

        With proportional hazards it is the log risk of Cox; that mean is the ensemble
        mortality of Ishwaran et al. (2008).
        """
        mortality = self._hazards_at_cuts(outputs)[:, 0].mean(-1)
        return np.log(np.maximum(mortality, np.finfo(np.float64).tiny)) - self.mean_

    def cumulative_hazards(self, outputs, times, strata=None):
        """Hazards (n_samples, n_causes, n_times) accumulated up to each time."""
        if strata is not None:
            raise ValueError(
                "This model was fitted without strata; leave strata out to predict."
            )
        hazards = self._hazards_at_cuts(outputs)
        hazards = np.concatenate([np.zeros_like(hazards[..., :1]), hazards], axis=-1)
        interval, lived = self._position(np.asarray(times, dtype=np.float64))
        start, end = (
            hazards[..., interval],
            hazards[..., np.minimum(interval + 1, self._n)],
        )
        return start + lived * (end - start)

    @property
    def _n(self):
        return len(self.cut_points_)

    def _position(self, time):
        """Interval of each time, and the part of it that has passed."""
        edges = np.concatenate([[0.0], self.cut_points_, [np.inf]])
        interval = np.searchsorted(self.cut_points_, time, side="left")
        width = edges[interval + 1] - edges[interval]
        return interval, (time - edges[interval]) / width

    def _hazards_at_cuts(self, outputs):
        """Cumulative hazards (n_samples, n_causes, n_intervals) of the mean logits."""
        outputs = outputs.astype(np.float64).mean(0)
        logits = outputs.reshape(-1, *self.offset_.shape) + self.offset_
        if self.is_deephit:
            padded = np.pad(logits[:, 0], ((0, 0), (0, 1)))
            log_pmf = log_softmax(padded, axis=1)
            survival = np.logaddexp.accumulate(log_pmf[:, ::-1], axis=1)[:, ::-1]
            return -survival[:, None, 1:]
        log_hazard = log_softmax(np.pad(logits, ((0, 0), (1, 0), (0, 0))), axis=1)
        # The causes share the hazard of an interval as they share its events.
        share = np.exp(log_softmax(logits, axis=1))
        return (-log_hazard[:, :1] * share).cumsum(-1)

    def _life_table(self, outcome):
        """Logits (n_causes, n_intervals) of the training set as a whole."""
        weight = np.ones(len(outcome.time))
        if outcome.sample_weight is not None:
            weight = outcome.sample_weight / outcome.sample_weight.mean()
        interval, lived = self._position(outcome.time)
        passed = interval + np.where(outcome.causes > 0, 1.0, lived)
        n_at_risk = np.array(
            [weight @ np.clip(passed - k, 0, 1) for k in range(self._n)]
        )
        n_events = np.stack(
            [
                np.bincount(interval[rows], weight[rows], minlength=self._n)
                for rows in (outcome.causes == k + 1 for k in range(outcome.n_causes))
            ]
        )
        # Half a sample more of each kind keeps the logits finite.
        n_without = np.maximum(n_at_risk - n_events.sum(0), 0) + 0.5
        n_events = n_events + 0.5
        if not self.is_deephit:
            return np.log(n_events / n_without)
        hazard = n_events[0] / (n_events[0] + n_without)
        survival = np.cumprod(1 - hazard)
        return np.log(hazard / (1 - hazard) * survival / survival[-1])[None]

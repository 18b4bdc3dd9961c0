"""Negative log partial likelihood of Cox, for one cause or for several."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ._risk_sets import RiskSets


def cox_loss(
    log_risk: Tensor,
    event: Tensor,
    time: Tensor,
    *,
    ties: str = "efron",
    sample_weight: Tensor | None = None,
    strata: Tensor | None = None,
    entry: Tensor | None = None,
) -> Tensor:
    """Negative partial log-likelihood of Cox, averaged over the events.

    The computation stays in log space, so log risks of several hundred do not
    overflow. It takes O(n log n) operations. A batch without events gives a loss and a
    gradient of 0.

    Parameters
    ----------
    log_risk : Tensor of shape (n_samples,)
        Predicted log risks; higher means an earlier event.
    event : Tensor of shape (n_samples,)
        True or 1 where the event was observed, False or 0 where censored.
    time : Tensor of shape (n_samples,)
        Time of the event or of censoring, or its rank: only order and ties matter.
    ties : {"efron", "breslow"}, default="efron"
        Treatment of events at the same time.
    sample_weight : Tensor of shape (n_samples,) or None, default=None
        Weight of each sample, 0 or more. Samples of weight 0 are left out.
    strata : Tensor of shape (n_samples,) or None, default=None
        Number of the stratum of each sample. Only samples of one stratum are compared.
    entry : Tensor of shape (n_samples,) or None, default=None
        Time after which each sample is at risk (left truncation), or its rank among
        the times.

    Returns
    -------
    Tensor of shape ()
        The loss. It can be differentiated once.

    References
    ----------
    Cox (1975), "Partial likelihood", Biometrika. Efron (1977), "The efficiency of Cox's
    likelihood function for censored data", JASA. Breslow (1974), "Covariance analysis
    of censored survival data", Biometrics. Weighted ties as in Therneau and Grambsch
    (2000), "Modeling survival data".

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import cox_loss
    >>> event, time = torch.tensor([1, 1, 0]), torch.tensor([1.0, 2.0, 3.0])
    >>> cox_loss(torch.zeros(3), event, time)  # (log 3 + log 2) / 2
    tensor(0.8959)
    """
    total, weight = _negative_log_likelihood(
        log_risk, event, RiskSets(time, strata, entry), sample_weight, ties
    )
    return _mean(total, weight)


def cause_specific_loss(
    log_risk: Tensor,
    event: Tensor,
    time: Tensor,
    *,
    ties: str = "efron",
    sample_weight: Tensor | None = None,
    strata: Tensor | None = None,
    entry: Tensor | None = None,
) -> Tensor:
    """Cox loss with one log risk for each cause, averaged over all events.

    For each cause, events of the other causes count as censored.

    Parameters
    ----------
    log_risk : Tensor of shape (n_samples, n_causes)
        Predicted log risk of each cause; (n_samples,) for a single cause.
    event : Tensor of shape (n_samples,)
        0 where censored, else the cause: 1, 2, ...
    time : Tensor of shape (n_samples,)
        Time of the event or of censoring, or its rank.
    ties : {"efron", "breslow"}, default="efron"
        Treatment of events of one cause at the same time.
    sample_weight : Tensor of shape (n_samples,) or None, default=None
        Weight of each sample.
    strata : Tensor of shape (n_samples,) or None, default=None
        Number of the stratum of each sample.
    entry : Tensor of shape (n_samples,) or None, default=None
        Time after which each sample is at risk.

    Returns
    -------
    Tensor of shape ()
        The loss.

    References
    ----------
    Prentice et al. (1978), "The analysis of failure times in the presence of competing
    risks", Biometrics.

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import cause_specific_loss
    >>> event, time = torch.tensor([1, 2, 0]), torch.tensor([1.0, 2.0, 3.0])
    >>> cause_specific_loss(torch.zeros(3, 2), event, time)  # (log 3 + log 2) / 2
    tensor(0.8959)
    """
    risk_sets = RiskSets(time, strata, entry)
    columns = log_risk.reshape(len(time), -1).unbind(1)
    parts = [
        _negative_log_likelihood(column, event == cause, risk_sets, sample_weight, ties)
        for cause, column in enumerate(columns, start=1)
    ]
    return _mean(*(sum(part) for part in zip(*parts)))


def _mean(total: Tensor, weight: Tensor) -> Tensor:
    """Loss per event; without events 0, still attached to the graph."""
    return total / weight.masked_fill(weight == 0, 1)


def _negative_log_likelihood(
    log_risk: Tensor,
    event: Tensor,
    risk_sets: RiskSets,
    sample_weight: Tensor | None,
    ties: str,
) -> tuple[Tensor, Tensor]:
    """Sum over the events, and total weight of the events."""
    order = risk_sets.order
    event = event[order] > 0
    if sample_weight is None:
        weight = event.to(log_risk.dtype)
        log_weight = None
    else:
        sorted_weight = sample_weight[order].to(log_risk.dtype)
        event = event & (sorted_weight > 0)
        weight, log_weight = sorted_weight * event, sorted_weight.log()
    total = _PartialLikelihood.apply(
        log_risk[order], event, weight, log_weight, risk_sets, ties
    )
    return total, weight.sum()


class _PartialLikelihood(torch.autograd.Function):
    """Sum over the events, with an explicit gradient.

    A group g has d events i with mean weight v. S is the sum over its risk set, and T
    is the share of the events in S. Efron's terms are v log(S (1 - c_i T)) with
    c_i = 0, 1 / d, ..., (d - 1) / d. Breslow's terms have c_i = 0. All sums of risks
    are stored as logarithms.
    """

    @staticmethod
    def forward(ctx, log_risk, event, weight, log_weight, risk_sets, ties):
        log_x = log_risk if log_weight is None else log_risk + log_weight
        group_weight = _by_group(weight, risk_sets.group, risk_sets.n_groups)
        # Times without events contribute nothing, even if their risk set has no weight.
        log_at_risk = risk_sets.log_at_risk(log_x).masked_fill(group_weight == 0, 0.0)
        total = (group_weight * log_at_risk).sum() - (weight * log_risk).sum()
        ctx.tied = None
        if ties == "efron":
            rows = _tied_rows(event, risk_sets.group, risk_sets.n_groups)
            if len(rows):
                ctx.tied = _TiedEvents(
                    log_x, weight, log_at_risk, risk_sets.group, rows
                )
                total = total + ctx.tied.value()
        ctx.save_for_backward(log_x, weight, log_at_risk, group_weight)
        ctx.risk_sets = risk_sets
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        log_x, own, log_at_risk, group_weight = ctx.saved_tensors
        if ctx.tied is not None:
            group_weight, own = ctx.tied.reduce(group_weight, own)
        log_sum = ctx.risk_sets.log_over_times(group_weight.log() - log_at_risk)
        gradient = (log_x + log_sum).exp() - own
        return grad_output * gradient, None, None, None, None, None


class _TiedEvents:
    """Efron's additional terms, for events that share their time with others.

    Attributes
    ----------
    rows, group, place : Tensor of shape (n_tied,)
        Sorted sample, its group, and the number of that group among groups with ties.
    weight, left_out, share : Tensor of shape (n_tied,)
        v, c, and the part of T that each event contributes.
    """

    def __init__(self, log_x, weight, log_at_risk, group, rows):
        self.rows, self.group = rows, group[rows]
        _, self.place, size = self.group.unique_consecutive(
            return_inverse=True, return_counts=True
        )
        self.n_places = len(size)
        first = (size.cumsum(0) - size)[self.place]
        position = torch.arange(len(self.rows), device=first.device) - first
        self.left_out = position / size[self.place]
        self.left_out = self.left_out.to(log_x.dtype)
        self.weight = self._total(weight[self.rows]) / size[self.place]
        self.share = (log_x[self.rows] - log_at_risk[self.group]).exp()
        # Rounding must not let the events outweigh their risk set.
        self.total_share = self._total(self.share).clamp(max=1)

    def value(self):
        """Sum of v log(1 - c T)."""
        return (self.weight * torch.log1p(-self.left_out * self.total_share)).sum()

    def reduce(self, group_weight, own):
        """Weights of the groups and of the samples in the gradient."""
        reduced = self.weight / (1 - self.left_out * self.total_share)
        extra = reduced - self.weight
        own_part = self.share * self._total(reduced * self.left_out)
        return (
            group_weight.index_add(0, self.group, extra),
            own.index_add(0, self.rows, own_part),
        )

    def _total(self, values):
        """Sum within each group, repeated for each of its events."""
        return _by_group(values, self.place, self.n_places)[self.place]


def _tied_rows(event: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """Positions of sorted samples whose events share their time with others."""
    n_events = group[event].bincount(minlength=n_groups)
    if n_events.max() < 2:
        return group[:0]
    return (event & (n_events > 1)[group]).nonzero().squeeze(1)


def _by_group(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """Sum of values (n_samples,) within each group."""
    return values.new_zeros(n_groups).index_add_(0, group, values)

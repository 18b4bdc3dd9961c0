"""Objectives, as pure functions of tensors; the classes only give them to skorch."""

import torch
from torch import Tensor, nn


def cox_loss(
    log_risk: Tensor, event: Tensor, time: Tensor, *, ties: str = "efron"
) -> Tensor:
    """Negative partial log-likelihood of Cox, averaged over the events.

    It stays in log space, so that log risks of several hundred do no harm, and costs
    O(n log n). A batch without events gives 0 with a gradient of 0.

    Parameters
    ----------
    log_risk : Tensor of shape (n_samples,)
        Predicted log risks; higher means an earlier event.
    event : Tensor of shape (n_samples,)
        True or 1 where the event was seen, False or 0 where censored.
    time : Tensor of shape (n_samples,)
        Time of the event or of censoring, or its rank: only order and ties count.
    ties : {"efron", "breslow"}, default="efron"
        How events at the same time are treated.

    Returns
    -------
    Tensor of shape ()
        The loss.

    References
    ----------
    Cox (1975), "Partial likelihood", Biometrika. Efron (1977), "The efficiency of Cox's
    likelihood function for censored data", JASA. Breslow (1974), "Covariance analysis
    of censored survival data", Biometrics.

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import cox_loss
    >>> event, time = torch.tensor([1, 1, 0]), torch.tensor([1.0, 2.0, 3.0])
    >>> cox_loss(torch.zeros(3), event, time)  # (log 3 + log 2) / 2
    tensor(0.8959)
    """
    order = time.argsort(descending=True)
    log_risk, event, time = log_risk[order], event[order].bool(), time[order]
    _, group, size = time.unique_consecutive(return_inverse=True, return_counts=True)
    # Tied times share one risk set: read the cumulative sum at the end of their run.
    log_at_risk = log_risk.logcumsumexp(0)[size.cumsum(0) - 1][group]
    if ties == "efron":
        log_at_risk = log_at_risk + _efron_term(log_risk, event, group, log_at_risk)
    # A batch without events stays attached to the graph and contributes no gradient.
    return ((log_at_risk - log_risk) * event).sum() / event.sum().clamp(min=1)


class CoxLoss(nn.Module):
    """`cox_loss` for a target of shape (n_samples, 2), the columns (event, time)."""

    def __init__(self, ties: str = "efron") -> None:
        super().__init__()
        self.ties = ties

    def forward(self, log_risk: Tensor, target: Tensor) -> Tensor:
        """Loss of the log risks (n_samples,)."""
        event, time = target.unbind(-1)
        return cox_loss(log_risk, event, time, ties=self.ties)


def _efron_term(
    log_risk: Tensor, event: Tensor, group: Tensor, log_at_risk: Tensor
) -> Tensor:
    """What Efron adds to Breslow: of d tied events, the k-th leaves out k / d."""
    n_events = torch.zeros_like(log_risk).index_add_(0, group, event.to(log_risk.dtype))
    if n_events.max() < 2:
        return torch.zeros_like(log_risk)
    before = event.cumsum(0) - event.to(torch.int64)
    first = torch.full_like(before, len(before)).scatter_reduce(
        0, group, before, "amin"
    )
    left_out = (before - first[group]) / n_events[group].clamp(min=1)
    # The weight of each tied event within its risk set is at most 1: no overflow.
    share = (log_risk - log_at_risk).exp() * event
    tied = torch.zeros_like(log_risk).index_add(0, group, share)[group]
    return torch.where(event, torch.log1p(-left_out * tied), 0.0)

"""Likelihoods in discrete time, with a hazard or a probability for each interval.

Time is measured in intervals: 2.5 lies in the third. An event belongs to its interval.
A sample that is censored at 2.5 survived half of the third interval, at a constant
hazard.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def discrete_hazard_loss(
    logits: Tensor,
    event: Tensor,
    time: Tensor,
    *,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """Negative log-likelihood of hazards in discrete time, averaged over the samples.

    In each interval, the hazards are the softmax of the logits of all causes and of a 0
    for "no event". With one cause this is the logistic hazard model (Nnet-survival).

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_causes, n_intervals)
        Predicted logits of the hazards; (n_samples, n_intervals) for one cause.
    event : Tensor of shape (n_samples,)
        0 where censored, else the cause: 1, 2, ...
    time : Tensor of shape (n_samples,)
        Time of the event or of censoring in intervals, from 0 to n_intervals.
    sample_weight : Tensor of shape (n_samples,) or None, default=None
        Weight of each sample.

    Returns
    -------
    Tensor of shape ()
        The loss.

    References
    ----------
    Brown (1975), "On the use of indicator variables for studying the time-dependence of
    parameters in a response-time model", Biometrics. Gensheimer and Narasimhan (2019),
    "A scalable discrete-time survival model for neural networks", PeerJ. Several
    causes: Tutz and Schmid (2016), "Modeling discrete time-to-event data".

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import discrete_hazard_loss
    >>> event, time = torch.tensor([1, 0]), torch.tensor([0.5, 1.5])
    >>> discrete_hazard_loss(torch.zeros(2, 3), event, time)  # (2.5 log 2) / 2
    tensor(0.8664)
    """
    if logits.ndim == 2:
        logits = logits.unsqueeze(1)
    log_hazard = F.pad(logits, (0, 0, 1, 0)).log_softmax(1)  # first: no event
    interval, lived = _intervals(time, logits.shape[2])
    # Whole intervals before the last, then the survived part of the last.
    before = F.pad(log_hazard[:, 0].cumsum(1), (1, 0)).gather(1, interval[:, None])
    last = log_hazard.gather(
        2, interval[:, None, None].expand(-1, logits.shape[1] + 1, 1)
    )
    last = last.squeeze(2).gather(1, event.long()[:, None]).squeeze(1)
    last = torch.where(event > 0, last, last * lived)
    return _weighted_mean(-(before.squeeze(1) + last), sample_weight)


def deephit_loss(
    logits: Tensor,
    event: Tensor,
    time: Tensor,
    *,
    alpha: float = 0.2,
    sigma: float = 0.1,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """DeepHit loss: likelihood of the event times, and ranking of the samples.

    The probabilities of the intervals are the softmax of their logits and of a 0 for
    "after the last interval". Ranking takes O(n_samples * n_intervals) operations, not
    O(n_samples ** 2).

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_intervals)
        Predicted logits of the probabilities.
    event : Tensor of shape (n_samples,)
        True or 1 where the event was observed, False or 0 where censored.
    time : Tensor of shape (n_samples,)
        Time of the event or of censoring in intervals, from 0 to n_intervals.
    alpha : float, default=0.2
        Weight of the likelihood; the ranking has the weight 1 - alpha.
    sigma : float, default=0.1
        Scale of the differences in probability that the ranking compares.
    sample_weight : Tensor of shape (n_samples,) or None, default=None
        Weight of each sample. A pair has the product of both weights.

    Returns
    -------
    Tensor of shape ()
        The loss.

    References
    ----------
    Lee et al. (2018), "DeepHit: a deep learning approach to survival analysis with
    competing risks", AAAI; for one cause as Kvamme, Borgan and Scheel (2019),
    "Time-to-event prediction with neural networks and Cox regression", JMLR.

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import deephit_loss
    >>> event, time = torch.tensor([1, 0]), torch.tensor([0.5, 1.5])
    >>> deephit_loss(torch.zeros(2, 3), event, time, alpha=1.0)
    tensor(0.9384)
    """
    log_pmf = F.pad(logits, (0, 1)).log_softmax(1)  # last: none of the intervals
    interval, lived = _intervals(time, logits.shape[1])
    # Survival before each interval: the sum over it and all that follow.
    log_survival = log_pmf.flip(1).logcumsumexp(1).flip(1)
    at, following = interval[:, None], (interval + 1)[:, None]
    log_event = log_pmf.gather(1, at).squeeze(1)
    start, end = (log_survival.gather(1, i).squeeze(1) for i in (at, following))
    log_likelihood = torch.where(event > 0, log_event, start + lived * (end - start))
    likelihood = _weighted_mean(-log_likelihood, sample_weight)
    if alpha == 1:
        return likelihood
    incidence = log_pmf.exp().cumsum(1)[:, :-1]
    ranking = _ranking(incidence, event > 0, interval, time, sigma, sample_weight)
    return alpha * likelihood + (1 - alpha) * ranking


def _ranking(incidence, event, interval, time, sigma, sample_weight):
    """Mean of exp((F_j - F_i) / sigma) over pairs where j outlives the event of i.

    The exponential of a difference is a product, so one sum over j per interval is
    enough.
    """
    n_intervals = incidence.shape[1]
    weight = torch.ones_like(time) if sample_weight is None else sample_weight
    edges = torch.arange(1, n_intervals + 1, device=time.device)
    later = (time[:, None] >= edges) * weight[:, None]
    sums = (later * torch.exp(incidence / sigma)).sum(0)
    own = incidence.gather(1, interval[:, None]).squeeze(1)
    pairs = event * weight * torch.exp(-own / sigma) * sums[interval]
    return pairs.sum() / weight.sum() ** 2


def _intervals(time: Tensor, n_intervals: int) -> tuple[Tensor, Tensor]:
    """Interval of each sample, and the survived share of that interval."""
    interval = time.floor().clamp(max=n_intervals - 1)
    return interval.long(), time - interval


def _weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Weighted mean over the samples."""
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp(
        min=torch.finfo(weight.dtype).tiny
    )

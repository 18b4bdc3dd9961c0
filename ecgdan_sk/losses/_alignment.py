"""Losses that align embeddings of ECGs with embeddings of their reports."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_loss(ecg: Tensor, text: Tensor) -> Tensor:
    """Mean of one minus the cosine similarity of each ECG with its own report.

    The loss only attracts pairs. If both encoders are trained, constant embeddings
    minimise it; `sigmoid_loss` and `infonce_loss` also repel unlike pairs.

    Parameters
    ----------
    ecg, text : Tensor of shape (n_samples, n_dims)
        Embeddings of ECGs and of their reports.

    Returns
    -------
    Tensor of shape ()
        From 0 to 2.

    References
    ----------
    Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960.

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import cosine_loss
    >>> cosine_loss(torch.eye(2), torch.eye(2).flip(0))
    tensor(1.)
    """
    return (1 - F.cosine_similarity(ecg, text)).mean()


def infonce_loss(logits: Tensor, agreement: Tensor, allowed: Tensor) -> Tensor:
    """Cross-entropy of finding the report of each ECG in the batch, and vice versa.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_samples)
        Similarity of each ECG with each report of the batch, divided by the
        temperature.
    agreement : Tensor of shape (n_samples, n_samples)
        Agreement of each pair of reports, from 0 to 1; 1 on the diagonal. Reports that
        agree share the target probability.
    allowed : Tensor of bool of shape (n_samples, n_samples)
        True for pairs that count, such as those of different patients; True on the
        diagonal.

    Returns
    -------
    Tensor of shape ()
        Mean of both directions minus the entropy of the targets, so that 0 is perfect.

    References
    ----------
    van den Oord et al. (2018), "Representation learning with contrastive predictive
    coding"; Radford et al. (2021), "Learning transferable visual models from natural
    language supervision".

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import infonce_loss
    >>> everyone = torch.ones(2, 2, dtype=torch.bool)
    >>> infonce_loss(100 * torch.eye(2), torch.eye(2), everyone)
    tensor(0.)
    """
    logits = logits.masked_fill(~allowed, -torch.inf)
    target = agreement * allowed
    loss = logits.new_zeros(())
    for scores, wanted in ((logits, target), (logits.T, target.T)):
        wanted = wanted / wanted.sum(1, keepdim=True)
        log_picked = scores.log_softmax(1).masked_fill(wanted == 0, 0.0)
        loss = loss + (torch.xlogy(wanted, wanted) - wanted * log_picked).sum(1).mean()
    return loss / 2


def sigmoid_loss(logits: Tensor, agreement: Tensor, allowed: Tensor) -> Tensor:
    """Binary cross-entropy of the statement that a text is true of an ECG.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_texts)
        Scaled and shifted similarity of each ECG with each text.
    agreement : Tensor of shape (n_samples, n_texts)
        Degree to which each text is true of each ECG, from 0 to 1.
    allowed : Tensor of bool of shape (n_samples, n_texts)
        True for pairs that count.

    Returns
    -------
    Tensor of shape ()
        Mean over the pairs that count; 0 if there is none.

    References
    ----------
    Zhai et al. (2023), "Sigmoid loss for language image pre-training".

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import sigmoid_loss
    >>> everyone = torch.ones(2, 2, dtype=torch.bool)
    >>> sigmoid_loss(800 * torch.eye(2) - 400, torch.eye(2), everyone)
    tensor(0.)
    """
    loss = F.binary_cross_entropy_with_logits(logits, agreement, reduction="none")
    return (loss * allowed).sum() / allowed.sum().clamp(min=1)

"""How well ECGs and what is said of them lie together in a shared space."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_loss(ecg: Tensor, text: Tensor) -> Tensor:
    """One minus the cosine of each ECG with its own text: attraction alone.

    A constant answer is its optimum where both sides are trained; see the others.

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
    """Cross-entropy of picking one's own text among those of others, and back.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_samples)
        Similarity of each ECG with each report of the batch, over the temperature.
    agreement : Tensor of shape (n_samples, n_samples)
        How much two reports say the same, from 0 to 1; 1 on the diagonal. Those that
        agree share the target.
    allowed : Tensor of bool of shape (n_samples, n_samples)
        Which pairs count, such as those of different patients; True on the diagonal.

    Returns
    -------
    Tensor of shape ()
        Mean of both directions, less the entropy of the targets: 0 is perfect.

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
    """Binary cross-entropy of whether an ECG and a text belong together.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_texts)
        Similarity of each ECG with each text, scaled and shifted.
    agreement : Tensor of shape (n_samples, n_texts)
        How true each text is of each ECG, from 0 to 1.
    allowed : Tensor of bool of shape (n_samples, n_texts)
        Which pairs count.

    Returns
    -------
    Tensor of shape ()
        Mean over the pairs that count; 0 if none does.

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

"""Random changes of training ECGs, as pure functions of tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Augmentation", "crop", "keep_paper_subset", "mask_leads", "mask_spans"]

# Subsets of leads that the paper keeps in half of the batches, as positions in `LEADS`.
PAPER_SUBSETS = (
    (0, 1),
    (0, 1, 7),
    (0, 1, 2, 7),
    (0, 1, 2, 3, 4, 5),
    (0, 1, 6, 7, 8, 9, 10, 11),
)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a batch of ECGs in training.

    Parameters
    ----------
    crop : float, default=1.0
        Share of each ECG that a training step uses.
    lead_masking : float or "paper", default=0.0
        Probability of masking each lead, in half of the ECGs. "paper" keeps one of the
        paper's five subsets of leads, in half of the batches.
    span_masking : float, default=0.0
        Share of each lead that is replaced by the mean of the lead, in segments.

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.augmentation import Augmentation
    >>> x, recorded = torch.zeros(8, 12, 100), torch.ones(8, 12, dtype=torch.bool)
    >>> clean, x, recorded, present = Augmentation(crop=0.5)(x, recorded)
    >>> x.shape
    torch.Size([8, 12, 50])
    """

    crop: float = 1.0
    lead_masking: float | str = 0.0
    span_masking: float = 0.0

    def __call__(self, x: Tensor, recorded: Tensor) -> tuple[Tensor, ...]:
        """Cropped ECGs, changed ECGs, mask of recorded leads, mask of present leads."""
        clean = crop(x, self.crop)
        if self.lead_masking == "paper":
            present = keep_paper_subset(recorded)
        else:
            present = mask_leads(recorded, self.lead_masking)
        changed = mask_spans(clean, self.span_masking) if self.span_masking else clean
        return clean, changed, recorded, present


def crop(x: Tensor, fraction: float) -> Tensor:
    """Crop all ECGs to the same random segment.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_leads, n_times)
        ECGs.
    fraction : float
        Length of the segment as a share of the ECG, in (0, 1].

    Returns
    -------
    Tensor of shape (n_samples, n_leads, n_kept)
        A view of `x`.
    """
    n_times = x.shape[-1]
    n_kept = max(1, round(fraction * n_times))
    start = int(torch.randint(n_times - n_kept + 1, ()))
    return x[..., start : start + n_kept]


def mask_leads(present: Tensor, probability: float) -> Tensor:
    """Mask leads at random, but keep at least one.

    Half of the ECGs keep all leads, so that training also uses complete ECGs.

    Parameters
    ----------
    present : Tensor of shape (n_samples, n_leads)
        True where a lead was recorded.
    probability : float
        Probability of masking each lead in the other half of the ECGs.

    Returns
    -------
    Tensor of shape (n_samples, n_leads)
        True where a lead may be used.
    """
    draw = torch.rand(present.shape, device=present.device)
    whole = torch.rand(len(present), 1, device=present.device) < 0.5
    masked = present & (whole | (draw >= probability))
    # If all leads would be masked, the recorded lead with the highest draw stays.
    best = torch.where(present, draw, -1.0).argmax(1, keepdim=True)
    rescued = torch.zeros_like(present).scatter(1, best, True) & present
    return torch.where(masked.any(1, keepdim=True), masked, rescued)


def keep_paper_subset(present: Tensor) -> Tensor:
    """Keep one of five subsets of leads, with a probability of one half per batch.

    All ECGs of the batch keep the same subset, so that a risk set is compared by the
    same leads. An ECG without any of these leads keeps all of its leads.

    Parameters
    ----------
    present : Tensor of shape (n_samples, 12)
        True where a lead was recorded.

    Returns
    -------
    Tensor of shape (n_samples, 12)
        True where a lead may be used.

    References
    ----------
    Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960.
    """
    draw = int(torch.randint(2 * len(PAPER_SUBSETS), ()))
    if draw >= len(PAPER_SUBSETS):
        return present
    kept = torch.zeros_like(present)
    kept[:, list(PAPER_SUBSETS[draw])] = True
    kept = kept & present
    return torch.where(kept.any(1, keepdim=True), kept, present)


def mask_spans(x: Tensor, share: float, n_spans: int = 5) -> Tensor:
    """Replace segments of every lead by the mean of the lead.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_leads, n_times)
        ECGs.
    share : float
        Share of the samples that is replaced; less if segments overlap.
    n_spans : int, default=5
        Number of segments per lead.

    Returns
    -------
    Tensor of shape (n_samples, n_leads, n_times)
        A changed copy.
    """
    n_times = x.shape[-1]
    width = max(1, round(share * n_times / n_spans))
    start = torch.rand(*x.shape[:2], n_spans, device=x.device) * (n_times - width + 1)
    time = torch.arange(n_times, device=x.device)
    since = time - start.floor()[..., None]
    masked = ((since >= 0) & (since < width)).any(2)
    return torch.where(masked, x.mean(2, keepdim=True), x)

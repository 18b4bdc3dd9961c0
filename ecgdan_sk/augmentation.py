"""Changes of training ECGs, as pure functions of tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Augmentation", "crop", "keep_paper_subset", "mask_leads", "mask_spans"]

# Leads that the paper keeps of half of the batches, by their places in `LEADS`.
PAPER_SUBSETS = (
    (0, 1),
    (0, 1, 7),
    (0, 1, 2, 7),
    (0, 1, 2, 3, 4, 5),
    (0, 1, 6, 7, 8, 9, 10, 11),
)


@dataclass(frozen=True)
class Augmentation:
    """What training changes of a batch of ECGs.

    Parameters
    ----------
    crop : float, default=1.0
        Share of each ECG that a step sees.
    lead_masking : float or "paper", default=0.0
        Probability with which a lead of half of the ECGs counts as absent; "paper"
        leaves every second batch one of its five subsets of the twelve leads.
    span_masking : float, default=0.0
        Share of each lead that is replaced by its mean, in stretches.

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
        """ECGs as they were, changed ones, leads recorded, and leads still present."""
        clean = crop(x, self.crop)
        if self.lead_masking == "paper":
            present = keep_paper_subset(recorded)
        else:
            present = mask_leads(recorded, self.lead_masking)
        changed = mask_spans(clean, self.span_masking) if self.span_masking else clean
        return clean, changed, recorded, present


def crop(x: Tensor, fraction: float) -> Tensor:
    """The same random stretch of every ECG, `fraction` of its length.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_leads, n_times)
        ECGs.
    fraction : float
        Share of the samples that is kept, in (0, 1].

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
    """Take leads for absent at random; one at least stays.

    Half of the ECGs stay as they are, so that all leads together are seen too.

    Parameters
    ----------
    present : Tensor of shape (n_samples, n_leads)
        True where a lead was recorded.
    probability : float
        Of each lead of the other half of the ECGs, to be masked.

    Returns
    -------
    Tensor of shape (n_samples, n_leads)
        True where a lead may be used.
    """
    draw = torch.rand(present.shape, device=present.device)
    whole = torch.rand(len(present), 1, device=present.device) < 0.5
    masked = present & (whole | (draw >= probability))
    # Where all would go, the recorded lead with the highest draw stays.
    best = torch.where(present, draw, -1.0).argmax(1, keepdim=True)
    rescued = torch.zeros_like(present).scatter(1, best, True) & present
    return torch.where(masked.any(1, keepdim=True), masked, rescued)


def keep_paper_subset(present: Tensor) -> Tensor:
    """Leave every second batch one of five subsets of leads, the same for all ECGs.

    A risk set is then compared by the same leads. An ECG that has none of them keeps
    all of its own.

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
    """Replace stretches of every lead by the mean of the lead.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_leads, n_times)
        ECGs.
    share : float
        Of the samples, that is replaced; less where stretches overlap.
    n_spans : int, default=5
        Stretches per lead.

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

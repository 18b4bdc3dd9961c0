"""Changes of training ECGs, as pure functions of tensors."""

import torch
from torch import Tensor


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

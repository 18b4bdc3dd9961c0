"""Reconstruction error of a decoder."""

from torch import Tensor


def reconstruction_loss(restored: Tensor, clean: Tensor, recorded: Tensor) -> Tensor:
    """Mean squared error over the leads that were recorded, averaged over the ECGs.

    Parameters
    ----------
    restored : Tensor of shape (n_samples, n_leads, n_times)
        Output of the decoder for changed ECGs.
    clean : Tensor of shape (n_samples, n_leads, n_times)
        The ECGs before they were changed.
    recorded : Tensor of bool of shape (n_samples, n_leads)
        True for leads that were recorded. The others do not count.

    Returns
    -------
    Tensor of shape ()
        The loss, in the squared unit of `clean`.

    References
    ----------
    Vincent et al. (2008), "Extracting and composing robust features with denoising
    autoencoders".

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import reconstruction_loss
    >>> clean, recorded = torch.ones(2, 12, 10), torch.ones(2, 12, dtype=torch.bool)
    >>> reconstruction_loss(torch.zeros(2, 12, 10), clean, recorded)
    tensor(1.)
    """
    error = (restored - clean).square().mean(2) * recorded
    return (error.sum(1) / recorded.sum(1)).mean()

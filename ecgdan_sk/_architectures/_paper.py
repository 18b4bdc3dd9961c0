"""The paper's network in the estimators: any length, absent leads, one interface.

Shapes: B batch, T time steps of the ECG, P time steps after padding.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..network import present_leads
from ..paper_network import PaperDecoder, PaperEncoder, PaperRiskHead
from ..records import LEADS


class PaddedPaperEncoder(nn.Module):
    """The published encoder behind the published input: each lead z-scored, padded.

    An absent lead is zero, as the paper masks leads: its network cannot leave one out.

    Parameters
    ----------
    n_times : int
        Samples per lead, T; padded with zeros to a multiple of 32.
    batchwise_dropout : bool, default=True
        Share dropout masks as in the published finetuning.
    **branches : bool
        Ablations, as of `paper_network.PaperAutoencoder`.
    """

    def __init__(
        self, n_times: int, *, batchwise_dropout: bool = True, **branches: bool
    ) -> None:
        super().__init__()
        self.n_times = n_times
        self.network = PaperEncoder(
            32 * -(-n_times // 32), batchwise_dropout=batchwise_dropout, **branches
        )

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, 12, T) to (B, 512); `present` (B, 12) defaults to leads without NaN."""
        return self.network(self._input(x, present))

    def attention_maps(self, x: Tensor, present: Tensor | None = None):
        """Lead (B, 1, 12, 12) and temporal (B, 12, 1, S) weights, or None.

        Averaged over heads; those over time also over their queries, so that they say
        how much each moment was looked at.
        """
        lead, temporal = self.network.attention_maps(self._input(x, present))
        if lead is not None:
            lead = lead[:, None]
        if temporal is not None:
            temporal = temporal.mean(2)[:, :, None]
        return lead, temporal

    def scaled(self, x: Tensor) -> Tensor:
        """ECGs (B, 12, T) z-scored lead by lead, absent and flat ones as zeros."""
        x = x - x.mean(2, keepdim=True)
        return (x / x.std(2, correction=0, keepdim=True)).nan_to_num(0.0, 0.0, 0.0)

    def stages(self) -> list[nn.Module]:
        """What can be trained apart, from the attention down to the stem."""
        return [self.network.attention, self.network.encoder, self.network.input_conv]

    def _input(self, x: Tensor, present: Tensor | None) -> Tensor:
        if present is None:
            present = present_leads(x)
        return pad(self.scaled(x) * present.unsqueeze(-1), self.network.n_times)


class PaperRiskNet(nn.Module):
    """Published encoder and risk head: ECGs (B, 12, T) to log risks (B,).

    Parameters
    ----------
    n_times : int
        Samples per lead, T.
    n_outputs : int, default=1
        Outputs of the head, such as one for each cause of an event.
    dropout : float, default=0.25
        Share of the latent features that training leaves out.
    decoder : bool, default=False
        Whether there is a decoder for an auxiliary reconstruction.
    zero_start : bool, default=False
        Whether all outputs are zero before training.
    **branches : bool
        Ablations, as of `paper_network.PaperAutoencoder`.
    """

    def __init__(
        self,
        n_times: int,
        *,
        n_outputs: int = 1,
        dropout: float = 0.25,
        decoder: bool = False,
        zero_start: bool = False,
        **branches: bool,
    ) -> None:
        super().__init__()
        self.encoder = PaddedPaperEncoder(n_times, **branches)
        self.head = PaperRiskHead(n_outputs=n_outputs, dropout=dropout)
        if zero_start:
            nn.init.zeros_(self.head.model[-1].weight)
            nn.init.zeros_(self.head.model[-1].bias)
        self.decoder = PaperDecoder(self.encoder.network.n_times) if decoder else None

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, 12, T) to (B,), or (B, n_outputs) where there are several."""
        return self.head(self.encoder(x, present)).squeeze(-1)

    def with_reconstruction(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs, and ECGs (B, 12, T), z-scored lead by lead."""
        latent = self.encoder(x, present)
        restored = pad(self.decoder(latent), x.shape[-1])
        return self.head(latent).squeeze(-1), restored


def pad(x: Tensor, n_times: int) -> Tensor:
    """The middle of a longer `x`, or zeros on both sides of a shorter one."""
    missing = n_times - x.shape[-1]
    # Halves that round alike, so that padding and cutting undo each other.
    before = abs(missing) // 2 * (1 if missing > 0 else -1)
    return F.pad(x, (before, missing - before))


def check_twelve_leads(leads):
    """Raise unless the leads are those that the published network knows."""
    if tuple(leads) != LEADS:
        raise ValueError(
            f"architecture='paper' knows the leads {', '.join(LEADS)} in this order, "
            f"but X has {', '.join(leads)}. Use X.select_leads(LEADS), which makes the "
            "others absent, or architecture='compact'."
        )

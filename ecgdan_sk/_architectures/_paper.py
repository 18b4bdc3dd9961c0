"""The paper's network as an `Architecture`, for any length and absent leads.

Shapes: B batch, T time steps of the ECG, P time steps after padding.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..network import ECGEncoder, present_leads
from ..paper_network import PaperDecoder, PaperEncoder, PaperRiskHead
from ..records import LEADS
from ._interface import Architecture


class PaddedPaperEncoder(ECGEncoder):
    """Published encoder with its input: each lead is z-scored and padded.

    An absent lead is zero, as a masked lead in the paper. The network cannot leave a
    lead out.

    Parameters
    ----------
    n_times : int
        Samples per lead, T. Zeros pad the ECG to a multiple of 32.
    batchwise_dropout : bool, default=True
        Whether dropout masks are shared as in the published fine-tuning.
    **branches : bool
        Ablations; see `paper_network.PaperAutoencoder`.
    """

    def __init__(
        self, n_times: int, *, batchwise_dropout: bool = True, **branches: bool
    ) -> None:
        super().__init__()
        self.n_times = n_times
        self.network = PaperEncoder(
            _padded_length(n_times), batchwise_dropout=batchwise_dropout, **branches
        )

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, 12, T) to (B, 512); `present` (B, 12) defaults to leads without NaN."""
        return self.network(self._input(x, present))

    def attention_maps(self, x: Tensor, present: Tensor | None = None):
        """Lead (B, 1, 12, 12) and temporal (B, 12, 1, S) weights, or None.

        Weights are averaged over heads. Temporal weights are also averaged over
        queries, so they show the attention that each time step receives.
        """
        lead, temporal = self.network.attention_maps(self._input(x, present))
        if lead is not None:
            lead = lead[:, None]
        if temporal is not None:
            temporal = temporal.mean(2)[:, :, None]
        return lead, temporal

    def scaled(self, x: Tensor) -> Tensor:
        """ECGs (B, 12, T) with z-scored leads; absent and flat leads are zeros."""
        x = x - x.mean(2, keepdim=True)
        return (x / x.std(2, correction=0, keepdim=True)).nan_to_num(0.0, 0.0, 0.0)

    def stages(self) -> list[nn.Module]:
        """Parts that can be trained separately, from the attention to the stem."""
        return [self.network.attention, self.network.encoder, self.network.input_conv]

    def n_padded(self, n_times: int) -> int:
        """Number of zeros before an ECG of this length."""
        return (self.network.n_times - n_times) // 2

    def _input(self, x: Tensor, present: Tensor | None) -> Tensor:
        if present is None:
            present = present_leads(x)
        return pad(self.scaled(x) * present.unsqueeze(-1), self.network.n_times)


class PaddedPaperDecoder(PaperDecoder):
    """Published decoder, without the padding of its ECGs."""

    def forward(
        self, parts: tuple[Tensor, ...], present: Tensor, n_times: int
    ) -> Tensor:
        """Latent features (B, 512), alone in a tuple, to ECGs (B, 12, T), z-scored."""
        return pad(super().forward(parts[0]), n_times)


class PaperRisk(PaperRiskHead):
    """Published risk head: (B, 512) to (B,), or (B, n_outputs) for several outputs."""

    def forward(self, latent: Tensor) -> Tensor:
        """(B, 512) to (B,), or (B, n_outputs)."""
        return super().forward(latent).squeeze(-1)


class Paper(Architecture):
    """The published network, parameter for parameter.

    It takes twelve leads in the order of `records.LEADS`, and its stem mixes them. It
    fits one length. Zeros pad the ECG to a multiple of 32.

    Parameters
    ----------
    lead_attention : bool, default=True
        Whether rows attend to each other.
    temporal_attention : bool, default=True
        Whether time steps of a row attend to each other.

    See Also
    --------
    Compact : The network of this package.

    References
    ----------
    Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960.

    Examples
    --------
    >>> from ecgdan_sk.architectures import Paper
    >>> Paper(lead_attention=False).latent_dim
    512
    """

    _parameter_constraints = {
        "lead_attention": ["boolean"],
        "temporal_attention": ["boolean"],
    }
    name = "paper"
    latent_dim = PaperEncoder.n_features
    default_crop = 1.0

    def __init__(self, *, lead_attention=True, temporal_attention=True):
        self.lead_attention = lead_attention
        self.temporal_attention = temporal_attention

    def check(self, leads, n_times):
        """Raise unless the leads are those of the published network.

        Parameters
        ----------
        leads : tuple of str
            Leads of the ECGs.
        n_times : int
            Samples per lead.
        """
        super().check(leads, n_times)
        if tuple(leads) != LEADS:
            raise ValueError(
                f"architecture='paper' needs the leads {', '.join(LEADS)} in this "
                f"order, but X has {', '.join(leads)}. Use X.select_leads(LEADS), "
                "which marks missing leads as absent, or architecture='compact'."
            )

    def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
        """A new encoder with random weights.

        Parameters
        ----------
        n_leads, n_times : int
            Leads, and samples per lead, of the ECGs.
        scale : float, default=1.0
            Ignored, because each lead is z-scored.
        pretraining : bool, default=False
            Whether the encoder will be pretrained. Otherwise patients share dropout
            masks, as in the published fine-tuning.

        Returns
        -------
        network.ECGEncoder
            Network from ECGs to 512 features.
        """
        return PaddedPaperEncoder(
            n_times, batchwise_dropout=not pretraining, **self.get_params(deep=False)
        )

    def decoder(self, n_leads, n_times):
        """A new decoder, for the auxiliary reconstruction.

        Parameters
        ----------
        n_leads, n_times : int
            Leads, and samples per lead, of the ECGs.

        Returns
        -------
        paper_network.PaperDecoder
            Network from latent features to ECGs.
        """
        return PaddedPaperDecoder(_padded_length(n_times))

    def risk_head(self, n_outputs, *, dropout, zero_start):
        """A new head, from latent features to log risks.

        Parameters
        ----------
        n_outputs : int
            Outputs, such as one for each cause of an event.
        dropout : float
            Share of the latent features that training leaves out.
        zero_start : bool
            Whether all outputs are zero before training.

        Returns
        -------
        paper_network.PaperRiskHead
            Latent features (B, 512) to (B,), or (B, n_outputs) for several outputs.
        """
        head = PaperRisk(n_outputs=n_outputs, dropout=dropout)
        if zero_start:
            nn.init.zeros_(head.model[-1].weight)
            nn.init.zeros_(head.model[-1].bias)
        return head

    def weights_for(self, mapping, leads, n_times):
        """Weights of a pretrained encoder, for an encoder of this architecture.

        Parameters
        ----------
        mapping : mapping
            `encoder_weights_` of a fitted `ECGReportPretrainer`.
        leads : tuple of str
            Leads of the ECGs that the encoder is to read.
        n_times : int
            Samples per lead.

        Returns
        -------
        dict of str to ndarray
            Values by name of the parameter.
        """
        weights = super().weights_for(mapping, leads, n_times)
        if _padded_length(mapping["n_times"]) != _padded_length(n_times):
            raise ValueError(
                f"The paper's network was pretrained on {mapping['n_times']} samples "
                f"per lead and fits no other length, but X has {n_times}. Crop or pad "
                "X, or pretrain the compact network, which fits any length."
            )
        return weights


def pad(x: Tensor, n_times: int) -> Tensor:
    """Pad `x` with zeros on both sides, or keep its middle if it is longer."""
    missing = n_times - x.shape[-1]
    # Both halves round in the same way, so that cropping reverts padding.
    before = abs(missing) // 2 * (1 if missing > 0 else -1)
    return F.pad(x, (before, missing - before))


def _padded_length(n_times: int) -> int:
    """The next multiple of 32."""
    return 32 * -(-n_times // 32)

"""The compact dual attention network: leads stay leads until they meet in attention.

`ECGEncoder`, `LinearRisk` and `HeadedEncoder` serve networks of any architecture.

Shapes are written with these letters: B batch, L leads, T time steps of the ECG, S time
steps after the trunk, C channels, H heads, D = C / H, Z latent features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "Decoder",
    "ECGEncoder",
    "Encoder",
    "HeadedEncoder",
    "LeadAttention",
    "LinearRisk",
    "MeanOverTime",
    "ResidualBlock",
    "TemporalAttention",
    "Trunk",
    "Voltage",
]


def present_leads(x: Tensor) -> Tensor:
    """Mask (B, L) of the leads that were recorded; an absent lead is NaN throughout."""
    return ~x[..., 0].isnan()


class ECGEncoder(nn.Module):
    """What training and explanations ask of an encoder: ECGs (B, L, T) to (B, Z).

    A subclass gives `forward`; what it does not say otherwise holds for a network
    without attention, that is trained as a whole.

    Parameters
    ----------
    scale : float, default=1.0
        Divides the ECG: one number for all leads, so that voltages stay comparable.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(float(scale)))

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, L, T) to (B, Z); `present` (B, L) defaults to the leads without NaN."""
        raise NotImplementedError

    def parts(self, x: Tensor, present: Tensor | None = None) -> tuple[Tensor, ...]:
        """Latent features (B, Z) first, then what else a decoder starts from."""
        return (self(x, present),)

    def scaled(self, x: Tensor) -> Tensor:
        """ECGs (B, L, T) in the unit of the network, absent leads as zeros."""
        # The offset of an electrode says nothing of the heart.
        x = x - x.mean(2, keepdim=True)
        return x.nan_to_num(0.0) / self.scale

    def stages(self) -> list[nn.Module]:
        """What can be trained apart, from the latent features down to the input."""
        return [self]

    def attention_maps(
        self, x: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Lead (B, H, L, L) and temporal (B, L, H, S) weights; rows sum to one.

        None stands for an attention that there is not, or that is switched off.
        """
        return None, None

    def lead_parameters(self) -> list[str]:
        """Names of the parameters whose first axis is the lead."""
        return []

    def n_padded(self, n_times: int) -> int:
        """Zeros that the encoder puts before an ECG of that length."""
        return 0


class ResidualBlock(nn.Module):
    """Two convolutions over time with a shortcut; the same for every lead.

    Parameters
    ----------
    n_inputs, n_channels : int
        Channels before and after.
    kernel_size : int
        Time steps seen by each convolution; odd.
    stride : int
        Time steps of the input per time step of the output.
    """

    def __init__(
        self, n_inputs: int, n_channels: int, kernel_size: int, stride: int
    ) -> None:
        super().__init__()
        self.conv_1 = _time_conv(n_inputs, n_channels, kernel_size, stride)
        self.norm_1 = nn.BatchNorm2d(n_channels)
        self.conv_2 = _time_conv(n_channels, n_channels, kernel_size, 1)
        self.norm_2 = nn.BatchNorm2d(n_channels)
        self.pool = nn.AvgPool2d((1, stride), ceil_mode=True)
        self.widen = nn.Conv2d(n_inputs, n_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_inputs, L, T) to (B, n_channels, L, T / stride)."""
        out = F.relu(self._half(self.conv_1, self.norm_1, x), inplace=True)
        out = self._half(self.conv_2, self.norm_2, out)
        return F.relu(out + self.widen(self.pool(x)), inplace=True)

    def _half(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
        return _normed(norm, x, conv.weight, conv.stride, conv.padding)


class Trunk(nn.Module):
    """(B, L, T), scaled, to (B, C, L, S): features of each lead on its own, S = T / 16.

    Each lead enters twice: as it is, and with large deflections compressed, so that the
    shape of P, ST and T is not lost beside a QRS ten times as high.

    Parameters
    ----------
    n_channels : int
        Channels of the result, C; even.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.stem = _time_conv(2, n_channels // 2, 15, 8)
        self.norm = nn.BatchNorm2d(n_channels // 2)
        self.block = ResidualBlock(n_channels // 2, n_channels, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, T) to (B, C, L, S)."""
        n_samples, n_leads, _ = x.shape
        x = _normed(self.norm, self._strides(x), self._weight_of_strides())
        x = self.block(F.relu(x, inplace=True))  # (L B, C, 1, S)
        x = x.squeeze(2).unflatten(0, (n_leads, n_samples))
        return x.permute(1, 2, 0, 3)

    # The stem is computed as a convolution over whole strides, whose samples become
    # channels: with the two channels that it has, convolutions are slow.

    def _strides(self, x: Tensor) -> Tensor:
        """(B, L, T) to (L B, 16, 1, T / 8 + 1), with the zeros at either end."""
        (_, before), (_, stride) = self.stem.padding, self.stem.stride
        n_strides = -(-x.shape[2] // stride) + self._taps() - 1
        after = n_strides * stride - before - x.shape[2]
        x = F.pad(x.transpose(0, 1), (before, after)).unflatten(2, (-1, stride))
        x = torch.stack([x, _compressed(x)], dim=-2)
        return x.flatten(0, 1).flatten(2).mT.unsqueeze(2)

    def _weight_of_strides(self) -> Tensor:
        """(C / 2, 2, 1, 15) to (C / 2, 16, 1, 2)."""
        (_, kernel), (_, stride) = self.stem.kernel_size, self.stem.stride
        weight = F.pad(self.stem.weight, (0, self._taps() * stride - kernel))
        weight = weight.unflatten(3, (-1, stride)).transpose(3, 4)
        return weight.transpose(2, 3).flatten(1, 2)

    def _taps(self) -> int:
        """Strides that the kernel of the stem covers."""
        return -(-self.stem.kernel_size[1] // self.stem.stride[1])


class TemporalAttention(nn.Module):
    """Gated attention over time that pools each lead, with its own weights per lead.

    The twelve modules are computed as one batched product. The gate follows Ilse et
    al. (2018), "Attention-based deep multiple instance learning".

    Parameters
    ----------
    n_leads : int
        Number of leads, L.
    n_channels : int
        Channels, C; a multiple of `n_heads`.
    n_heads : int, default=4
        Attention heads, H, each pooling its share of the channels.
    n_gates : int, default=16
        Width of the gate.
    """

    def __init__(
        self, n_leads: int, n_channels: int, n_heads: int = 4, n_gates: int = 16
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.to_gate = nn.Parameter(torch.empty(n_leads, n_channels, 2 * n_gates))
        self.gate_bias = nn.Parameter(torch.zeros(n_leads, 1, 2 * n_gates))
        self.to_score = nn.Parameter(torch.empty(n_leads, n_gates, n_heads))
        self.to_value = nn.Parameter(torch.empty(n_leads, n_channels, n_channels))
        for weight in (self.to_gate, self.to_score, self.to_value):
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Pool (B, C, L, S) over time to one token per lead, (B, L, C)."""
        x = x.permute(2, 0, 3, 1)  # (L, B, S, C)
        # Pooling first and projecting the pooled is the same, and S times cheaper.
        pooled = self._weights(x).transpose(1, 2) @ x  # (L, B, H, C)
        values = self.to_value.unflatten(2, (self.n_heads, -1))  # (L, C, H, D)
        return torch.einsum("lbhc,lchd->blhd", pooled, values).flatten(2)

    def attention(self, x: Tensor) -> Tensor:
        """Weights of shape (B, L, H, S); each row over time sums to one."""
        return self._weights(x.permute(2, 0, 3, 1)).permute(2, 0, 1, 3)

    def _weights(self, x: Tensor) -> Tensor:
        """Weights (L, H, B, S) of features (L, B, S, C)."""
        # tanh(signal) = 2 sigmoid(2 signal) - 1: one function for both halves, and in a
        # fraction of the time that tanh takes.
        factor = self.gate_bias.new_tensor([2.0, 1.0])
        factor = factor.repeat_interleave(self.to_gate.shape[2] // 2)
        bias, weight = self.gate_bias * factor, self.to_gate * factor
        gate = torch.baddbmm(bias, x.flatten(1, 2), weight)
        signal, valve = gate.sigmoid_().chunk(2, dim=-1)
        gated = (signal - 0.5) * valve
        scores = torch.bmm(2 * self.to_score.mT, gated.mT)  # (L, H, B S)
        return scores.unflatten(2, x.shape[1:3]).softmax(-1)


class MeanOverTime(nn.Module):
    """The ablation of `TemporalAttention`: every moment counts the same."""

    def __init__(self, n_leads: int, n_channels: int) -> None:
        super().__init__()
        self.to_value = nn.Parameter(torch.empty(n_leads, n_channels, n_channels))
        nn.init.normal_(self.to_value, std=n_channels**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Pool (B, C, L, S) over time to one token per lead, (B, L, C)."""
        return torch.einsum("bcl,lcd->bld", x.mean(3), self.to_value)


class LeadAttention(nn.Module):
    """Self-attention over leads, as a pre-norm transformer layer.

    Each lead is known by a learned embedding, not by its place in the order.

    Parameters
    ----------
    n_leads : int
        Number of leads, L.
    n_channels : int
        Channels, C; a multiple of `n_heads`.
    n_heads : int, default=4
        Attention heads, H.
    """

    def __init__(self, n_leads: int, n_channels: int, n_heads: int = 4) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.embedding = nn.Parameter(torch.randn(n_leads, n_channels) * 0.02)
        self.norm_1 = nn.LayerNorm(n_channels)
        self.to_qkv = nn.Linear(n_channels, 3 * n_channels, bias=False)
        self.to_out = nn.Linear(n_channels, n_channels)
        self.norm_2 = nn.LayerNorm(n_channels)
        self.mlp = nn.Sequential(
            nn.Linear(n_channels, 2 * n_channels),
            nn.GELU(),
            nn.Linear(2 * n_channels, n_channels),
        )

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Tokens (B, L, C) with absent leads masked; `present` is (B, L)."""
        x = x + self.embedding
        q, k, v = self._project(x)  # three times (B, H, L, D)
        mask = present[:, None, None]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.to_out(out.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm_2(x))

    def attention(self, x: Tensor, present: Tensor) -> Tensor:
        """Weights of shape (B, H, L, L); each row, a query, sums to one."""
        q, k, _ = self._project(x + self.embedding)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        return scores.masked_fill(~present[:, None, None], -torch.inf).softmax(-1)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        qkv = self.to_qkv(self.norm_1(x)).unflatten(-1, (3, self.n_heads, -1))
        return tuple(qkv.permute(2, 0, 3, 1, 4))


class Voltage(nn.Module):
    """How high each lead is, as a token, beside its shape; it may be unknown.

    It is unknown where the leads are so high on the average that the ECG cannot be in
    mV: it was normalised. In training it also is in some ECGs at random, so that the
    network learns to do without.

    Parameters
    ----------
    n_channels : int
        Channels of a token, C.
    hidden : float, default=0.3
        Share of the training ECGs whose voltage is taken for unknown.
    """

    # Logarithms of standard deviations in mV: usual; not to be found in mV.
    _USUAL, _LIMIT = -1.8, -0.5

    def __init__(self, n_channels: int, hidden: float = 0.3) -> None:
        super().__init__()
        self.hidden = hidden
        self.to_token = nn.Linear(2, n_channels)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(B, L, T) in mV to what is added to the tokens of the leads, (B, L, C)."""
        height = (x.nan_to_num(0.0).std(2, correction=0) + 1e-4).log()
        mean = (height * present).sum(1) / present.sum(1).clamp(min=1)
        known = mean < self._LIMIT
        if self.training:
            known = known & (torch.rand(len(x), device=x.device) >= self.hidden)
        known = known[:, None].to(height).expand_as(height)
        height = (height - self._USUAL).clamp(-3, 3) * known
        return self.to_token(torch.stack([height, known], dim=-1))


class Encoder(ECGEncoder):
    """ECGs (B, L, T) in mV to latent features (B, Z).

    Parameters
    ----------
    n_leads : int
        Number of leads, L.
    n_channels : int, default=32
        Channels, C.
    latent_dim : int, default=64
        Latent features, Z.
    lead_attention, temporal_attention : bool, default=True
        Whether leads attend to each other, and whether moments are weighted; switching
        one off is the paper's ablation.
    scale : float, default=1.0
        Divides the ECG: one number for all leads, so that voltages stay comparable.
    voltage_token : bool, default=False
        Whether each lead is divided by its own height instead, which enters as a token
        and may be unknown.
    """

    def __init__(
        self,
        n_leads: int,
        n_channels: int = 32,
        latent_dim: int = 64,
        *,
        lead_attention: bool = True,
        temporal_attention: bool = True,
        scale: float = 1.0,
        voltage_token: bool = False,
    ) -> None:
        super().__init__(scale)
        self.voltage = Voltage(n_channels) if voltage_token else None
        self.trunk = Trunk(n_channels)
        pool = TemporalAttention if temporal_attention else MeanOverTime
        self.temporal = pool(n_leads, n_channels)
        self.across_leads = (
            LeadAttention(n_leads, n_channels) if lead_attention else None
        )
        self.to_latent = nn.Linear(2 * n_channels, latent_dim)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, L, T) to (B, Z); `present` (B, L) defaults to the leads without NaN."""
        return self.parts(x, present)[0]

    def parts(self, x: Tensor, present: Tensor | None = None) -> tuple[Tensor, ...]:
        """Latent (B, Z), lead tokens (B, L, C), features over time (B, C, L, S)."""
        if present is None:
            present = present_leads(x)
        features = self.trunk(self.scaled(x))
        # What a masked lead shows must not reach a decoder that is to guess it.
        tokens = self._tokens(features, x, present) * present.unsqueeze(-1)
        if self.across_leads is not None:
            tokens = self.across_leads(tokens, present)
        return self.to_latent(_mean_and_max(tokens, present)), tokens, features

    def stages(self) -> list[nn.Module]:
        """What can be trained apart, from the latent features down to the trunk."""
        stages = [self.to_latent, self.across_leads, self.voltage, self.temporal]
        return [stage for stage in [*stages, self.trunk] if stage is not None]

    def scaled(self, x: Tensor) -> Tensor:
        """ECGs (B, L, T) in the unit of the network, absent leads as zeros."""
        if self.voltage is None:
            return super().scaled(x)
        x = (x - x.mean(2, keepdim=True)).nan_to_num(0.0)
        return x / (x.std(2, correction=0, keepdim=True) + 1e-6)

    def _tokens(self, features: Tensor, x: Tensor, present: Tensor) -> Tensor:
        """One token per lead, (B, L, C), before the leads meet."""
        tokens = self.temporal(features)
        return tokens if self.voltage is None else tokens + self.voltage(x, present)

    def attention_maps(
        self, x: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Lead (B, H, L, L) and temporal (B, L, H, S) weights; rows sum to one.

        None stands for an attention that is switched off.
        """
        if present is None:
            present = present_leads(x)
        features = self.trunk(self.scaled(x))
        lead = temporal = None
        if isinstance(self.temporal, TemporalAttention):
            temporal = self.temporal.attention(features)
        if self.across_leads is not None:
            tokens = self._tokens(features, x, present)
            lead = self.across_leads.attention(tokens, present)
        return lead, temporal

    def lead_parameters(self) -> list[str]:
        """Names of the parameters whose first axis is the lead."""
        own = [*self.temporal.parameters()]
        if self.across_leads is not None:
            own.append(self.across_leads.embedding)
        ids = {id(parameter) for parameter in own}
        return [name for name, p in self.named_parameters() if id(p) in ids]


class Decoder(nn.Module):
    """Every lead, recorded or absent, from what the encoder made of those present.

    Here leads meet: each is restored from its own features over time and from those of
    the others, mixed by learned weights, and from its token.

    Parameters
    ----------
    n_leads : int
        Number of leads, L.
    n_channels : int
        Channels of the features and tokens, C; even.
    """

    def __init__(self, n_leads: int, n_channels: int) -> None:
        super().__init__()
        n_half = n_channels // 2
        self.mix = nn.Parameter(torch.eye(n_leads) + 1 / n_leads)
        self.from_token = nn.Linear(n_channels, n_channels)
        self.up_1 = nn.ConvTranspose2d(n_channels, n_half, (1, 4), (1, 2), (0, 1))
        self.norm = nn.BatchNorm2d(n_half)
        self.up_2 = nn.ConvTranspose2d(n_half, 1, (1, 16), (1, 8), (0, 4))

    def forward(
        self, parts: tuple[Tensor, ...], present: Tensor, n_times: int
    ) -> Tensor:
        """What `Encoder.parts` tells of ECGs, to ECGs (B, L, T)."""
        _, tokens, features = parts
        features = features * present[:, None, :, None]
        x = torch.einsum("kl,bcls->bcks", self.mix, features)
        x = F.relu(x + self.from_token(tokens).mT.unsqueeze(-1))
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.up_2(F.relu(self.norm(self.up_1(x)))).squeeze(1)
        return x[..., :n_times]


class LinearRisk(nn.Linear):
    """Latent features (B, Z) to log risks (B,), or (B, n_outputs) where several.

    Parameters
    ----------
    n_inputs : int
        Latent features, Z.
    n_outputs : int, default=1
        Outputs, such as one for each cause of an event.
    dropout : float, default=0.0
        Share of the latent features that training leaves out, the same for all patients
        of a batch, so that a risk set is compared by the same features.
    zero_start : bool, default=False
        Whether all outputs are zero before training.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int = 1,
        *,
        dropout: float = 0.0,
        zero_start: bool = False,
    ) -> None:
        super().__init__(n_inputs, n_outputs, bias=False)
        self.dropout = dropout
        nn.init.normal_(self.weight, std=0.0 if zero_start else 0.01)

    def forward(self, latent: Tensor) -> Tensor:
        """(B, Z) to (B,), or (B, n_outputs)."""
        kept = F.dropout(torch.ones_like(latent[:1]), self.dropout, self.training)
        return super().forward(latent * kept).squeeze(-1)


class HeadedEncoder(nn.Module):
    """An encoder with a head and, for an auxiliary reconstruction, a decoder.

    Parameters
    ----------
    encoder : ECGEncoder
        ECGs (B, L, T) to latent features (B, Z).
    head : nn.Module
        Latent features (B, Z) to outputs.
    decoder : nn.Module or None, default=None
        What `encoder.parts` tells, the mask of present leads and the length T, to ECGs
        (B, L, T) in the unit of `encoder.scaled`.
    """

    def __init__(
        self, encoder: ECGEncoder, head: nn.Module, decoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.decoder = encoder, head, decoder

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Outputs; `present` (B, L) defaults to the leads without NaN."""
        return self.head(self.encoder(x, present))

    def with_reconstruction(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs, and ECGs (B, L, T) in the unit of `encoder.scaled`."""
        parts = self.encoder.parts(x, present)
        return self.head(parts[0]), self.decoder(parts, present, x.shape[-1])


def _time_conv(n_inputs: int, n_channels: int, kernel_size: int, stride: int):
    """A convolution over time that never sees two leads."""
    return nn.Conv2d(
        n_inputs,
        n_channels,
        (1, kernel_size),
        (1, stride),
        (0, kernel_size // 2),
        bias=False,
    )


def _compressed(x: Tensor) -> Tensor:
    """asinh(10 x), with large deflections compressed."""
    x = 10 * x
    if x.requires_grad:
        return x.asinh()
    # The same within rounding, in a quarter of the time.
    size = x.abs()
    # ONNX knows a sign, and not how to copy one.
    return size.square().add_(1).sqrt_().add_(size).log_().mul_(x.sign())


def _normed(
    norm: nn.BatchNorm2d,
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
) -> Tensor:
    """A convolution and its normalisation: one convolution where nothing is trained."""
    if norm.training:
        return norm(F.conv2d(x, weight, None, stride, padding))
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    bias = norm.bias - norm.running_mean * factor
    weight = weight * factor[:, None, None, None]
    return F.conv2d(x, weight, bias, stride, padding)


def _mean_and_max(tokens: Tensor, present: Tensor) -> Tensor:
    """Pool (B, L, C) over the leads that are there, to (B, 2 C)."""
    there = present.unsqueeze(-1)
    mean = (tokens * there).sum(1) / there.sum(1).clamp(min=1)
    largest = tokens.masked_fill(~there, -torch.inf).amax(1)
    return torch.cat([mean, largest], dim=1)

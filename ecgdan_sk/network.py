"""The compact dual attention network: leads stay separate until they attend.

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
    """Base class of encoders: ECGs (B, L, T) to latent features (B, Z).

    Training and explanations use these methods. A subclass must define `forward`. The
    other defaults suit a network without attention that is trained as a whole.

    Parameters
    ----------
    scale : float, default=1.0
        Divisor of the ECG. All leads share it, so voltages stay comparable.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(float(scale)))

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, L, T) to (B, Z); `present` (B, L) defaults to the leads without NaN."""
        raise NotImplementedError

    def parts(self, x: Tensor, present: Tensor | None = None) -> tuple[Tensor, ...]:
        """Latent features (B, Z), then further inputs of a decoder."""
        return (self(x, present),)

    def scaled(self, x: Tensor) -> Tensor:
        """ECGs (B, L, T) in the unit of the network, absent leads as zeros."""
        # The offset of an electrode carries no information on the heart.
        x = x - x.mean(2, keepdim=True)
        return x.nan_to_num(0.0) / self.scale

    def stages(self) -> list[nn.Module]:
        """Parts that can be trained separately, from latent features to the input."""
        return [self]

    def attention_maps(
        self, x: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Lead (B, H, L, L) and temporal (B, L, H, S) weights; rows sum to one.

        None means that the network lacks this attention, or that it is switched off.
        """
        return None, None

    def lead_parameters(self) -> list[str]:
        """Names of the parameters whose first axis is the lead."""
        return []

    def n_padded(self, n_times: int) -> int:
        """Number of zeros that the encoder pads before an ECG of this length."""
        return 0


class ResidualBlock(nn.Module):
    """Two convolutions over time with a shortcut. All leads share the weights.

    Parameters
    ----------
    n_inputs, n_channels : int
        Channels before and after.
    kernel_size : int
        Time steps that each convolution covers; odd.
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
    """Scaled ECGs (B, L, T) to features of each lead (B, C, L, S), where S = T / 16.

    Each lead enters twice: unchanged, and with large deflections compressed. The
    compressed lead shows the shape of P, ST and T beside a QRS ten times as high.

    Parameters
    ----------
    n_channels : int
        Channels of the output, C; even.
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

    # A convolution of only two channels is slow. Here the samples of a stride become
    # channels, and the stem is a convolution over whole strides.

    def _strides(self, x: Tensor) -> Tensor:
        """(B, L, T) to (L B, 16, 1, T / 8 + 1), padded with zeros at both ends."""
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
        """Number of strides that the kernel of the stem covers."""
        return -(-self.stem.kernel_size[1] // self.stem.stride[1])


class TemporalAttention(nn.Module):
    """Gated attention that pools each lead over time. Each lead has its own weights.

    One batched product computes all leads. The gate follows Ilse et al. (2018),
    "Attention-based deep multiple instance learning".

    Parameters
    ----------
    n_leads : int
        Number of leads, L.
    n_channels : int
        Channels, C; a multiple of `n_heads`.
    n_heads : int, default=4
        Attention heads, H. Each pools an equal share of the channels.
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
        # Projecting after pooling gives the same result, S times cheaper.
        pooled = self._weights(x).transpose(1, 2) @ x  # (L, B, H, C)
        values = self.to_value.unflatten(2, (self.n_heads, -1))  # (L, C, H, D)
        return torch.einsum("lbhc,lchd->blhd", pooled, values).flatten(2)

    def attention(self, x: Tensor) -> Tensor:
        """Weights of shape (B, L, H, S); each row over time sums to one."""
        return self._weights(x.permute(2, 0, 3, 1)).permute(2, 0, 1, 3)

    def _weights(self, x: Tensor) -> Tensor:
        """Weights (L, H, B, S) of features (L, B, S, C)."""
        # tanh(signal) = 2 sigmoid(2 signal) - 1, so one sigmoid computes both halves,
        # in a fraction of the time of tanh.
        factor = self.gate_bias.new_tensor([2.0, 1.0])
        factor = factor.repeat_interleave(self.to_gate.shape[2] // 2)
        bias, weight = self.gate_bias * factor, self.to_gate * factor
        gate = torch.baddbmm(bias, x.flatten(1, 2), weight)
        signal, valve = gate.sigmoid_().chunk(2, dim=-1)
        gated = (signal - 0.5) * valve
        scores = torch.bmm(2 * self.to_score.mT, gated.mT)  # (L, H, B S)
        return scores.unflatten(2, x.shape[1:3]).softmax(-1)


class MeanOverTime(nn.Module):
    """Ablation of `TemporalAttention`: all time steps have equal weight."""

    def __init__(self, n_leads: int, n_channels: int) -> None:
        super().__init__()
        self.to_value = nn.Parameter(torch.empty(n_leads, n_channels, n_channels))
        nn.init.normal_(self.to_value, std=n_channels**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Pool (B, C, L, S) over time to one token per lead, (B, L, C)."""
        return torch.einsum("bcl,lcd->bld", x.mean(3), self.to_value)


class LeadAttention(nn.Module):
    """Self-attention over leads, as a pre-norm transformer layer.

    A learned embedding identifies each lead, so the order of the leads is irrelevant.

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
        """Tokens (B, L, C) after attention to the leads that are `present` (B, L)."""
        x = x + self.embedding
        q, k, v = self._project(x)  # three times (B, H, L, D)
        mask = present[:, None, None]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.to_out(out.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm_2(x))

    def attention(self, x: Tensor, present: Tensor) -> Tensor:
        """Weights of shape (B, H, L, L); rows are queries and sum to one."""
        q, k, _ = self._project(x + self.embedding)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        return scores.masked_fill(~present[:, None, None], -torch.inf).softmax(-1)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        qkv = self.to_qkv(self.norm_1(x)).unflatten(-1, (3, self.n_heads, -1))
        return tuple(qkv.permute(2, 0, 3, 1, 4))


class Voltage(nn.Module):
    """Token for the amplitude of each lead, which may be unknown.

    The amplitude is unknown if the average amplitude of the leads is too large for mV,
    because the ECG was then normalised. In training it is also hidden in some ECGs at
    random, so that the network learns to work without it.

    Parameters
    ----------
    n_channels : int
        Channels of a token, C.
    hidden : float, default=0.3
        Share of the training ECGs whose amplitude is hidden.
    """

    # Logarithms of standard deviations: a usual one in mV, and the highest possible.
    _USUAL, _LIMIT = -1.8, -0.5

    def __init__(self, n_channels: int, hidden: float = 0.3) -> None:
        super().__init__()
        self.hidden = hidden
        self.to_token = nn.Linear(2, n_channels)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """ECGs (B, L, T) in mV to an addition to the lead tokens (B, L, C)."""
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
        Whether leads attend to each other, and whether time steps are weighted. False
        is an ablation of the paper.
    scale : float, default=1.0
        Divisor of the ECG. All leads share it, so voltages stay comparable.
    voltage_token : bool, default=False
        Whether each lead is divided by its own standard deviation instead. A token then
        holds the amplitude, which may be unknown.
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
        # A masked lead must not reach the decoder, which has to reconstruct it.
        tokens = self._tokens(features, x, present) * present.unsqueeze(-1)
        if self.across_leads is not None:
            tokens = self.across_leads(tokens, present)
        return self.to_latent(_mean_and_max(tokens, present)), tokens, features

    def stages(self) -> list[nn.Module]:
        """Parts that can be trained separately, from latent features to the trunk."""
        stages = [self.to_latent, self.across_leads, self.voltage, self.temporal]
        return [stage for stage in [*stages, self.trunk] if stage is not None]

    def scaled(self, x: Tensor) -> Tensor:
        """ECGs (B, L, T) in the unit of the network, absent leads as zeros."""
        if self.voltage is None:
            return super().scaled(x)
        x = (x - x.mean(2, keepdim=True)).nan_to_num(0.0)
        return x / (x.std(2, correction=0, keepdim=True) + 1e-6)

    def _tokens(self, features: Tensor, x: Tensor, present: Tensor) -> Tensor:
        """One token per lead, (B, L, C), before the lead attention."""
        tokens = self.temporal(features)
        return tokens if self.voltage is None else tokens + self.voltage(x, present)

    def attention_maps(
        self, x: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Lead (B, H, L, L) and temporal (B, L, H, S) weights; rows sum to one.

        None means that the attention is switched off.
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
    """Reconstruct every lead, recorded or absent, from the features of present leads.

    Learned weights mix the features over time of all leads. Each lead is reconstructed
    from this mixture and from its token.

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
        """Output of `Encoder.parts` to ECGs (B, L, T)."""
        _, tokens, features = parts
        features = features * present[:, None, :, None]
        x = torch.einsum("kl,bcls->bcks", self.mix, features)
        x = F.relu(x + self.from_token(tokens).mT.unsqueeze(-1))
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.up_2(F.relu(self.norm(self.up_1(x)))).squeeze(1)
        return x[..., :n_times]


class LinearRisk(nn.Linear):
    """Latent features (B, Z) to log risks (B,), or (B, n_outputs) for several outputs.

    Parameters
    ----------
    n_inputs : int
        Latent features, Z.
    n_outputs : int, default=1
        Outputs, such as one for each cause of an event.
    dropout : float, default=0.0
        Share of the latent features that training leaves out. All patients of a batch
        lose the same features, so that a risk set is compared by the same features.
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
        Output of `encoder.parts`, mask of present leads and length T to ECGs (B, L, T)
        in the unit of `encoder.scaled`.
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
    """Convolution over time that never mixes leads."""
    return nn.Conv2d(
        n_inputs,
        n_channels,
        (1, kernel_size),
        (1, stride),
        (0, kernel_size // 2),
        bias=False,
    )


def _compressed(x: Tensor) -> Tensor:
    """asinh(10 x), which compresses large deflections."""
    x = 10 * x
    if x.requires_grad:
        return x.asinh()
    # Equal within rounding, in a quarter of the time.
    size = x.abs()
    # ONNX has `sign`, but no `copysign`.
    return size.square().add_(1).sqrt_().add_(size).log_().mul_(x.sign())


def _normed(
    norm: nn.BatchNorm2d,
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
) -> Tensor:
    """Convolution and batch normalisation, merged into one convolution in eval mode."""
    if norm.training:
        return norm(F.conv2d(x, weight, None, stride, padding))
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    bias = norm.bias - norm.running_mean * factor
    weight = weight * factor[:, None, None, None]
    return F.conv2d(x, weight, bias, stride, padding)


def _mean_and_max(tokens: Tensor, present: Tensor) -> Tensor:
    """Pool tokens (B, L, C) over the present leads, to (B, 2 C)."""
    there = present.unsqueeze(-1)
    mean = (tokens * there).sum(1) / there.sum(1).clamp(min=1)
    largest = tokens.masked_fill(~there, -torch.inf).amax(1)
    return torch.cat([mean, largest], dim=1)

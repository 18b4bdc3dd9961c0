"""The network of the ECG-DAN paper, parameter for parameter (`architecture="paper"`).

Its oddities are kept on purpose, so that published weights give published results. The
stem mixes the leads and the view after it permutes them, so a "lead" of the attention
is not a lead of the ECG. Some dropout masks are shared along odd axes. If a branch is
switched off, a copy of the other branch replaces it.

Shapes are written with these letters: B batch, T time steps, S = T / 32 steps after the
trunk, G transformers computed at once, N tokens, D width of a token, H heads.
"""

from operator import attrgetter
from textwrap import shorten

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "PaperAutoencoder",
    "PaperDecoder",
    "PaperEncoder",
    "PaperRiskHead",
    "load_published_checkpoint",
]

_N_LEADS, _N_HEADS = 12, 8
_WIDTHS = (4, 8, 16, 16, 16, 16)  # channels before and after each halving
# PyTorch 2.7 and later have `is_exporting`; before, an export also compiled.
_is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
_PIECE = 8  # number of ECGs whose attention fits into the cache of a CPU


class PaperAutoencoder(nn.Module):
    """Published network: ECGs (B, 12, T) to their reconstruction (B, 12, T).

    Parameters
    ----------
    n_times : int, default=608
        Samples per lead, T, a multiple of 32. The weights fit only this length. The
        paper pads median beats of 600 samples at 500 Hz with 4 zeros on each side.
    lead_attention : bool, default=True
        Whether to attend across leads. False is an ablation of the paper.
    temporal_attention : bool, default=True
        Whether to attend over time. False is an ablation of the paper.
    sequential : bool, default=False
        Whether the lead attention reads the output of the temporal attention. Otherwise
        both read the same input and their outputs are added.
    batchwise_dropout : bool, default=False
        Whether dropout masks are shared as in the published fine-tuning. This changes
        training only.

    References
    ----------
    Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960.

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.paper_network import PaperAutoencoder
    >>> network = PaperAutoencoder(n_times=608).eval()
    >>> network(torch.zeros(2, 12, 608)).shape
    torch.Size([2, 12, 608])
    >>> network.encoder(torch.zeros(2, 12, 608)).shape
    torch.Size([2, 512])
    """

    def __init__(
        self,
        n_times: int = 608,
        *,
        lead_attention: bool = True,
        temporal_attention: bool = True,
        sequential: bool = False,
        batchwise_dropout: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = PaperEncoder(
            n_times,
            lead_attention=lead_attention,
            temporal_attention=temporal_attention,
            sequential=sequential,
            batchwise_dropout=batchwise_dropout,
        )
        self.decoder = PaperDecoder(n_times)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class PaperEncoder(nn.Module):
    """ECGs (B, 12, T) to latent features (B, 512); parameters of `PaperAutoencoder`."""

    n_features = 512

    def __init__(self, n_times: int = 608, **branches: bool) -> None:
        super().__init__()
        self.n_times = _checked_length(n_times)
        self.input_conv = nn.Sequential(
            nn.Conv1d(_N_LEADS, 48, 5, padding=2, groups=_N_LEADS),
            nn.GroupNorm(_N_LEADS, 48),
            nn.GELU(),
            nn.Conv1d(48, 48, 5, padding=2),
            nn.GroupNorm(_N_LEADS, 48),
            nn.GELU(),
        )
        blocks = (_ResidualBlock(*width, "down") for width in zip(_WIDTHS, _WIDTHS[1:]))
        self.encoder = nn.Sequential(*blocks)
        self.attention = _DualAttention(n_times // 32, **branches)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self._trunk(x))

    def attention_maps(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Lead (B, 12, 12) and temporal (B, 12, S, S) weights, averaged over heads.

        Rows are queries and sum to one. A branch that is switched off gives None. Call
        this method in eval mode. (The published weights use the name `attention`.)
        """
        return self.attention.maps(self._trunk(x))

    def _trunk(self, x: Tensor) -> Tensor:
        """Input of the attention, (B, 16, 12, S)."""
        if x.shape[1:] != (_N_LEADS, self.n_times):
            raise ValueError(
                f"Expected ECGs of shape (n_samples, {_N_LEADS}, {self.n_times}), got "
                f"{tuple(x.shape)}. The paper's network fits one length. Pad or crop "
                "the ECGs, or build the network with their n_times."
            )
        # The stem orders channels by lead, but the view reads them by feature.
        return self.encoder(self.input_conv(x).unflatten(1, (4, _N_LEADS)))


class PaperDecoder(nn.Module):
    """Latent features (B, 512) to ECGs (B, 12, T) of zero mean in every lead."""

    def __init__(self, n_times: int = 608) -> None:
        super().__init__()
        n_steps = _checked_length(n_times) // 32
        self.linear = nn.Sequential(
            nn.Linear(PaperEncoder.n_features, 4 * n_steps),
            nn.Linear(4 * n_steps, 4 * _N_LEADS * n_steps),
            nn.Unflatten(1, (4, _N_LEADS, n_steps)),
        )
        blocks = (_ResidualBlock(4, 4, "up") for _ in range(5))
        self.decoder = nn.Sequential(*blocks, _ResidualBlock(4, 1))
        self.final_conv = nn.Sequential(
            nn.Conv1d(_N_LEADS, _N_LEADS, 1, groups=_N_LEADS),
            nn.InstanceNorm1d(_N_LEADS),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.final_conv(self.decoder(self.linear(z)).squeeze(1))


class PaperRiskHead(nn.Module):
    """Features (B, n_features) to log risk (B, 1), higher for an earlier event.

    The published head has one output and a dropout of 0.25.
    """

    def __init__(
        self, n_features: int = 512, *, n_outputs: int = 1, dropout: float = 0.25
    ) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.BatchNorm1d(n_features),
            _SharedDropout(dropout, axis=0),
            nn.Linear(n_features, 3),
            nn.ReLU(),
            nn.BatchNorm1d(3),
            nn.Identity(),  # a dropout that is never used, at its published position
            nn.Linear(3, n_outputs),
        )
        for layer in (self.model[2], self.model[6]):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z)


class _ResidualBlock(nn.Module):
    """Two 1 x 5 convolutions beside a skip path that may halve or double the length."""

    def __init__(self, n_in: int, n_out: int, resample: str | None = None) -> None:
        super().__init__()
        self.main_reads_skip = up = resample == "up"
        down = resample == "down"
        stride = 2 if down else 1
        self.conv1 = nn.Conv2d(n_in, n_out, (1, 5), (1, stride), (0, 2), bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, (1, 5), padding=(0, 2), bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        if down:
            self.idfunc_0 = nn.MaxPool2d((1, 2))
        elif up:
            self.idfunc_0 = nn.ConvTranspose2d(n_in, n_in, (1, 4), (1, 2), (0, 1))
        else:
            self.idfunc_0 = nn.Identity()
        self.idfunc_1 = nn.Conv2d(n_in, n_out, 1, bias=not up)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.idfunc_1(self.idfunc_0(x))
        x = skip if self.main_reads_skip else x
        x = F.leaky_relu(self.bn1(self.conv1(x)))
        x = F.leaky_relu(self.bn2(self.conv2(x)))
        return F.gelu(x + skip)


class _DualAttention(nn.Module):
    """Attention over time in each of 12 rows and across them, pooled to (B, 512)."""

    def __init__(
        self,
        n_steps: int,
        lead_attention: bool = True,
        temporal_attention: bool = True,
        sequential: bool = False,
        batchwise_dropout: bool = False,
    ) -> None:
        super().__init__()
        if sequential and not (lead_attention and temporal_attention):
            raise ValueError(
                "sequential=True needs both attentions, got "
                f"lead_attention={lead_attention} and "
                f"temporal_attention={temporal_attention}. Set sequential=False for an "
                "ablation."
            )
        width, shared = 16 * n_steps, batchwise_dropout
        self.lead, self.temporal = lead_attention, temporal_attention
        self.sequential = sequential
        if temporal_attention:
            self.time_mha = _twelve(nn.MultiheadAttention, 16, _N_HEADS)
            self.time_norm_1 = _twelve(nn.LayerNorm, 16)
            self.mlp_norm_1 = _twelve(nn.LayerNorm, 16)
            self.time_mlp = _twelve(_MLP, 16)
            self.time_code = _PositionCode(n_steps, 16, axis=None if shared else 1)
            # As published, the mask is shared over time, not over patients.
            self.time_dropout = _SharedDropout(0.2, axis=2 if shared else None)
        if lead_attention:
            self.lead_mha = nn.MultiheadAttention(width, _N_HEADS)
            self.lead_norm_1 = nn.LayerNorm(width)
            self.lead_mlp = _MLP(width)
            self.lead_code = _PositionCode(_N_LEADS, width, axis=1)
            self.lead_dropout = nn.Dropout(0.2)
        self.norm2 = nn.LayerNorm(width)  # of the lead branch, even if it is off
        self.pool_dropout = _SharedDropout(0.2, axis=0 if shared else None)
        self.attention_pool_1, self.attention_pool_2 = (
            nn.Sequential(nn.Flatten(1, 2), nn.Conv1d(16 * _N_LEADS, 256, 1))
            for _ in range(2)
        )

    def forward(self, h: Tensor) -> Tensor:
        over_time = self._over_time(h) if self.temporal else h
        if self.lead:
            out = self._across_leads(over_time if self.sequential else h)
        else:
            out = over_time
        if not self.sequential:
            out = out + over_time
        if not (self.lead or self.temporal):
            out = self.pool_dropout(out)
        average = self.attention_pool_1(out).mean(-1)
        return torch.cat([average, self.attention_pool_2(out).amax(-1)], 1)

    def maps(self, h: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Lead and temporal attention weights, averaged over heads."""
        lead = temporal = None
        if self.temporal:
            maps = _attention_maps(self._time_tokens(h), *self._time_modules())
            temporal = maps.transpose(0, 1)
        if self.lead:
            tokens = self._lead_tokens(self._over_time(h) if self.sequential else h)
            lead = _attention_maps(tokens, *self._lead_modules())[0]
        return lead, temporal

    def _over_time(self, h: Tensor) -> Tensor:
        """All twelve temporal transformers at once; (B, 16, 12, S) keeps its shape."""
        tokens, modules = self._time_tokens(h), self._time_modules()
        return _transform(tokens, *modules, self.time_dropout).permute(1, 3, 0, 2)

    def _time_tokens(self, h: Tensor) -> Tensor:
        """One sequence per row, (12, B, S, 16)."""
        return self.time_code(h.permute(2, 0, 3, 1).contiguous())

    def _time_modules(self):
        return self.time_norm_1, self.time_mha, self.mlp_norm_1, self.time_mlp

    def _across_leads(self, h: Tensor) -> Tensor:
        """Lead transformer; (B, 16, 12, S) keeps its shape."""
        tokens, modules = self._lead_tokens(h), self._lead_modules()
        out = _transform(tokens, *modules, self.lead_dropout)
        return out[0].unflatten(2, (16, -1)).transpose(1, 2)

    def _lead_tokens(self, h: Tensor) -> Tensor:
        """One token per row, (1, B, 12, 16 S)."""
        return self.lead_code(h.transpose(1, 2).flatten(2)[None])

    def _lead_modules(self):
        # As published: `norm2` before the attention, `lead_norm_1` before the MLP.
        return [self.norm2], [self.lead_mha], [self.lead_norm_1], [self.lead_mlp]


class _MLP(nn.Module):
    """Weights of the two linear layers in a transformer; `_layer` applies them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)


class _PositionCode(nn.Module):
    """Sinusoidal position code, added to tokens (G, B, N, D) before dropout."""

    def __init__(self, n_tokens: int, width: int, axis: int | None) -> None:
        super().__init__()
        period = 10000 ** (torch.arange(0, width, 2) / width)
        angle = torch.arange(n_tokens)[:, None] / period
        code = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
        self.register_buffer("code", code, persistent=False)
        self.dropout = _SharedDropout(0.2, axis)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.code)


class _SharedDropout(nn.Module):
    """Dropout with one mask shared along `axis`; None is ordinary dropout."""

    def __init__(self, p: float, axis: int | None) -> None:
        super().__init__()
        self.p, self.axis = p, axis

    def forward(self, x: Tensor) -> Tensor:
        if self.axis is None or not self.training:
            return F.dropout(x, self.p, self.training)
        return x * F.dropout(torch.ones_like(x.narrow(self.axis, 0, 1)), self.p)


def _transform(x: Tensor, norms, attentions, mlp_norms, mlps, dropout) -> Tensor:
    """G pre-norm transformer layers at once; tokens (G, B, N, D) keep their shape."""
    weights = (
        _stacked(norms),
        _stacked(attentions, "in_proj_"),
        _stacked(attentions, "out_proj."),
        _stacked(mlp_norms),
        _stacked(mlps, "fc1."),
        _stacked(mlps, "fc2."),
    )
    if _is_exporting():  # for any number of ECGs
        return _layer(x, *weights, dropout)
    # On a CPU a loop over pieces is faster, as their scores fit into the cache.
    pieces = x.split(_PIECE if x.is_cpu else max(1, x.shape[1]), 1)
    return torch.cat([_layer(piece, *weights, dropout) for piece in pieces], 1)


def _layer(x: Tensor, norm, to_qkv, to_out, mlp_norm, fc1, fc2, dropout) -> Tensor:
    """Attention and MLP of G layers, with weights as pairs (weight, bias)."""
    weights, values = _attend(_normed(x, norm), to_qkv)
    x = x + _linear((values @ weights).flatten(2, 3).mT, to_out)
    hidden = dropout(F.gelu(_linear(_normed(x, mlp_norm), fc1)))
    return x + dropout(_linear(hidden, fc2))


def _attend(x: Tensor, to_qkv) -> tuple[Tensor, Tensor]:
    """Weights (G, B, H, N, N), one column per query, and values (G, B, H, D / H, N)."""
    qkv = _linear(x, to_qkv).unflatten(-1, (3, _N_HEADS, -1))
    q, k, v = qkv.permute(3, 0, 1, 4, 5, 2).contiguous()
    # With only two dimensions per head, this is faster than a fused kernel.
    return (k.mT @ (q * q.shape[-2] ** -0.5)).softmax(-2), v


def _attention_maps(x: Tensor, norms, attentions, *_) -> Tensor:
    """Weights (G, B, N, N) averaged over heads, one row per query."""
    normed = _normed(x, _stacked(norms))
    return _attend(normed, _stacked(attentions, "in_proj_"))[0].mean(2).mT


def _normed(x: Tensor, weights) -> Tensor:
    """Layer normalisation of (G, B, N, D), with scale and shift of each group."""
    scale, shift = weights
    normed = F.layer_norm(x, x.shape[-1:])
    return torch.addcmul(shift[:, None, None], normed, scale[:, None, None])


def _linear(x: Tensor, weights) -> Tensor:
    """Affine map of (G, B, N, D), with weights of each group."""
    weight, bias = weights
    out = torch.baddbmm(bias[:, None], x.flatten(1, 2), weight.mT)
    return out.unflatten(1, x.shape[1:3])


def _stacked(modules, prefix: str = "") -> tuple[Tensor, Tensor]:
    """Weights and biases of G modules, stacked along a new first axis."""
    weights, biases = (
        [attrgetter(prefix + kind)(module) for module in modules]
        for kind in ("weight", "bias")
    )
    if len(modules) == 1:  # a view avoids a copy of the large lead layer
        return weights[0][None], biases[0][None]
    return torch.stack(weights), torch.stack(biases)


def _twelve(kind, *args) -> nn.ModuleList:
    return nn.ModuleList(kind(*args) for _ in range(_N_LEADS))


def _initialise(module: nn.Module) -> None:
    """Published initialisation: Kaiming for convolutions, Xavier for linear layers."""
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def _checked_length(n_times: int) -> int:
    """Return `n_times`, or raise unless it can be halved five times."""
    if n_times < 32 or n_times % 32:
        nearest = max(32, 32 * round(n_times / 32))
        raise ValueError(
            f"The paper's network needs n_times divisible by 32, got {n_times}; the "
            f"nearest is {nearest}. Pad or crop the ECGs to that length."
        )
    return n_times


def load_published_checkpoint(path, *, sequential=False, batchwise_dropout=False):
    """Read a Lightning checkpoint of the published pretraining or fine-tuning.

    Parameters
    ----------
    path : str or path-like
        Path of the file. Only tensors and plain values are read, and no code is run.
    sequential : bool, default=False
        Order of the attentions, which the weights do not show. See `PaperAutoencoder`.
    batchwise_dropout : bool, default=False
        Dropout of further training. See `PaperAutoencoder`.

    Returns
    -------
    network : PaperAutoencoder
        Network in eval mode. The weights determine its length and its attentions.
    head : PaperRiskHead or None
        Head in eval mode. None after pretraining, which has no risk head.

    Raises
    ------
    ValueError
        If the file is damaged, or holds other objects or weights of another network.

    Examples
    --------
    >>> from ecgdan_sk.paper_network import load_published_checkpoint
    >>> network, head = load_published_checkpoint("finetuned.ckpt")  # doctest: +SKIP
    """
    state = _read_state(path)
    names = {name.removeprefix("network."): name for name in state}
    encoder, decoder, head = (
        {k.removeprefix(part): state[v] for k, v in names.items() if k.startswith(part)}
        for part in ("encoder.", "decoder.", "downsteam_net.")  # so spelt
    )
    try:
        network = PaperAutoencoder(
            len(decoder["linear.1.weight"]) // (4 * _N_LEADS) * 32,
            lead_attention="attention.lead_mha.in_proj_weight" in encoder,
            temporal_attention="attention.time_mha.0.in_proj_weight" in encoder,
            sequential=sequential,
            batchwise_dropout=batchwise_dropout,
        )
        network.encoder.load_state_dict(encoder)
        network.decoder.load_state_dict(decoder)
        risk_head = PaperRiskHead().eval() if head else None
        if head:
            risk_head.load_state_dict(head)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"Expected the weights of the paper's network, but {path} holds "
            f"{', '.join(list(state)[:3]) or 'none'}. Give a checkpoint of the "
            f"published pretraining or fine-tuning. ({shorten(str(error), 300)})"
        ) from error
    return network.eval(), risk_head


def _read_state(path) -> dict[str, Tensor]:
    """Weights in an untrusted checkpoint, by name."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        state = checkpoint.get("state_dict", checkpoint)
        return {str(name): value for name, value in state.items()}
    except OSError:
        raise
    except Exception as error:  # a damaged file may raise any error
        raise ValueError(
            f"{path} cannot be read as a checkpoint of tensors. Either the file is "
            "damaged, or it holds other objects, which are refused because they could "
            'run code. Download it again, or ask its owner to save {"state_dict": ...} '
            "alone."
        ) from error

"""Transformers over patches of leads: ECG-JEPA and ST-MEM.

Shapes: B batch, L leads, P patches of a lead, S samples of a patch, N = L * P tokens,
W width, H heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchTransformer(nn.Module):
    """Common base: layers over tokens, a final norm, and patches of a lead.

    Parameters
    ----------
    width, depth, n_heads : int
        Width of a token, layers, heads of each.
    patch : int
        Samples of a patch, S.
    qkv_bias : bool
        Whether queries, keys and values have a bias.
    """

    def __init__(self, width, depth, n_heads, patch, qkv_bias):
        super().__init__()
        self.patch = patch
        layers = (Layer(width, n_heads, qkv_bias) for _ in range(depth))
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def patches(self, x: Tensor) -> Tensor:
        """(B, L, T) to (B, L, P, S)."""
        return x.unflatten(-1, (-1, self.patch))


class Layer(nn.Module):
    """Self-attention and two linear maps, each after a norm."""

    def __init__(self, width, n_heads, qkv_bias):
        super().__init__()
        self.n_heads = n_heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens (B, N, W) keep their shape; `mask` (N, N) marks allowed attention."""
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.n_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, N, W / H)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.proj(out.transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class JEPA(PatchTransformer):
    """ECG-JEPA (Kim 2024): tokens see their own lead and their own moment.

    Parameters
    ----------
    n_leads, n_patches : int
        Leads L, and patches P of each.
    patch, width, depth, n_heads : int
        As of `PatchTransformer`.
    """

    def __init__(self, n_leads, n_patches, patch, width, depth, n_heads):
        super().__init__(width, depth, n_heads, patch, qkv_bias=False)
        self.to_token = nn.Linear(patch, width)
        places = _places(n_leads, n_patches, width)
        self.places = nn.Parameter(places, requires_grad=False)
        lead = torch.arange(n_leads).repeat_interleave(n_patches)
        moment = torch.arange(n_patches).repeat(n_leads)
        may_see = (lead[:, None] == lead) | (moment[:, None] == moment)
        self.register_buffer("may_see", may_see, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, T) to (B, W)."""
        x = self.to_token(self.patches(x).flatten(1, 2))
        for layer in self.layers:
            x = layer(x + self.places, self.may_see)
        return self.norm(x).mean(1)


def _places(n_leads, n_patches, width):
    """Fixed sines and cosines (N, W): of the moment in one half, the lead in the other.

    After Vaswani et al. (2017), in two dimensions as by He et al. (2022).
    """
    half = width // 2
    rate = 10_000.0 ** -(torch.arange(half // 2, dtype=torch.float64) / (half / 2))
    moment = torch.arange(n_patches, dtype=torch.float64).repeat(n_leads)
    lead = torch.arange(n_leads, dtype=torch.float64).repeat_interleave(n_patches)
    angles = [place[:, None] * rate for place in (moment, lead)]
    return torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], 1).float()


class STMEM(PatchTransformer):
    """ST-MEM (Na et al. 2024): each lead between separators, with its own embedding.

    Parameters
    ----------
    n_leads, n_patches : int
        Leads L, and patches P of each.
    patch, width, depth, n_heads : int
        As of `PatchTransformer`.
    """

    def __init__(self, n_leads, n_patches, patch, width, depth, n_heads):
        super().__init__(width, depth, n_heads, patch, qkv_bias=True)
        self.patch_norm = nn.LayerNorm(patch)
        self.to_token = nn.Linear(patch, width)
        self.token_norm = nn.LayerNorm(width)
        self.places = nn.Parameter(torch.randn(1, n_patches + 2, width))
        self.separator = nn.Parameter(torch.randn(width))
        leads = (nn.Parameter(torch.randn(width)) for _ in range(n_leads))
        self.leads = nn.ParameterList(leads)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, T) to (B, W)."""
        x = self.token_norm(self.to_token(self.patch_norm(self.patches(x))))
        n_leads = x.shape[1]
        ends = self.separator.expand(*x.shape[:2], 1, -1)
        x = torch.cat([ends, x, ends], dim=2) + self.places.unsqueeze(1)
        x = x + torch.stack(list(self.leads))[:, None]
        x = x.flatten(1, 2)
        for layer in self.layers:
            x = layer(x)
        x = x.unflatten(1, (n_leads, -1))[:, :, 1:-1]  # without the separators
        return self.norm(x.mean((1, 2)))

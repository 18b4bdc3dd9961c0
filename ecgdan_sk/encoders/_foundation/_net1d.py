"""Net1D of ECGFounder and of CLEF: grouped residual blocks that weigh their channels.

After Hong et al. (2020). Shapes: B batch, C channels, T time steps.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Net1D(nn.Module):
    """(B, leads, T) to features (B, filters[-1]), means over time.

    Parameters
    ----------
    n_leads : int
        Leads of an ECG.
    base : int
        Channels of the first convolution.
    filters, blocks : list of int
        Channels and blocks of each stage; its first block halves the rate.
    ratio : float
        Channels inside a block over those of its result.
    group_width : int
        Channels of a stage that are convolved together.
    kernel : int, default=16
        Samples that a convolution over time sees.
    """

    def __init__(self, n_leads, base, filters, blocks, ratio, group_width, kernel=16):
        super().__init__()
        self.first_conv = SameConv(n_leads, base, kernel, stride=2)
        self.stages = nn.ModuleList()
        before = base
        for width, n_blocks in zip(filters, blocks):
            groups = width // group_width
            inputs = [before] + [width] * (n_blocks - 1)
            self.stages.append(
                nn.Sequential(
                    *(
                        Block(n, width, ratio, kernel, groups, halves=i == 0)
                        for i, n in enumerate(inputs)
                    )
                )
            )
            before = width
        self.stages[0][0].is_first = True

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.first_conv(x))
        for stage in self.stages:
            x = stage(x)
        return x.mean(-1)


class Block(nn.Module):
    """Narrow, convolve over time in groups, widen, weigh the channels; a shortcut."""

    def __init__(self, n_inputs, n_channels, ratio, kernel, groups, halves):
        super().__init__()
        middle, stride = int(n_channels * ratio), 2 if halves else 1
        self.conv1 = SameConv(n_inputs, middle, 1)
        self.conv2 = SameConv(middle, middle, kernel, stride, groups)
        self.conv3 = SameConv(middle, n_channels, 1)
        self.se_fc1 = nn.Linear(n_channels, n_channels // 2)
        self.se_fc2 = nn.Linear(n_channels // 2, n_channels)
        self.halves, self.is_first = halves, False
        self.n_added = n_channels - n_inputs

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x if self.is_first else F.silu(x))
        out = self.conv3(F.silu(self.conv2(F.silu(out))))
        weights = self.se_fc2(F.silu(self.se_fc1(out.mean(-1)))).sigmoid()
        return out * weights.unsqueeze(-1) + self._shortcut(x)

    def _shortcut(self, x):
        """The input at half the rate, with channels of zeros on both sides."""
        if self.halves:
            # An odd length is completed by a zero, as where it was trained.
            x = F.max_pool1d(F.pad(x, (0, 1)), 2)
        left = self.n_added // 2
        return F.pad(x, (0, 0, left, self.n_added - left))


class SameConv(nn.Conv1d):
    """A convolution whose result has T / stride samples, rounded up."""

    def __init__(self, n_inputs, n_outputs, kernel, stride=1, groups=1):
        super().__init__(n_inputs, n_outputs, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        (kernel,), (stride,), n_times = self.kernel_size, self.stride, x.shape[-1]
        steps = (n_times + stride - 1) // stride
        missing = max(0, (steps - 1) * stride + kernel - n_times)
        x = F.pad(x, (missing // 2, missing - missing // 2))
        return super().forward(x)

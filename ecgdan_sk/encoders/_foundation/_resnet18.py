"""ResNet18 over time of MERL (Liu et al. 2024), after He et al. (2016)."""

import torch.nn.functional as F
from torch import Tensor, nn


class ResNet18(nn.Module):
    """(B, leads, T) to features (B, 8 * width), means over time; no max-pooling.

    Parameters
    ----------
    n_leads : int
        Leads of an ECG.
    width : int, default=64
        Channels of the first stage; each further one doubles them.
    """

    def __init__(self, n_leads, width=64):
        super().__init__()
        self.conv1 = nn.Conv1d(n_leads, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for i, (before, after) in enumerate(zip(widths, widths[1:]), start=1):
            first = BasicBlock(before, after, stride=1 if i == 1 else 2)
            stage = nn.Sequential(first, BasicBlock(after, after, stride=1))
            self.add_module(f"layer{i}", stage)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean(-1)


class BasicBlock(nn.Module):
    """Two convolutions of three samples, and a shortcut."""

    def __init__(self, n_inputs, n_channels, stride):
        super().__init__()
        self.conv1 = nn.Conv1d(n_inputs, n_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(n_channels)
        self.conv2 = nn.Conv1d(n_channels, n_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(n_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or n_inputs != n_channels:
            widen = nn.Conv1d(n_inputs, n_channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(widen, nn.BatchNorm1d(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))

"""Receptive field: the samples of the ECG that a time step of the trunk sees."""

from typing import NamedTuple

import numpy as np
from torch import nn

_N_BALANCING = 50


class ReceptiveField(NamedTuple):
    """Receptive field of a trunk: step s sees the samples from `start + stride * s` on.

    Attributes
    ----------
    start : int
        First sample that step 0 sees; negative where that is padding.
    stride : int
        Samples from one step to the next.
    profile : ndarray of shape (width,)
        Number of paths from each sample of the field to the step.
    """

    start: int
    stride: int
    profile: np.ndarray


def receptive_field(encoder):
    """`ReceptiveField` of an encoder, from its convolutions over time.

    The convolutions are applied in the order in which they were created. Shortcuts have
    a smaller reach. Luo et al. (2016), "Understanding the effective receptive field in
    deep convolutional neural networks", count paths in the same way.
    """
    start, stride, profile = 0, 1, np.ones(1)
    for layer in encoder.modules():
        if not isinstance(layer, nn.Conv1d | nn.Conv2d) or layer.kernel_size[-1] == 1:
            continue
        taps = np.zeros(stride * (layer.kernel_size[-1] - 1) + 1)
        taps[::stride] = 1
        profile = np.convolve(profile, taps)
        start -= stride * layer.padding[-1]
        stride *= layer.stride[-1]
    return ReceptiveField(start, stride, profile)


def time_weights(encoder, n_steps, n_times):
    """Share (n_steps, n_times) of each step that falls on each sample; rows sum to 1.

    Shares are proportional to the number of paths. Samples near the ends and between
    the strides have fewer paths, so the shares are balanced (Sinkhorn and Knopp 1967):
    steps of equal weight give an even map. Beyond the ends of the ECG is padding.
    """
    field = receptive_field(encoder)
    steps = np.arange(n_steps)[:, None]
    first = field.start - encoder.n_padded(n_times) + field.stride * steps
    samples = first + np.arange(len(field.profile))
    inside = (samples >= 0) & (samples < n_times)
    weights = np.zeros((n_steps, n_times))
    rows = np.broadcast_to(steps, samples.shape)[inside]
    paths = np.broadcast_to(field.profile, samples.shape)[inside]
    weights[rows, samples[inside]] = paths
    for _ in range(_N_BALANCING):
        weights /= np.maximum(weights.sum(axis=0), np.finfo(float).tiny)
        weights /= weights.sum(axis=1, keepdims=True)
    return weights

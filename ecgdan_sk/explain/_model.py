"""Access of explanations to a fitted estimator: checked input, log risks, gradients.

B ECGs of a batch, M networks, K outputs of a network, L leads, T samples.
"""

from copy import copy, deepcopy

import numpy as np
import torch
from torch import Tensor

from .._training import net_outputs
from ..network import present_leads

_BATCH_SIZE = 128


def checked_ecgs(estimator, X):
    """ECGs (n_samples, L, T) with the leads and the length seen in `fit`."""
    # Checked by attributes, so that explanations need not import the estimator.
    offers = (hasattr(type(estimator), name) for name in ("network_", "predict_risk"))
    if not all(offers):
        raise TypeError(
            "Expected a fitted DualAttentionSurvival, got "
            f"{type(estimator).__name__}. Of a pipeline, explain its last step: pass "
            "pipeline[-1], and pipeline[:-1].transform(X) as X."
        )
    return np.asarray(estimator._check_input(X), np.float32)


def log_risk(estimator, X):
    """Log risks (n_samples,) of checked ECGs; 0, the training mean, without any lead.

    They come from the ECGs alone: the part of the covariates in `predict` does not
    change if part of an ECG is removed.
    """
    some = ~np.isnan(X[:, :, 0]).all(axis=1)
    risk = np.zeros(len(X))
    if some.any():
        outputs = net_outputs(estimator.nets_, X if some.all() else X[some])
        risk[some] = estimator.likelihood_.log_risk(outputs)
    return risk


def batches(X):
    """Slices of X, and its tensors (B, L, T) with their masks of present leads."""
    for start in range(0, len(X), _BATCH_SIZE):
        rows = slice(start, start + _BATCH_SIZE)
        x = torch.from_numpy(np.array(X[rows]))
        yield rows, x, present_leads(x)


def encoders(estimator):
    """Encoder of each network, in eval mode, with the device it is on."""
    return [(net.module_.eval().encoder, net.device) for net in estimator.nets_]


def log_risk_gradient(estimator, x: Tensor, present: Tensor):
    """Gradient (B, L, T) of the log risk with respect to ECGs without NaN."""
    device = estimator.nets_[0].device
    x = x.to(device).requires_grad_()
    outputs = torch.stack(
        [
            net.module_.eval()(x, present.to(device)).reshape(len(x), -1)
            for net in estimator.nets_
        ]
    )  # (M, B, K)
    slopes = _slopes(estimator.likelihood_.log_risk, outputs.detach().cpu().numpy())
    weighted = outputs * torch.from_numpy(slopes).to(outputs)
    return torch.autograd.grad(weighted.sum(), x)[0].cpu()


def single_networks(estimator):
    """The estimator once for each of its networks, as if that had been the only one."""
    singles = []
    for i, net in enumerate(estimator.nets_):
        single = copy(estimator)
        single.nets_, single.likelihood_ = [net], estimator.likelihood_.of_member(i)
        singles.append(single)
    return singles


def with_shuffled_weights(estimator, rng):
    """A copy in whose networks the values of each weight tensor change places."""
    shuffled = copy(estimator)
    shuffled.nets_ = []
    for net in estimator.nets_:
        net = copy(net)
        net.module_ = deepcopy(net.module_)
        with torch.no_grad():
            for weight in net.module_.parameters():
                order = torch.from_numpy(rng.permutation(weight.numel()))
                values = weight.flatten()[order.to(weight.device)]
                weight.copy_(values.reshape(weight.shape))
        shuffled.nets_.append(net)
    return shuffled


def _slopes(function, outputs, step=1e-3):
    """Derivatives (M, B, K) of the log risk by each output, by central differences.

    Exact for Cox models, whose log risk is a weighted mean of the outputs.
    """
    outputs = outputs.astype(np.float64)
    slopes = np.empty_like(outputs)
    for member, output in np.ndindex(len(outputs), outputs.shape[2]):
        moved = np.zeros_like(outputs)
        moved[member, :, output] = step
        rise = function(outputs + moved) - function(outputs - moved)
        slopes[member, :, output] = rise / (2 * step)
    return slopes

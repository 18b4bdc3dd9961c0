"""Errors for trainings with non-finite numbers, which name suspicious ECGs."""

import numpy as np
import torch

# A recording stands out if it reaches this multiple of the typical height.
_FAR = 100.0
_N_AT_ONCE, _N_NAMED = 256, 5


def check_finite_state(net):
    """Raise if weights, or statistics of normalisations, are not finite."""
    for part in (net.module_, net.criterion_):
        for name, value in part.state_dict().items():
            if not torch.isfinite(value).all():
                raise FloatingPointError(
                    f"{name} is not finite after epoch {len(net.history)}."
                )


def remedy(signals, lr):
    """Advice for a training with non-finite numbers, with the ECGs that stand out."""
    heights = np.concatenate(
        [
            _heights(signals[first : first + _N_AT_ONCE])
            for first in range(0, len(signals), _N_AT_ONCE)
        ]
    )
    typical = np.median(heights)
    far = np.flatnonzero(heights > _FAR * typical)
    if not far.size:
        return f"No ECG stands out by its amplitude. Lower lr (now {lr:g})."
    highest = far[np.argsort(-heights[far], kind="stable")][:_N_NAMED]
    names = ", ".join(f"X[{i}] ({heights[i]:.3g} mV)" for i in highest)
    more = f" and {far.size - _N_NAMED} more" if far.size > _N_NAMED else ""
    return (
        f"The typical ECG reaches {typical:.3g} mV, but {names}{more}: look at how it "
        "was read, and mend it or leave it out."
    )


def _heights(signals):
    """The highest absolute sample of each ECG, absent leads aside."""
    signals = np.abs(np.asarray(signals, np.float32))
    return np.nan_to_num(np.fmax.reduce(signals, axis=(1, 2)))

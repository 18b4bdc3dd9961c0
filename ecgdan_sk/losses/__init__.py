"""Objectives, as pure functions of tensors."""

from ._alignment import cosine_loss, infonce_loss, sigmoid_loss
from ._cox import cause_specific_loss, cox_loss
from ._discrete import deephit_loss, discrete_hazard_loss
from ._reconstruction import reconstruction_loss

__all__ = [
    "cause_specific_loss",
    "cosine_loss",
    "cox_loss",
    "deephit_loss",
    "discrete_hazard_loss",
    "infonce_loss",
    "reconstruction_loss",
    "sigmoid_loss",
]

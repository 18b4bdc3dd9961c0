"""Architectures: the networks that the estimators can hold, and how to add another."""

from ._architectures import Architecture, Compact, Paper
from ._architectures._weights import read_encoder_weights

__all__ = ["Architecture", "Compact", "Paper", "read_encoder_weights"]

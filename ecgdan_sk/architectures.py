"""Architectures of the networks in the estimators, and a base class for others."""

from ._architectures import Architecture, Compact, Paper
from ._architectures._weights import read_encoder_weights

__all__ = ["Architecture", "Compact", "Paper", "read_encoder_weights"]

"""Architectures of networks with a common interface, and transfer of weights."""

from ._compact import Compact
from ._interface import Architecture
from ._paper import Paper

ARCHITECTURES = {"compact": Compact, "paper": Paper}


def architecture_of(estimator):
    """Architecture of an estimator: from `fit`, else from its parameter."""
    given = getattr(estimator, "architecture_", estimator.architecture)
    return ARCHITECTURES[given]() if isinstance(given, str) else given


__all__ = ["ARCHITECTURES", "Architecture", "Compact", "Paper", "architecture_of"]

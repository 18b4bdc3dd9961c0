"""Networks that an estimator can hold, each behind one face; weights between them."""

from ._compact import Compact
from ._interface import Architecture
from ._paper import Paper

ARCHITECTURES = {"compact": Compact, "paper": Paper}


def architecture_of(estimator):
    """The architecture of an estimator: of its `fit`, or as its parameter tells."""
    given = getattr(estimator, "architecture_", estimator.architecture)
    return ARCHITECTURES[given]() if isinstance(given, str) else given


__all__ = ["ARCHITECTURES", "Architecture", "Compact", "Paper", "architecture_of"]

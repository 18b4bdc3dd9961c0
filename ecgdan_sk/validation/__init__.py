"""Is a model fit for use: at another site, for all groups, with enough patients."""

from . import sample_size
from ._robustness import Robustness, robustness

__all__ = ["Robustness", "robustness", "sample_size"]

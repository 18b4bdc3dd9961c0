"""Is a model fit for use: at another site, for all groups, with enough patients."""

from . import sample_size

__all__ = ["sample_size"]

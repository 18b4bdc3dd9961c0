"""Work that is shared among processes and machines."""

from ._lasting import lasting_jobs

__all__ = ["lasting_jobs"]

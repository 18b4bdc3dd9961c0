"""Round times in a suitable unit."""

from typing import NamedTuple

import numpy as np

from ..._html import nice_ticks
from ..._outcomes import counted, unit_told

_N_TIMES = 120


class Clock(NamedTuple):
    """Follow-up of an estimator, and the unit of times on a page.

    Attributes
    ----------
    end : float
        End of follow-up, in the unit of the target.
    per_unit : float
        Units of the target in one unit of the page.
    unit : str
        Unit of the page.
    """

    end: float
    per_unit: float
    unit: str

    @classmethod
    def of(cls, end, unit):
        """Clock of a follow-up; from two years on, its unit is years."""
        return cls(end, *unit_told(end, unit))

    @property
    def ticks(self):
        """Round times, in the unit of the target."""
        return nice_ticks(self.end / self.per_unit)[1:] * self.per_unit

    @property
    def grid(self):
        """Times from 0 to the end, including the round ones."""
        return np.union1d(np.linspace(0, self.end, _N_TIMES), self.ticks)

    def told(self, time):
        """A time in words."""
        return counted(time / self.per_unit, self.unit)

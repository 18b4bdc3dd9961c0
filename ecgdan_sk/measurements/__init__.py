"""Clinical measurements of an ECG: from signals to a table a Cox model can read."""

from ._fiducials import delineate
from ._measurements import ECGMeasurements
from ._normal_limits import normal_limits

__all__ = ["ECGMeasurements", "delineate", "normal_limits"]

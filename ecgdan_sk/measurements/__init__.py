"""Clinical measurements of an ECG: from signals to a table a Cox model can read."""

from ._fiducials import delineate
from ._measurements import ECGMeasurements

__all__ = ["ECGMeasurements", "delineate"]

"""Transformers from ECGs to ECGs: filters, length, scale, median beat, quality.

They take arrays or `ECGRecords` and return the same type. An absent lead (NaN) stays
absent and does not affect its neighbours.
"""

from ._filters import BandPass, Notch, Resample
from ._median_beat import MedianBeat
from ._quality import SignalQuality
from ._windows import LeadScaler, Window

__all__ = [
    "BandPass",
    "LeadScaler",
    "MedianBeat",
    "Notch",
    "Resample",
    "SignalQuality",
    "Window",
]

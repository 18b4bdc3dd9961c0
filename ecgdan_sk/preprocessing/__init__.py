"""Transformers from ECGs to ECGs: filters, length, scale, median beat, quality.

They take arrays and `ECGRecords` and return the same kind; an absent lead (NaN) stays
absent, and its neighbours do not notice.
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

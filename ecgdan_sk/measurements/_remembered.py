"""Cache of measurements in this process, by the content of the ECG.

Folds, repeats and models share their ECGs, and measuring takes most of the time of a
Cox model: each ECG is measured once.
"""

from collections import OrderedDict
from threading import Lock

import numpy as np

from ..records._sources import row_digest

_MOST = 20_000  # ECGs, of about 1 kB each
_lock = Lock()
_found = OrderedDict()


def key_of(ecg, rate, preset):
    """Digest of an ECG (12, T) and of the settings of its measurement."""
    ecg = np.ascontiguousarray(ecg, np.float32)
    return row_digest(ecg), ecg.shape, rate, preset


def recall(key):
    """Stored measurements of an ECG, or None."""
    with _lock:
        if key in _found:
            _found.move_to_end(key)
        return _found.get(key)


def remember(found):
    """Store measurements by key; the least recently used are removed first."""
    with _lock:
        _found.update(found)
        while len(_found) > _MOST:
            _found.popitem(last=False)


def forget():
    """Forget all."""
    with _lock:
        _found.clear()

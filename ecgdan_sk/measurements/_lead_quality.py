"""Which leads of an ECG are too bad to be measured."""

import numpy as np

from ..preprocessing._quality import issues, scores, swings

QRS_IN_MV = (0.05, 6.0)  # peak to peak, in a typical lead
_TYPICAL_QRS = 1.0  # mV


def lead_issues(ecg, rate):
    """The issue of each lead (n_leads,) as `SignalQuality` names it, "" if it is good.

    `ecg` (n_leads, n_times) without NaN, of 1 s or more. Scores are about mV: an ECG in
    another unit is brought to a typical height first.
    """
    height = _qrs_height(ecg, rate)
    if height > 0 and not QRS_IN_MV[0] < height < QRS_IN_MV[1]:
        ecg = ecg * np.float32(_TYPICAL_QRS / height)
    return issues(scores(ecg[None], rate)[0])


def _qrs_height(ecg, rate):
    """About the height of the QRS in a typical lead, 0 if no lead moves."""
    step = max(int(rate / 100), 1)
    ordered = np.sort(swings(ecg[None, :, ::step], rate / step)[0], axis=1)
    # Half of the seconds or more hold a QRS, and hardly three in ten an artefact.
    high = ordered[:, int(0.7 * ordered.shape[1])]
    return np.median(high[high > 0]) if (high > 0).any() else 0.0

"""Effect of P, QRS, ST and T on the log risk, and the share of a map in each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .._beats._delineation import delineate, p_is_real, p_reliability
from .._beats._detection import BEFORE, find_beats
from ..records._records import as_records
from ..records._signal_checks import check_ecg
from ._model import checked_ecgs, log_risk

SEGMENTS = ("P", "QRS", "ST", "T")

# A normal T wave takes longer to rise than to fall.
_RISE_OF_T = 1.5


@dataclass(frozen=True)
class SegmentOcclusion:
    """Effect of each segment on the log risk, as returned by `segment_occlusion`.

    Attributes
    ----------
    segments : tuple of str
        Segments, in the order of the last axis of `change`.
    leads : tuple of str or None
        Leads, in the order of `change`; None if they were occluded together.
    change : ndarray of shape (n_samples, n_segments) or (n_samples, n_leads, 4)
        Log risk of the ECG minus log risk without the segment. Positive means that the
        segment raises the risk. NaN if the ECG has no such segment, or if the lead is
        absent.
    log_risk : ndarray of shape (n_samples,)
        Log risk of the whole ECG, without the part of the covariates.
    sampling_rate : float
        Samples per second of the ECGs, in Hz.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.explain import SEGMENTS, SegmentOcclusion
    >>> change = np.array([[0.0, 0.1, 0.5, -0.1]])
    >>> SegmentOcclusion(SEGMENTS, None, change, np.ones(1), 100.0).to_frame()
         P  QRS   ST    T
    0  0.0  0.1  0.5 -0.1
    """

    segments: tuple
    leads: tuple | None
    change: np.ndarray
    log_risk: np.ndarray
    sampling_rate: float

    def to_frame(self):
        """Table of the changes.

        Returns
        -------
        DataFrame of shape (n_samples, n_segments) or (n_samples, n_leads * n_segments)
            One row for each ECG. With leads, the columns are pairs (lead, segment).
        """
        if self.leads is None:
            return pd.DataFrame(self.change, columns=self.segments)
        columns = pd.MultiIndex.from_product([self.leads, self.segments])
        return pd.DataFrame(self.change.reshape(len(self.change), -1), columns=columns)


def segment_occlusion(estimator, X, *, sampling_rate=None, per_lead=False):
    """Change of the log risk when P, QRS, ST or T is removed from every beat.

    The median beat of an ECG is delineated on all leads together. In every beat, also
    ectopic ones, a straight line between its ends replaces the segment. ST reaches from
    the J point to the onset of T. The rise of T is taken to be 1.5 times as long as its
    fall, and its onset not earlier than half of the time from J to its peak.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        Fitted.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, as for `predict`.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None takes that of `X`, or else that seen in `fit`.
    per_lead : bool, default=False
        Whether to occlude the segment in one lead at a time instead of in all leads.

    Returns
    -------
    SegmentOcclusion
        Effect of each segment on the log risk of each ECG.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X` is not as in `fit`, or no sampling rate is known.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import segment_occlusion
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    >>> model = model.fit(cohort.X, cohort.y)
    >>> occlusion = segment_occlusion(model, cohort.X[:5], sampling_rate=100)
    >>> occlusion.to_frame().shape
    (5, 4)
    """
    known = estimator.sampling_rate_in_ if hasattr(estimator, "likelihood_") else None
    rate = _known_rate(sampling_rate, X, known)
    X = checked_ecgs(estimator, X)
    whole = log_risk(estimator, X)
    limits = [segment_limits(ecg, rate) for ecg in X]
    n_leads = X.shape[1] if per_lead else 1
    change = np.empty((len(X), n_leads, len(SEGMENTS)))
    for column, segment in enumerate(SEGMENTS):
        flattened = without_segment(X, limits, segment)
        for lead in range(n_leads):
            occluded = flattened
            if per_lead:
                occluded = X.copy()
                occluded[:, lead] = flattened[:, lead]
            change[:, lead, column] = whole - log_risk(estimator, occluded)
        change[[segment not in of_ecg for of_ecg in limits], :, column] = np.nan
    if per_lead:
        change[np.isnan(X[:, :, 0])] = np.nan
        return SegmentOcclusion(SEGMENTS, estimator.leads_in_, change, whole, rate)
    return SegmentOcclusion(SEGMENTS, None, change[:, 0], whole, rate)


def sum_over_segments(values, X, *, sampling_rate=None):
    """Sums of a map over P, QRS, ST and T of all beats, by lead.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_leads, n_times)
        A map over the samples of ECGs, such as `IntegratedGradients.attributions` or
        `AttentionMaps.temporal`.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        The ECGs in mV.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None takes that of `ECGRecords`.

    Returns
    -------
    ndarray of shape (n_samples, n_leads, 4)
        Sums over P, QRS, ST and T, delineated as in `segment_occlusion`; NaN if an ECG
        has no such segment.

    Raises
    ------
    ValueError
        If the shapes differ, or no sampling rate is known.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import sum_over_segments
    >>> X = make_ecg_cohort(3, random_state=0).X
    >>> sum_over_segments(np.abs(X), X, sampling_rate=100).shape
    (3, 12, 4)
    """
    rate = _known_rate(sampling_rate, X, None)
    X, values = check_ecg(as_records(X).signals), np.asarray(values)
    if values.shape != X.shape:
        raise ValueError(
            f"values has the shape {values.shape}, X {X.shape}; give a map with one "
            "value for each sample of each lead, and the ECGs that it belongs to."
        )
    sums = np.full((*X.shape[:2], len(SEGMENTS)), np.nan)
    for i, ecg in enumerate(X):
        for segment, limits in segment_limits(ecg, rate).items():
            inside = np.zeros(X.shape[2], bool)
            for first, last in limits:
                inside[first : last + 1] = True
            column = SEGMENTS.index(segment)
            sums[i, :, column] = values[i][:, inside].sum(axis=1)
    return sums


def segment_limits(ecg, rate):
    """First and last sample (n_beats, 2) of each segment that an ECG (L, T) has."""
    present = ecg[~np.isnan(ecg[:, 0])]
    beats = find_beats(present, rate) if ecg.shape[1] >= rate else None
    if beats is None:
        return {}
    rr = np.diff(beats.positions)
    typical = np.median(rr) if len(rr) else beats.rate
    at = delineate(beats.median, BEFORE, typical, typical)
    t_onset = max(
        at.t_peak - _RISE_OF_T * (at.t_offset - at.t_peak),
        (at.qrs_offset + at.t_peak) / 2,
    )
    edges = [
        (at.p_onset, at.p_offset),
        (at.qrs_onset, at.qrs_offset),
        (at.qrs_offset, t_onset),
        (t_onset, at.t_offset),
    ]
    if not p_is_real(p_reliability(beats.windows, at), rr):
        edges[0] = (np.nan, np.nan)
    per_sample = rate / beats.rate
    starts = beats.positions - BEFORE
    return {
        segment: _samples(starts, pair, per_sample, ecg.shape[1])
        for segment, pair in zip(SEGMENTS, edges)
        if np.isfinite(pair).all()
    }


def _samples(starts, edges, per_sample, n_times):
    """Edges of a segment, as samples of the ECG, in each beat that has them."""
    samples = np.rint((starts[:, None] + np.array(edges)) * per_sample).astype(int)
    samples = samples.clip(0, n_times - 1)
    return samples[samples[:, 0] < samples[:, 1]]


def without_segment(X, limits, segment):
    """A copy of the ECGs with straight lines in place of a segment."""
    X = X.copy()
    for ecg, of_ecg in zip(X, limits):
        for first, last in of_ecg.get(segment, ()):
            line = np.linspace(0, 1, last - first + 1, dtype=np.float32)
            start, end = ecg[:, first, None], ecg[:, last, None]
            ecg[:, first : last + 1] = start + (end - start) * line
    return X


def _known_rate(sampling_rate, X, fitted):
    """The sampling rate given, that of the ECGs, or that of `fit`; in Hz."""
    for rate in (sampling_rate, getattr(X, "sampling_rate", None), fitted):
        if rate is not None:
            return float(rate)
    raise ValueError(
        "The sampling rate is unknown, without which no wave can be delineated. Give "
        "sampling_rate=... in Hz, or ECGs as ECGRecords(X, sampling_rate=...)."
    )

"""Attention of a network: across leads, and over time within each lead.

B ECGs of a batch, M networks, H heads, L leads, S steps of the trunk, T samples.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from joblib import delayed

from .._training import in_jobs
from ._model import batches, checked_ecgs, encoders
from ._receptive_field import time_weights

MAPS = ("cross_lead", "temporal")


@dataclass(frozen=True)
class AttentionMaps:
    """Attention weights of ECGs, averaged over networks; of absent leads they are NaN.

    With `per_head=True` there is an axis of heads: after the samples in the maps across
    leads, and after the leads in the map over time. A map that was not requested is
    None. Standard deviations are between the networks of the estimator, and NaN if
    there is only one network.

    Attributes
    ----------
    leads : tuple of str
        Leads, in the order of the other attributes.
    cross_lead, cross_lead_sd : ndarray of shape (n_samples, n_leads, n_leads)
        Weight that the lead of a row (query) gives to the lead of a column (key). Each
        row sums to one.
    lead_importance, lead_importance_sd : ndarray of shape (n_samples, n_leads)
        Mean weight that a lead receives, over the queries.
    temporal, temporal_sd : ndarray of shape (n_samples, n_leads, n_times)
        Weight of each sample within its lead. The weights sum to one over time.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.explain import AttentionMaps
    >>> maps = AttentionMaps(("I", "II"), lead_importance=np.array([[0.3, 0.7]]))
    >>> maps.to_frame()
         I   II
    0  0.3  0.7
    """

    leads: tuple
    cross_lead: np.ndarray | None = None
    cross_lead_sd: np.ndarray | None = None
    lead_importance: np.ndarray | None = None
    lead_importance_sd: np.ndarray | None = None
    temporal: np.ndarray | None = None
    temporal_sd: np.ndarray | None = None

    def to_frame(self):
        """Table of the lead importance.

        Returns
        -------
        DataFrame of shape (n_samples, n_leads)
            A row for each ECG, averaged over heads.
        """
        importance = self.lead_importance
        if importance is None:
            raise ValueError(
                "These AttentionMaps have no map across leads, and so no importance of "
                'leads. Ask attention_maps for it with maps=("cross_lead",).'
            )
        mean = importance if importance.ndim == 2 else importance.mean(axis=1)
        return pd.DataFrame(mean, columns=self.leads)


def attention_maps(estimator, X, *, maps=MAPS, per_head=False):
    """Attention weights of a fitted estimator, across leads and over time.

    The weights show where the network looked. They do not show which part changed the
    risk; `faithfulness` tests whether the two agree. A weight over time belongs to a
    step of the trunk, which sees many samples. The weight is divided among these
    samples in proportion to the number of paths through the convolutions. So sums are
    preserved, even weights give an even map, and the map is as blurred as the receptive
    field. The maps of the paper's network are averaged over heads, and its rows are not
    leads of the ECG.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        Fitted.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, as for `predict`.
    maps : sequence of str, default=("cross_lead", "temporal")
        Maps to compute. Leave out a map whose attention was switched off.
    per_head : bool, default=False
        Whether to keep the heads separate instead of averaging them.

    Returns
    -------
    AttentionMaps
        The weights, and their standard deviation between the networks.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X` is not as in `fit`, or if a requested map does not exist because its
        attention was switched off.

    References
    ----------
    Luo et al. (2016), "Understanding the effective receptive field in deep
    convolutional neural networks", NeurIPS.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import attention_maps
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    >>> maps = attention_maps(model.fit(cohort.X, cohort.y), cohort.X[:5])
    >>> maps.cross_lead.shape, maps.lead_importance.shape, maps.temporal.shape
    ((5, 12, 12), (5, 12), (5, 12, 250))
    """
    X = checked_ecgs(estimator, X)
    _check_maps(estimator, maps, X)
    parts = list(
        in_jobs(
            delayed(_maps_of_batch)(estimator, x, present, maps, per_head)
            for _, x, present in batches(X)
        )
    )
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return AttentionMaps(estimator.leads_in_, **arrays)


@torch.no_grad()
def _weights(estimator, x, present):
    """Weights (M, B, H, L, L) and (M, B, L, H, S); None where switched off."""
    members = [
        encoder.attention_maps(x.to(device), present.to(device))
        for encoder, device in encoders(estimator)
    ]
    return [
        None if maps[0] is None else np.stack([m.cpu().numpy() for m in maps])
        for maps in zip(*members)
    ]


def _maps_of_batch(estimator, x, present, maps, per_head):
    """Arrays of `AttentionMaps` by name, for one batch."""
    lead, temporal = _weights(estimator, x, present)
    absent = ~present.numpy()
    result = {}
    if "cross_lead" in maps:
        lead = lead if per_head else lead.mean(axis=2, keepdims=True)
        either = absent[:, None, :, None] | absent[:, None, None, :]
        lead = np.where(either, np.float32(np.nan), lead)
        received = _mean_of_present(lead, absent)
        for name, values in [("cross_lead", lead), ("lead_importance", received)]:
            result |= _summary(name, values if per_head else values[:, :, 0])
    if "temporal" in maps:
        temporal = temporal if per_head else temporal.mean(axis=3, keepdims=True)
        temporal = np.where(absent[:, :, None, None], np.float32(np.nan), temporal)
        encoder = encoders(estimator)[0][0]
        to_time = time_weights(encoder, temporal.shape[-1], x.shape[-1])
        values = temporal @ to_time.astype(np.float32)
        result |= _summary("temporal", values if per_head else values[:, :, :, 0])
    return result


def _mean_of_present(lead, absent):
    """Mean weight (M, B, H, L) that each key receives from the queries present."""
    n_queries = (~absent).sum(axis=1)[:, None, None]
    received = np.nansum(lead, axis=3) / n_queries
    return np.where(absent[:, None], np.float32(np.nan), received)


def _summary(name, values):
    """Mean and standard deviation over the networks, the first axis."""
    sd = (
        values.std(axis=0, ddof=1)
        if len(values) > 1
        else np.full_like(values[0], np.nan)
    )
    return {name: values.mean(axis=0), f"{name}_sd": sd}


def available_maps(estimator, X):
    """Names of the maps that the networks of an estimator have, for checked ECGs."""
    _, x, present = next(batches(X[:1]))
    weights = _weights(estimator, x, present)
    return [name for name, found in zip(MAPS, weights) if found is not None]


def _check_maps(estimator, maps, X):
    """Raise unless every map wanted is one that the estimator has."""
    if isinstance(maps, str) or set(maps) - set(MAPS) or not len(maps):
        raise ValueError(
            f"maps must be a sequence of some of {', '.join(MAPS)}, got {maps!r}."
        )
    available = available_maps(estimator, X)
    for name in (name for name in maps if name not in available):
        remedy = (
            f'ask for the other map with maps=("{available[0]}",)'
            if available
            else "explain it by lead_occlusion or segment_occlusion"
        )
        raise ValueError(
            f"The {name} map does not exist: architecture={estimator.architecture!r} "
            f"has no such attention, or it was switched off. Switch it on, or {remedy}."
        )

"""The units of an explanation: their values, their removal, and a new explanation.

n ECGs, U units (leads, groups of leads, segments, or moments of leads).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from .._attention import AttentionMaps, attention_maps
from .._gradients import IntegratedGradients, integrated_gradients
from .._lead_occlusion import (
    LeadGroupShapley,
    LeadOcclusion,
    grouped,
    lead_group_shapley,
    lead_occlusion,
)
from .._segments import (
    SEGMENTS,
    SegmentOcclusion,
    segment_limits,
    segment_occlusion,
    without_segment,
)

_N_WINDOWS = 50


class Units(NamedTuple):
    """The units that one level of an explanation ranks.

    Attributes
    ----------
    values : ndarray of shape (n, U)
        Value of each unit in the explanation; NaN if an ECG lacks the unit.
    is_signed : bool
        Whether a negative value means that the unit lowers the risk.
    without : callable or None
        `without(X, gone)` -> ECGs without the units that are True in `gone` (n, U).
        None where they cannot be taken away one by one.
    """

    values: np.ndarray
    is_signed: bool
    without: Callable | None


def units_of(explanation, X, leads):
    """`Units` by the name of the level, of an explanation of checked ECGs."""
    if isinstance(explanation, AttentionMaps):
        return _units_of_attention(explanation)
    if isinstance(explanation, LeadOcclusion):
        return {"leads": Units(explanation.change, True, _without_leads)}
    if isinstance(explanation, IntegratedGradients):
        windows = _by_window(explanation.attributions)
        return {
            "leads": Units(explanation.lead_importance, True, _without_leads),
            "moments": Units(windows, True, _without_moments),
        }
    if isinstance(explanation, LeadGroupShapley):
        rows = list(grouped(leads).values())
        without = partial(_without_groups, rows)
        return {"lead groups": Units(explanation.values, True, without)}
    limits = [segment_limits(ecg, explanation.sampling_rate) for ecg in X]
    values = explanation.change.reshape(len(X), -1)
    return {"segments": Units(values, True, partial(_without_segments, limits))}


def explain_again(explanation):
    """The function `(estimator, X)` that made an explanation, with its settings."""
    if isinstance(explanation, AttentionMaps):
        maps = [
            n for n in ("cross_lead", "temporal") if getattr(explanation, n) is not None
        ]
        array = explanation.cross_lead if "cross_lead" in maps else explanation.temporal
        per_head = array.ndim == 4
        return partial(attention_maps, maps=maps, per_head=per_head)
    if isinstance(explanation, IntegratedGradients):
        return partial(
            integrated_gradients,
            baseline=explanation.baseline,
            n_steps=explanation.n_steps,
        )
    if isinstance(explanation, SegmentOcclusion):
        return partial(
            segment_occlusion,
            sampling_rate=explanation.sampling_rate,
            per_lead=explanation.leads is not None,
        )
    made_by = {LeadOcclusion: lead_occlusion, LeadGroupShapley: lead_group_shapley}
    if type(explanation) not in made_by:
        raise TypeError(
            "Expected an explanation of this module, got "
            f"{type(explanation).__name__}. Pass what lead_occlusion, "
            "lead_group_shapley, segment_occlusion, integrated_gradients or "
            "attention_maps returned."
        )
    return made_by[type(explanation)]


def keep_ends(X, gone):
    """ECGs with straight lines, in each lead, in place of the samples in `gone`.

    At the ends of the ECG, the nearest remaining sample is held. A lead without any
    remaining sample becomes flat at its mean.
    """
    n_times = X.shape[2]
    time = np.arange(n_times)
    before = np.maximum.accumulate(np.where(gone, -1, time), axis=2)
    after = np.minimum.accumulate(np.where(gone, n_times, time)[..., ::-1], axis=2)
    after = after[..., ::-1]
    before, after = (
        np.where(before < 0, after, before),
        np.where(after == n_times, before, after),
    )
    nothing = gone.all(axis=2, keepdims=True)
    start, end = (
        np.take_along_axis(X, np.where(nothing, 0, sample), axis=2)
        for sample in (before, after)
    )
    part = ((time - before) / np.maximum(after - before, 1)).astype(np.float32)
    line = start + (end - start) * part
    return np.where(nothing, X.mean(axis=2, keepdims=True), np.where(gone, line, X))


def _units_of_attention(maps):
    """Importance of leads, moments and pairs of leads, from attention weights."""
    units, importance = {}, None
    if maps.cross_lead is not None:
        pairs, importance = maps.cross_lead, maps.lead_importance
        if pairs.ndim == 4:
            pairs, importance = pairs.mean(axis=1), importance.mean(axis=1)
        units["leads"] = Units(importance, False, _without_leads)
        units["pairs of leads"] = Units(pairs.reshape(len(pairs), -1), False, None)
    if maps.temporal is not None:
        temporal = maps.temporal if maps.temporal.ndim == 3 else maps.temporal.mean(2)
        # Weights within a lead become comparable between leads by those of the leads.
        if importance is not None:
            temporal = temporal * importance[:, :, None]
        units["moments"] = Units(_by_window(temporal), False, _without_moments)
    return units


def _windows(n_times):
    """Number of the window of each sample, (n_times,)."""
    return np.arange(n_times) * min(_N_WINDOWS, n_times) // n_times


def _by_window(values):
    """Sums (n, L * windows) of a map (n, L, T) over windows of equal length."""
    window = _windows(values.shape[2])
    starts = np.flatnonzero(np.diff(window, prepend=-1))
    return np.add.reduceat(values, starts, axis=2).reshape(len(values), -1)


def _without_leads(X, gone):
    return np.where(gone[:, :, None], np.float32(np.nan), X)


def _without_groups(rows, X, gone):
    leads = np.zeros(X.shape[:2], bool)
    for group, members in enumerate(rows):
        leads[:, members] = gone[:, [group]]
    return _without_leads(X, leads)


def _without_moments(X, gone):
    gone = gone.reshape(*X.shape[:2], -1)[:, :, _windows(X.shape[2])]
    return keep_ends(X, gone)


def _without_segments(limits, X, gone):
    gone = gone.reshape(len(X), -1, len(SEGMENTS))  # (n, 1 or L, segments)
    result = X
    for column, segment in enumerate(SEGMENTS):
        flat = without_segment(result, limits, segment)
        result = np.where(gone[:, :, column, None], flat, result)
    return result

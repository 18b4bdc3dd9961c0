"""Explanation of a fitted network: attention, effects on the risk, tests of both."""

from ._attention import AttentionMaps, attention_maps
from ._faithfulness._tests import faithfulness
from ._gradients import IntegratedGradients, integrated_gradients
from ._groups import GroupComparison, compare_groups
from ._lead_occlusion import (
    LEAD_GROUPS,
    LeadGroupShapley,
    LeadOcclusion,
    lead_group_shapley,
    lead_occlusion,
)
from ._report._make import report
from ._report._risk_report import RiskReport
from ._segments import SEGMENTS, SegmentOcclusion, segment_occlusion, sum_over_segments

__all__ = [
    "LEAD_GROUPS",
    "SEGMENTS",
    "AttentionMaps",
    "GroupComparison",
    "IntegratedGradients",
    "LeadGroupShapley",
    "LeadOcclusion",
    "RiskReport",
    "SegmentOcclusion",
    "attention_maps",
    "compare_groups",
    "faithfulness",
    "integrated_gradients",
    "lead_group_shapley",
    "lead_occlusion",
    "report",
    "segment_occlusion",
    "sum_over_segments",
]

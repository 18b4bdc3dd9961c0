"""Scores of survival predictions: `metric(y_true, y_pred)`, ready for `make_scorer`."""

from ._at_times import (
    brier_score,
    cumulative_dynamic_auc,
    integrated_auc,
    integrated_brier_score,
)
from ._bootstrap import bootstrap_ci
from ._censoring import CensoringKaplanMeier, WithCensoring
from ._comparison import compare_models, paired_c_index_difference
from ._concordance import concordance_index, concordance_index_ipcw
from ._decision import high_risk_group, net_benefit
from ._observed_risk import calibration
from ._retrieval import (
    mean_reciprocal_rank,
    median_rank,
    retrieval_recall,
    zero_shot_auroc,
)
from ._scorers import concordance_scorer, survival_scorers

__all__ = [
    "CensoringKaplanMeier",
    "WithCensoring",
    "bootstrap_ci",
    "brier_score",
    "calibration",
    "compare_models",
    "concordance_index",
    "concordance_index_ipcw",
    "concordance_scorer",
    "cumulative_dynamic_auc",
    "high_risk_group",
    "integrated_auc",
    "integrated_brier_score",
    "mean_reciprocal_rank",
    "median_rank",
    "net_benefit",
    "paired_c_index_difference",
    "retrieval_recall",
    "survival_scorers",
    "zero_shot_auroc",
]

"""Plots, as Display classes like those of scikit-learn; they need matplotlib."""

from ._attention import AttentionDisplay
from ._auc import TimeDependentAUCDisplay
from ._calibration_curve import CalibrationDisplay
from ._decision import DecisionCurveDisplay
from ._ecg import ECGDisplay
from ._embedding import EmbeddingDisplay
from ._forest import ForestDisplay
from ._group_difference import GroupDifferenceDisplay
from ._kaplan_meier import KaplanMeierDisplay
from ._measurement import MeasurementDisplay
from ._survival_curves import SurvivalCurveDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = [
    "AttentionDisplay",
    "CalibrationDisplay",
    "DecisionCurveDisplay",
    "ECGDisplay",
    "EmbeddingDisplay",
    "ForestDisplay",
    "GroupDifferenceDisplay",
    "KaplanMeierDisplay",
    "MeasurementDisplay",
    "SurvivalCurveDisplay",
    "TimeDependentAUCDisplay",
    "TrainingCurveDisplay",
]

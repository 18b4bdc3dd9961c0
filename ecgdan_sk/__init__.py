"""Heart-failure risk from raw 12-lead ECGs, as time-to-event, for scikit-learn."""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .pretraining import ECGReportPretrainer
    from .survival import DualAttentionSurvival

__all__ = ["DualAttentionSurvival", "ECGReportPretrainer", "__version__"]

# With the estimators comes torch, which processes that only read files do without.
_HOMES = {"DualAttentionSurvival": ".survival", "ECGReportPretrainer": ".pretraining"}


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_HOMES})

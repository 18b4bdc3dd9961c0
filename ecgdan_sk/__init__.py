"""Heart-failure risk from raw 12-lead ECGs, as time-to-event, for scikit-learn."""

import importlib as _importlib
import pkgutil as _pkgutil
import typing as _typing

from ._version import __version__

if _typing.TYPE_CHECKING:
    from .pretraining import ECGReportPretrainer
    from .survival import DualAttentionSurvival

__all__ = ["DualAttentionSurvival", "ECGReportPretrainer", "__version__"]

# With the estimators comes torch, which processes that only read files do without.
_HOMES = {"DualAttentionSurvival": "survival", "ECGReportPretrainer": "pretraining"}
_ROOMS = {room.name for room in _pkgutil.iter_modules(__path__) if room.name[0] != "_"}


def __getattr__(name):
    if name not in _HOMES and name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = _importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    return getattr(room, name) if name in _HOMES else room


def __dir__():
    return sorted({*__all__, *_ROOMS})

"""A complete study: from ECGs and outcomes to a page, tables and a model."""

from ._assemble import assemble
from ._checks import ECGCheck, check_ecgs
from ._model import StudyModel
from ._read import open_ecgs
from ._report import StudyReport
from ._run import run_study
from ._tables import read_table

__all__ = [
    "ECGCheck",
    "StudyModel",
    "StudyReport",
    "assemble",
    "check_ecgs",
    "open_ecgs",
    "read_table",
    "run_study",
]

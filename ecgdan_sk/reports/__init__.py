"""From reports or SCP statements to one embedding per ECG."""

from ._cleaning import clean_report
from ._embedder import ReportEmbedder
from ._encoded import EncodedReports
from ._finder import StatementFinder
from ._sentence import SentenceEncoder
from ._statements import load_statements
from ._tfidf import TfidfEncoder

__all__ = [
    "EncodedReports",
    "ReportEmbedder",
    "SentenceEncoder",
    "StatementFinder",
    "TfidfEncoder",
    "clean_report",
    "load_statements",
]

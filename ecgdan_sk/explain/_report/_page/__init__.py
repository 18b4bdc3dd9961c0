"""One HTML document, which needs nothing but itself, of a `RiskReport`."""

from importlib.resources import files

from ...._html import document as page_of
from ._evidence import card, faithfulness, measurements
from ._sections import ecg, effects, heading, risk

_ORDER = (heading, ecg, risk, effects, measurements, faithfulness, card)


def document(report):
    """The whole page as text. Given texts are escaped."""
    script = files(__package__).joinpath("page.js").read_text(encoding="utf-8")
    parts = [section(report) for section in _ORDER]
    return page_of(f"ECG risk report: {report.id}", parts, script=script)

"""Pages that need nothing but themselves: tags, blocks, style, and the document."""

from ._blocks import definitions, note, section, table
from ._document import document, fragment
from ._tags import number, tag
from ._ticks import nice_ticks

__all__ = [
    "definitions",
    "document",
    "fragment",
    "nice_ticks",
    "note",
    "number",
    "section",
    "table",
    "tag",
]

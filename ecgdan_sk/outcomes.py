"""Outcomes as people have them: a table with dates or times becomes (event, time)."""

from ._outcomes._from_table import from_table

__all__ = ["from_table"]

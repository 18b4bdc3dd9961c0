"""Warnings that point at the line of the user."""

from ._user_line import warn

__all__ = ["warn"]

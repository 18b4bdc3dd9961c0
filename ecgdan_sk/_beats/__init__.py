"""Beats, the median beat, and onsets and offsets of its waves."""

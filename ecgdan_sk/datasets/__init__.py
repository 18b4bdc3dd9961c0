"""Cohorts of ECGs: simulated, and read from local copies of public sets."""

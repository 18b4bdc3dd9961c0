"""Tests of whether an explanation agrees with the network."""

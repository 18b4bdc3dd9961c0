"""Common parts of the loaders of cohorts: tables, outcomes, flow, records."""

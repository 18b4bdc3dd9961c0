"""What the loaders of cohorts share: tables, outcomes, flow, records."""

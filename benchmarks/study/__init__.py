"""The parts of `benchmarks/study`: cohorts, methods, folds, tables and figures."""

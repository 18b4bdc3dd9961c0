"""The parts of `benchmarks/study.py`: cohorts, methods, folds, tables and figures."""

"""Networks that an estimator can hold, and their weights between estimators."""

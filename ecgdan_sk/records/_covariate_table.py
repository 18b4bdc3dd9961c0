"""Covariates of recordings as a table of numbers."""

import numpy as np

from ._records import ECGRecords


def covariate_table(X, columns):
    """The columns as numbers (n_samples, n_columns), missing values as NaN."""
    covariates = X.covariates if isinstance(X, ECGRecords) else None
    known = [] if covariates is None else list(covariates)
    absent = [name for name in columns if name not in known]
    if absent:
        raise ValueError(
            f"Covariate {_listed(absent)} is not there; X has {_listed(known)}. Pass "
            "ECGRecords(X, covariates=...) with these columns, or name others."
        )
    table = covariates[list(columns)]
    texts = [name for name in table if table[name].dtype.kind not in "biuf"]
    if texts:
        numbers = table.drop(columns=texts).columns
        raise ValueError(
            f"Covariate {_listed(texts)} does not hold numbers (those that do: "
            f"{_listed(numbers)}). Code a sex as 0 and 1, and a group as one indicator "
            "each."
        )
    table = table.to_numpy(np.float64, na_value=np.nan)
    infinite = [name for name, any_ in zip(columns, np.isinf(table).any(0)) if any_]
    if infinite:
        raise ValueError(
            f"Covariate {_listed(infinite)} is infinite in some recording. Use NaN for "
            "missing values."
        )
    return table


def _listed(names):
    """Names of columns, in words."""
    return ", ".join(map(str, names)) or "none"

"""Validation in subgroups: women and men, young and old, each site and device."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2

from ..records import ECGRecords
from ._measures import bootstrap, interval, measure_index, measures
from ._predictions import predictions
from ._validate import _generator

# Events below which a group's measures are flagged rather than relied on.
_FEW_EVENTS = 20
# Measures whose differences between groups are tested, on the scale that is normal.
_TESTED = {
    "Harrell's C": lambda c: np.log(c / (1 - c)),
    "observed / expected": np.log,
    "calibration slope": lambda slope: slope,
}


@dataclass(frozen=True)
class Subgroups:
    """Result of `subgroups`.

    Attributes
    ----------
    table : DataFrame
        By `group`, `time` and `measure`: `value` with the limits `low` and `high` of
        its interval; `n_samples` and `n_events` of the group; `is_small` if the group
        has too few events for a reliable value.
    tests : DataFrame
        Test of equal values, by `time` and `measure`: Cochran's `q` with `df` degrees
        of freedom and its `p_value`. Small groups are left out.
    """

    table: pd.DataFrame
    tests: pd.DataFrame


def subgroups(
    estimator,
    X,
    y,
    *,
    by,
    times,
    groups=None,
    threshold=None,
    n_bootstrap=1000,
    confidence_level=0.95,
    n_jobs=None,
    random_state=None,
):
    """Validate a model within each group, and test whether the groups differ.

    Parameters
    ----------
    estimator : estimator
        Fitted, as for `validate`.
    X : array-like or ECGRecords
        ECGs in the form that the estimator takes.
    y : structured array of shape (n_samples,)
        Fields (event, time), as for `validate`.
    by : str or array-like of shape (n_samples,)
        Group of each recording, such as sex, site or age band; or the name of a column
        of `ECGRecords.covariates`. Missing values form a group.
    times : float or array-like of shape (n_times,)
        Horizons of the risks, in the unit of `y`.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each recording. None takes the `patient_ids` of `ECGRecords`.
    threshold : float or None, default=None
        Risk at which treatment would start. None means the observed risk of each group.
    n_bootstrap : int, default=1000
        Resampled cohorts of each group, at least 20, because the tests need them.
    confidence_level : float, default=0.95
        Level of the intervals.
    n_jobs : int or None, default=None
        Processes that resample at the same time.
    random_state : int, RandomState instance or None, default=None
        Determines the resampled cohorts.

    Returns
    -------
    Subgroups
        A table and the tests.

    Raises
    ------
    ValueError
        If there is only one group, or no group has two patients.

    References
    ----------
    Collins et al. (2024), BMJ 385, e078378 (TRIPOD+AI, fairness); Cochran (1954),
    Biometrics 10, 101-129 (test of heterogeneity).

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.validation import subgroups
    >>> X, y = load_whas500()
    >>> women, X = (X["gender"] == "1").to_numpy(), X.astype(float).to_numpy()
    >>> cox = CoxPHSurvivalAnalysis().fit(X, y)
    >>> found = subgroups(cox, X, y, by=women, times=365, n_bootstrap=20)
    >>> found.tests.columns.tolist()
    ['q', 'df', 'p_value']
    """
    if n_bootstrap < 20:
        raise ValueError(
            f"Expected n_bootstrap of 20 or more, from which the tests have their "
            f"errors, got {n_bootstrap}."
        )
    found = predictions(estimator, X, y, times, groups)
    label, names = pd.factorize(_labels(X, by, len(found)), sort=True)
    if len(names) < 2:
        raise ValueError(f"All recordings are of one group, {names[0]!r}.")
    rng, tables, errors = _generator(random_state), {}, {}
    for number, name in enumerate(names):
        part = found[np.flatnonzero(label == number)]
        tables[name], errors[name] = _of_group(
            part, threshold, n_bootstrap, confidence_level, rng, n_jobs
        )
    table = pd.concat(tables, names=["group"])
    return Subgroups(table, _tests(tables, errors))


def _labels(X, by, n_samples):
    """Group of each recording as text; missing values have a name."""
    if isinstance(by, str):
        covariates = X.covariates if isinstance(X, ECGRecords) else None
        if covariates is None or by not in covariates:
            known = [] if covariates is None else list(covariates)
            raise ValueError(
                f"X has no covariate {by!r} (it has {', '.join(known) or 'none'}). "
                "Give the group of each recording as an array."
            )
        by = covariates[by]
    labels = pd.Series(np.asarray(by))
    if labels.shape != (n_samples,):
        raise ValueError(
            f"Expected by of shape ({n_samples},), the group of each recording, got "
            f"{labels.shape}."
        )
    return labels.astype(object).where(labels.notna(), "missing").map(_name)


def _name(value):
    """Name of a group; whole numbers have no decimals."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _of_group(part, threshold, n_bootstrap, confidence_level, rng, n_jobs):
    """Measures of a group with intervals, and standard errors of tested ones."""
    index = measure_index(part)
    table = pd.DataFrame({"value": measures(part, threshold)}, index=index)
    table["low"] = table["high"] = np.nan
    errors = pd.Series(np.nan, index=index)
    n_events = int((part.causes == 1).sum())
    if n_events > 1 and len(part.clusters()) > 1:
        function = _Measures(threshold)
        drawn = bootstrap(function, [part], n_bootstrap, rng, n_jobs)
        table["low"], table["high"] = interval(drawn, confidence_level)
        for k, (_, name) in enumerate(index):
            if name in _TESTED:
                errors.iloc[k] = _error(_TESTED[name], drawn[:, k])
    table["n_samples"], table["n_events"] = len(part), n_events
    table["is_small"] = n_events < _FEW_EVENTS
    return table, errors


class _Measures:
    """Measures at a threshold; can be pickled."""

    def __init__(self, threshold):
        self.threshold = threshold

    def __call__(self, found):
        return measures(found, self.threshold)


def _error(scale, values):
    """Standard deviation of the replicates on a scale, where they are defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = scale(values)
    values = values[np.isfinite(values)]
    return values.std(ddof=1) if len(values) > 1 else np.nan


def _tests(tables, errors):
    """Cochran's test of equal measures, over the groups that are large enough."""
    index = next(iter(tables.values())).index
    rows = {}
    for k, (time, name) in enumerate(index):
        if name not in _TESTED:
            continue
        pairs = [
            (_TESTED[name](tables[g]["value"].iloc[k]), errors[g].iloc[k])
            for g in tables
            if not tables[g]["is_small"].iloc[k]
        ]
        pairs = [(v, e) for v, e in pairs if np.isfinite(v) and e > 0]
        rows[time, name] = _cochran(*zip(*pairs)) if len(pairs) > 1 else (np.nan,) * 3
    index = pd.MultiIndex.from_tuples(rows, names=["time", "measure"])
    return pd.DataFrame(
        list(rows.values()), index=index, columns=["q", "df", "p_value"]
    )


def _cochran(values, errors):
    """Weighted squares around the weighted mean, their degrees of freedom, p."""
    values, weights = np.array(values), 1 / np.square(errors)
    q = float(weights @ np.square(values - weights @ values / weights.sum()))
    return q, len(values) - 1, float(chi2.sf(q, len(values) - 1))

"""How much of a risk is due to age, which a network partly reads from the ECG."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from .._outcomes import check_causes
from ..metrics import concordance_index
from ..records import ECGRecords
from ._cox import fit_cox


@dataclass(frozen=True)
class AgeDependence:
    """Result of `age_dependence`.

    Attributes
    ----------
    c_index : float
        Harrell's C of the risk.
    c_index_of_age : float
        Harrell's C of age alone.
    c_index_adjusted : float
        Harrell's C over pairs of patients of the same age band.
    by_band : DataFrame
        One row for each band: patients, events, Harrell's C (NaN with fewer than two
        events).
    correlation : float
        Rank correlation of the risk with age.
    hazard_ratios : DataFrame
        Hazard ratio of one standard deviation of the risk, with its 95 % interval,
        unadjusted and adjusted for age.
    """

    c_index: float
    c_index_of_age: float
    c_index_adjusted: float
    by_band: pd.DataFrame
    correlation: float
    hazard_ratios: pd.DataFrame


def age_dependence(estimator, X, y, *, age=None, band=5.0):
    """How much a model's risk tells beyond age.

    Parameters
    ----------
    estimator : estimator
        Fitted; its `predict` gives a risk, higher for an earlier event.
    X : array-like or ECGRecords
        ECGs in the form that the estimator takes.
    y : structured array of shape (n_samples,)
        Fields (event, time). With competing causes, the first counts.
    age : array-like of shape (n_samples,) or None, default=None
        Age of each patient, in years. None takes the covariate `age` of `ECGRecords`.
    band : float, default=5.0
        Width of the bands within which patients are compared, in years.

    Returns
    -------
    AgeDependence
        C-indices, a correlation and hazard ratios.

    Raises
    ------
    ValueError
        If an age is missing, or the risk or age is the same for all.

    References
    ----------
    Attia et al. (2019), Circulation: Arrhythmia and Electrophysiology 12, e007284 (a
    network reads age from an ECG).

    Examples
    --------
    >>> import numpy as np
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.validation import age_dependence
    >>> X, y = load_whas500()
    >>> age, X = X["age"], X.astype(float).to_numpy()
    >>> found = age_dependence(CoxPHSurvivalAnalysis().fit(X, y), X, y, age=age)
    >>> bool(found.c_index_adjusted < found.c_index)
    True
    """
    causes, time = check_causes(y)
    event = causes == 1
    risk = np.asarray(estimator.predict(X), dtype=np.float64)
    age = _checked_age(X, age, len(time))
    for name, values in (("The risk", risk), ("The age", age)):
        if not np.ptp(values) > 0:
            raise ValueError(
                f"{name} is equal for all patients, so nothing can be compared. Give "
                "patients of several ages, and a model that tells them apart."
            )
    outcome = np.rec.fromarrays([event, time], names="event,time")
    bands = np.floor(age / band).astype(int)
    return AgeDependence(
        float(concordance_index(outcome, risk)),
        float(concordance_index(outcome, age)),
        float(concordance_index(outcome, risk, strata=bands)),
        _by_band(outcome, risk, bands, band),
        float(np.corrcoef(rankdata(risk), rankdata(age))[0, 1]),
        _hazard_ratios(risk / risk.std(), age, event, time),
    )


def _checked_age(X, age, n_samples):
    """Ages in years, one for each recording."""
    if age is None:
        covariates = X.covariates if isinstance(X, ECGRecords) else None
        if covariates is None or "age" not in covariates:
            raise ValueError(
                "The age of the patients is not known. Give age=..., or ECGRecords "
                "with a covariate 'age'."
            )
        age = covariates["age"]
    age = np.asarray(age, dtype=np.float64)
    if age.shape != (n_samples,):
        raise ValueError(f"Expected age of shape ({n_samples},), got {age.shape}.")
    if not np.isfinite(age).all():
        raise ValueError(
            f"The age of {(~np.isfinite(age)).sum()} of {n_samples} patients is "
            "missing. Leave them out."
        )
    return age


def _by_band(outcome, risk, bands, band):
    """Patients, events and C within each band of age."""
    rows = {}
    for number in np.unique(bands):
        inside = bands == number
        n_events = int(outcome.event[inside].sum())
        c = np.nan
        if n_events > 1:
            try:
                c = concordance_index(outcome[inside], risk[inside])
            except ValueError:  # no pair can be compared
                c = np.nan
        name = f"{number * band:g} to {(number + 1) * band:g}"
        rows[name] = int(inside.sum()), n_events, float(c)
    columns = ["n_samples", "n_events", "c_index"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis("age")


def _hazard_ratios(risk, age, event, time):
    """Of one standard deviation of the risk, alone and beside age."""
    rows = {}
    for name, columns in (
        ("risk", risk[:, None]),
        ("risk, beside age", np.c_[risk, age]),
    ):
        if np.linalg.matrix_rank(columns - columns.mean(axis=0)) < columns.shape[1]:
            rows[name] = np.full(3, np.nan)  # the risk is nothing but age
            continue
        fit = fit_cox(columns, event, time)
        width = norm.ppf(0.975) * fit.error[0]
        rows[name] = np.exp([fit.coef[0], fit.coef[0] - width, fit.coef[0] + width])
    return pd.DataFrame(rows, index=["hazard_ratio", "low", "high"]).T

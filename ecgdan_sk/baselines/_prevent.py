"""The PREVENT equation for heart failure, a published risk for comparison."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import StrOptions

from .._warnings import warn
from ..records import ECGRecords

# Coefficients of women and of men, table S12A of Khan et al. (2024).
_COEFFICIENTS = {
    "constant": (-4.310409, -3.946391),
    "age": (0.8998235, 0.8972642),
    "sbp_lt110": (-0.4559771, -0.6811466),
    "sbp_ge110": (0.3576505, 0.3634461),
    "diabetes": (1.038346, 0.923776),
    "smoking": (0.583916, 0.5023736),
    "bmi_lt30": (-0.0072294, -0.0485841),
    "bmi_ge30": (0.2997706, 0.3726929),
    "egfr_lt60": (0.7451638, 0.6926917),
    "egfr_ge60": (0.0557087, 0.0251827),
    "treated": (0.3534442, 0.2980922),
    "treated:sbp_ge110": (-0.0981511, -0.0497731),
    "age:sbp_ge110": (-0.0946663, -0.1289201),
    "age:diabetes": (-0.3581041, -0.3040924),
    "age:smoking": (-0.1159453, -0.1401688),
    "age:bmi_ge30": (-0.003878, 0.0068126),
    "age:egfr_lt60": (-0.1884289, -0.1797778),
}
_INDICATORS = ("sex", "diabetes", "smoking", "bp_treated")
# Of a cohort the median lies within these, in the unit of the column; a column outside
# of them is in another one.
_MEDIANS = {
    "systolic_bp": (80, 200, "mmHg", "kPa times 7.50062 is mmHg"),
    "bmi": (15, 60, "kg/m2", "weight in kg over the square of the height in m"),
    "egfr": (15, 150, "ml/min/1.73 m2", "compute it by CKD-EPI 2021 from creatinine"),
}
_COLUMNS = ("age", *_INDICATORS, *_MEDIANS)
_TEN_YEARS = 3652.5


class PreventHF(BaseEstimator):
    """Ten-year risk of heart failure by the PREVENT base equation, without an ECG.

    A published logistic equation, so nothing is fitted. It reads the covariates of the
    recordings: `age` in years, `sex` (0 male, 1 female), `systolic_bp` in mmHg, `bmi`
    in kg/m2, `egfr` (CKD-EPI 2021) in ml/min/1.73 m2, and `diabetes`, `smoking` and
    `bp_treated` (0 or 1).

    Parameters
    ----------
    columns : dict or None, default=None
        Your names of these columns in `ECGRecords.covariates`, if they differ, such as
        ``{"systolic_bp": "sbp"}``.
    outside : {"raise", "nan"}, default="raise"
        Treatment of patients for whom the equation is not valid: age outside 30 to 79,
        or missing values. "raise" raises an error; "nan" gives them NaN and warns with
        their number.

    References
    ----------
    Khan et al. (2024), "Development and validation of the American Heart Association's
    PREVENT equations", Circulation 149, 430-449, table S12A; erratum 149, e956.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecgdan_sk.baselines import PreventHF
    >>> people = pd.DataFrame(
    ...     {"age": [50], "sex": [1], "systolic_bp": [160], "bmi": [35], "egfr": [90],
    ...      "diabetes": [1], "smoking": [0], "bp_treated": [1]}
    ... )
    >>> PreventHF().predict_risk(people).round(3)
    array([0.081])
    """

    _parameter_constraints = {
        "columns": [dict, None],
        "outside": [StrOptions({"raise", "nan"})],
    }

    def __init__(self, columns=None, *, outside="raise"):
        self.columns = columns
        self.outside = outside

    def fit(self, X, y=None):
        """Check that the columns exist; nothing is learned.

        Parameters
        ----------
        X : ECGRecords or DataFrame
            Recordings with covariates, or the covariates alone.
        y : None
            Ignored.

        Returns
        -------
        PreventHF
            The estimator itself.
        """
        self._validate_params()
        self._table(X)
        return self

    def predict(self, X):
        """Log odds of heart failure within ten years: higher means a higher risk.

        Parameters
        ----------
        X : ECGRecords or DataFrame
            Recordings with covariates, or the covariates alone.

        Returns
        -------
        ndarray of shape (n_samples,)
            With ``outside="nan"``, NaN for patients for whom the equation is not valid.
        """
        table = self._table(X)
        is_outside = self._outside(table)
        terms = _terms(table)
        is_man = table["sex"].to_numpy() == 0
        total = sum(
            np.where(is_man, man, woman) * terms[name]
            for name, (woman, man) in _COEFFICIENTS.items()
        )
        return np.where(is_outside, np.nan, total)

    def predict_risk(self, X, time=_TEN_YEARS):
        """Probability of heart failure within ten years.

        Parameters
        ----------
        X : ECGRecords or DataFrame
            Recordings with covariates, or the covariates alone.
        time : float, default=3652.5
            Ten years in days, the only horizon of the equation.

        Returns
        -------
        ndarray of shape (n_samples,)
            Between 0 and 1. With ``outside="nan"``, NaN for patients for whom the
            equation is not valid.

        Raises
        ------
        ValueError
            If `time` differs from ten years by more than a week.
        """
        if not abs(time - _TEN_YEARS) <= 7:
            raise ValueError(
                f"PREVENT gives the risk within ten years ({_TEN_YEARS:g} days), not "
                f"within {time:g} days. Compare models at that horizon."
            )
        return 1 / (1 + np.exp(-self.predict(X)))

    def predict_survival_at(self, X, times):
        """Probability of no heart failure within ten years.

        Parameters
        ----------
        X : ECGRecords or DataFrame
            Recordings with covariates, or the covariates alone.
        times : float or array-like of shape (1,)
            Ten years in days, the only horizon of the equation.

        Returns
        -------
        ndarray of shape (n_samples, 1), or (n_samples,) for a number
            Between 0 and 1.
        """
        survival = [1 - self.predict_risk(X, time) for time in np.atleast_1d(times)]
        return np.stack(survival, axis=1) if np.ndim(times) else survival[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        return tags

    def _table(self, X):
        """Columns as float64 by their names, with checked units."""
        known = X.covariates if isinstance(X, ECGRecords) else X
        known = known if isinstance(known, pd.DataFrame) else pd.DataFrame()
        names = dict(zip(_COLUMNS, _COLUMNS)) | (self.columns or {})
        unknown = names.keys() - set(_COLUMNS)
        if unknown:
            raise ValueError(
                f"columns names {', '.join(sorted(unknown))}, but the equation knows "
                f"{', '.join(_COLUMNS)}."
            )
        missing = [name for name in names.values() if name not in known]
        if missing:
            raise ValueError(
                f"PREVENT needs the column {', '.join(missing)}; X has "
                f"{', '.join(map(str, known)) or 'no covariates'}. Pass "
                "ECGRecords(X, covariates=...) with these columns, or their names as "
                'PreventHF(columns={"age": ...}).'
            )
        table = pd.DataFrame({ours: known[name] for ours, name in names.items()})
        texts = [name for name in table if table[name].dtype.kind not in "biuf"]
        if texts:
            raise ValueError(
                f"The column {', '.join(names[name] for name in texts)} does not hold "
                "numbers. Code a sex as 0 (male) and 1 (female), yes and no as 1 and 0."
            )
        table = table.astype(np.float64)
        _check_units(table, names)
        return table

    def _outside(self, table):
        """People the equation is not for: named, or marked with a warning."""
        reasons = {
            "are younger than 30 or older than 79": ~table["age"].between(30, 79)
            & table["age"].notna(),
            "miss a value": table.isna().any(axis=1),
        }
        told = [f"{rows.sum()} {why}" for why, rows in reasons.items() if rows.any()]
        if told and self.outside == "raise":
            first = np.flatnonzero(np.logical_or.reduce(list(reasons.values())))[0]
            raise ValueError(
                f"Of {len(table)} people {' and '.join(told)}; the first is number "
                f"{first}. The equation holds for ages from 30 to 79 and complete "
                'rows. Leave the others out, or use outside="nan".'
            )
        if told:
            warn(
                f"Of {len(table)} people {' and '.join(told)}: their risk is NaN.",
            )
        return np.logical_or.reduce(list(reasons.values()))


def _terms(table):
    """Every term of the equation, by its name."""
    sbp, bmi, egfr = (table[name].to_numpy() for name in _MEDIANS)
    terms = {
        "constant": 1.0,
        "age": (table["age"].to_numpy() - 55) / 10,
        "sbp_lt110": (np.minimum(sbp, 110) - 110) / 20,
        "sbp_ge110": (np.maximum(sbp, 110) - 130) / 20,
        "diabetes": table["diabetes"].to_numpy(),
        "smoking": table["smoking"].to_numpy(),
        "bmi_lt30": (np.minimum(bmi, 30) - 25) / 5,
        "bmi_ge30": (np.maximum(bmi, 30) - 30) / 5,
        "egfr_lt60": (np.minimum(egfr, 60) - 60) / -15,
        "egfr_ge60": (np.maximum(egfr, 60) - 90) / -15,
        "treated": table["bp_treated"].to_numpy(),
    }
    for name in _COEFFICIENTS:
        if ":" in name:
            first, second = name.split(":")
            terms[name] = terms[first] * terms[second]
    return terms


def _check_units(table, names):
    """Raise if an indicator is not 0 or 1, or a column seems to have another unit."""
    for name in _INDICATORS:
        if not table[name].dropna().isin([0, 1]).all():
            meaning = "0 (male) and 1 (female)" if name == "sex" else "0 and 1"
            raise ValueError(
                f"Expected {names[name]} as {meaning}, got the values "
                f"{table[name].dropna().unique()[:5].tolist()}."
            )
    for name, (low, high, unit, remedy) in _MEDIANS.items():
        typical = table[name].median()
        if not low <= typical <= high and not np.isnan(typical):
            raise ValueError(
                f"The median of {names[name]} is {typical:g}, but in {unit} it lies "
                f"between {low} and {high}: {remedy}."
            )

"""External validation of a fitted model on other patients."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .._outcomes import time_told
from ..metrics import calibration, net_benefit
from ..records import ECGRecords
from ._measures import bootstrap, interval, measure_index, measures
from ._page import characteristics, cohort_told, horizon_told, page, told
from ._predictions import predictions, warn_of_seen

_THRESHOLDS = np.round(np.arange(0.01, 0.51, 0.01), 2)
# Events below which every interval is wide (Collins, Ogundimu and Altman, 2016).
_FEW_EVENTS = 100


@dataclass(frozen=True)
class ValidationReport:
    """Result of `validate`.

    Attributes
    ----------
    table : DataFrame
        By `time` (NaN for measures without a horizon) and `measure`: `value` with the
        limits `low` and `high` of its interval; with a reference also `reference`,
        `difference`, `difference_low` and `difference_high`.
    cohort : DataFrame
        One row: recordings, patients, events of each cause, median follow-up, events by
        each time.
    calibration : dict of float to Calibration
        The calibration at each time, in ten bins and smooth.
    decision_curve : DataFrame
        By `time` and `threshold`: net benefit of the model, of treating `all` and, if
        given, of the `reference`.
    distribution : DataFrame
        Quantiles of the predicted risk at each time, by outcome: event by then, no
        event, or not known.
    risks : dict of float to ndarray of shape (n_samples,)
        Predicted risks at each time.
    table_one : DataFrame or None
        Characteristics of all patients and by outcome, if there are covariates.
    confidence_level : float
        Level of the intervals.
    notes : tuple of str
        Notes to the reader, such as a warning of few events.
    time_unit : str
        Unit of the times, with which texts tell them.
    """

    table: pd.DataFrame
    cohort: pd.DataFrame
    calibration: dict
    decision_curve: pd.DataFrame
    distribution: pd.DataFrame
    risks: dict
    table_one: pd.DataFrame | None
    confidence_level: float
    notes: tuple
    time_unit: str = "days"

    def to_frame(self):
        """The measures as a table.

        Returns
        -------
        DataFrame
            A copy of `table`.
        """
        return self.table.copy()

    def save_html(self, path, *, title="External validation"):
        """Write a page with tables, figures and the items of TRIPOD+AI.

        Parameters
        ----------
        path : str or path-like
            Path of the file, which is replaced if it exists. The page needs no internet
            and no other file.
        title : str, default="External validation"
            Title of the page.

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        path.write_bytes(page(self, title).encode())
        return path

    def to_markdown(self):
        """The cohort, the measures and the notes as Markdown.

        Returns
        -------
        str
            Two tables and a list.
        """
        cohort = [f"| {name} | {text} |" for name, text in cohort_told(self).items()]
        lines = ["| cohort | |", "|---|---|", *cohort, "", *self._rows(), ""]
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)]) + "\n"

    def _rows(self):
        level = f"{100 * self.confidence_level:g} % interval"
        compares = "difference" in self.table
        extra = f" reference | difference ({level}) |" if compares else ""
        rows = [f"| time | measure | value ({level}) |{extra}"]
        rows.append("|---|---|---|" + ("---|---|" if compares else ""))
        for (time, name), row in self.table.iterrows():
            at = horizon_told(self, time)
            text = f"| {at} | {name} | {_with_interval(row, 'value', '')} |"
            if compares:
                change = _with_interval(row, "difference", "difference_")
                text += f" {told(row['reference'])} | {change} |"
            rows.append(text)
        return rows


def validate(
    estimator,
    X,
    y,
    *,
    times,
    groups=None,
    reference=None,
    threshold=None,
    fitted_to=None,
    n_bootstrap=1000,
    confidence_level=0.95,
    time_unit="days",
    n_jobs=None,
    random_state=None,
):
    """Validate a fitted model on patients that it was not trained on.

    It computes discrimination (C-indices of Harrell and Uno, AUC), calibration
    (observed over expected events, intercept, slope, integrated calibration index),
    Brier score and index of prediction accuracy, net benefit, and the distribution of
    risks by outcome. All come from one prediction; the intervals come from resampling
    patients.

    Parameters
    ----------
    estimator : estimator
        Fitted, with `predict` and either `predict_risk(X, time)` or
        `predict_survival_function(X)`: an estimator of this package or of
        scikit-survival, or a pipeline.
    X : array-like or ECGRecords
        ECGs in the form that the estimator takes.
    y : structured array of shape (n_samples,)
        Fields (event, time). The event may hold 0 for censored and 1, 2, ... for
        competing causes; then the risks of the first cause are validated.
    times : float or array-like of shape (n_times,)
        Horizons of the risks, in the unit of `y`.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each recording. None takes the `patient_ids` of `ECGRecords`.
    reference : estimator or None, default=None
        Another fitted model for the same `X`, for comparison.
    threshold : float or None, default=None
        Risk at which treatment would start, for the net benefit. None means the
        observed risk.
    fitted_to : array-like or None, default=None
        Identifiers of the patients to whom the models were fitted. If such a patient is
        also in the validation data, a warning says so.
    n_bootstrap : int, default=1000
        Resampled cohorts. 0 leaves the intervals out.
    confidence_level : float, default=0.95
        Level of the intervals.
    time_unit : str, default="days"
        Unit of the times, for the texts. 1826 days are told as "5 years".
    n_jobs : int or None, default=None
        Processes that resample at the same time.
    random_state : int, RandomState instance or None, default=None
        Determines the resampled cohorts. The number of jobs does not change them.

    Returns
    -------
    ValidationReport
        Tables, curves and notes.

    Raises
    ------
    ValueError
        If a time lies after the end of follow-up, if nobody has an event by it, or if a
        risk is not finite.

    References
    ----------
    Van Calster et al. (2025), Lancet Digital Health 7, 100916; McLernon et al. (2023),
    Annals of Internal Medicine 176, 105-114; Kattan and Gerds (2018), Diagnostic and
    Prognostic Research 2, 7 (IPA).

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.validation import validate
    >>> X, y = load_whas500()
    >>> X = X.astype(float).to_numpy()
    >>> cox = CoxPHSurvivalAnalysis().fit(X[:250], y[:250])
    >>> report = validate(cox, X[250:], y[250:], times=365, n_bootstrap=0)
    >>> bool(report.table.loc[(365, "AUC"), "value"] > 0.7)
    True
    """
    warn_of_seen(X, groups, fitted_to)
    found = [predictions(estimator, X, y, times, groups)]
    if reference is not None:
        found.append(predictions(reference, X, y, times, groups))
    rng = _generator(random_state)
    function = _Compared(threshold)
    kinds = ("value", "reference", "difference")[: 3 if len(found) > 1 else 1]
    values = function(*found).reshape(len(kinds), -1)
    table = pd.DataFrame(dict(zip(kinds, values)), index=measure_index(found[0]))
    if n_bootstrap:
        drawn = bootstrap(function, found, n_bootstrap, rng, n_jobs)
        limits = interval(drawn, confidence_level).reshape(2, len(kinds), -1)
        table["low"], table["high"] = limits[:, 0]
        if len(found) > 1:
            table["difference_low"], table["difference_high"] = limits[:, 2]
    return ValidationReport(
        table,
        _cohort(found[0], time_unit),
        {
            float(t): calibration(found[0].y, risk, time=t)
            for t, risk in zip(found[0].times, found[0].risks.T)
        },
        _decision_curve(found),
        _distribution(found[0]),
        {float(t): risk for t, risk in zip(found[0].times, found[0].risks.T)},
        _table_one(X, found[0]),
        confidence_level,
        tuple(_notes(found[0], time_unit)),
        time_unit,
    )


class _Compared:
    """Measures of one model, or of two and their difference; can be pickled."""

    def __init__(self, threshold):
        self.threshold = threshold

    def __call__(self, model, reference=None):
        own = measures(model, self.threshold)
        if reference is None:
            return own
        other = measures(reference, self.threshold)
        return np.concatenate([own, other, own - other])


def _cohort(found, unit):
    """Facts on the cohort in one row."""
    row = {"recordings": len(found), "patients": len(np.unique(found.patients))}
    for cause in range(1, int(found.causes.max()) + 1):
        name = "events" if cause == 1 else f"events of cause {cause}"
        row[name] = int((found.causes == cause).sum())
    row["median follow-up"] = _median_follow_up(found)
    for time in found.times:
        row[f"events by {time_told(time, unit)}"] = int(
            ((found.causes == 1) & (found.time <= time)).sum()
        )
    return pd.DataFrame([row], dtype=object)


def _table_one(X, found):
    """Characteristics of the cohort, where the covariates are known."""
    covariates = X.covariates if isinstance(X, ECGRecords) else None
    if covariates is None:
        return None
    return characteristics(covariates.reset_index(drop=True), found.causes == 1)


def _median_follow_up(found):
    """Time by which half would have been censored, by the reverse Kaplan-Meier."""
    order = np.argsort(found.time, kind="stable")
    at_risk = len(found) - np.arange(len(found))
    lost = (found.causes[order] == 0) / at_risk
    survival = np.cumprod(1 - lost)
    below = survival <= 0.5
    return float(found.time[order][np.argmax(below)]) if below.any() else np.nan


def _decision_curve(found):
    """Net benefit over thresholds, of the models and of treating all."""
    rows = []
    for k, time in enumerate(found[0].times):
        curves = {"model": found[0].risks[:, k], "all": np.ones(len(found[0]))}
        if len(found) > 1:
            curves["reference"] = found[1].risks[:, k]
        table = {
            name: net_benefit(found[0].y, risk, time=time, threshold=_THRESHOLDS)
            for name, risk in curves.items()
        }
        rows.append(pd.DataFrame({"time": time, "threshold": _THRESHOLDS, **table}))
    return pd.concat(rows).set_index(["time", "threshold"])


def _distribution(found):
    """Quantiles of the risks by outcome."""
    rows = {}
    for time, risk in zip(found.times, found.risks.T):
        had = (found.causes == 1) & (found.time <= time)
        unknown = (found.causes == 0) & (found.time < time)
        for name, chosen in (
            ("event", had),
            ("no event", ~had & ~unknown),
            ("not known", unknown),
        ):
            if chosen.any():
                quantiles = np.quantile(risk[chosen], [0.05, 0.25, 0.5, 0.75, 0.95])
                rows[float(time), name] = [int(chosen.sum()), *quantiles]
    index = pd.MultiIndex.from_tuples(rows, names=["time", "outcome"])
    columns = ["n", "q05", "q25", "median", "q75", "q95"]
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _notes(found, unit):
    """Notes for the reader of the report."""
    for time in found.times:
        n_events = int(((found.causes == 1) & (found.time <= time)).sum())
        if n_events < _FEW_EVENTS:
            yield (
                f"{n_events} events by {time_told(time, unit)}: with fewer than "
                f"{_FEW_EVENTS}, intervals are wide and calibration is hardly known."
            )
    n_more = len(found) - len(np.unique(found.patients))
    if n_more:
        yield (
            f"{n_more} recordings are further ones of the same patients; intervals "
            "come from resampling patients."
        )
    if found.causes.max() > 1:
        yield (
            "With competing causes, risks are cumulative incidences of the first, and "
            "the C-indices and the AUC take other causes as censored."
        )


def _generator(random_state):
    """A generator that a seed decides, or that goes on from a RandomState."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1))
    return np.random.default_rng(random_state)


def _with_interval(row, name, prefix):
    text = told(row[name])
    if f"{prefix}low" in row.index:
        text += f" ({told(row[f'{prefix}low'])} to {told(row[f'{prefix}high'])})"
    return text

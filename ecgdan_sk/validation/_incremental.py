"""Incremental value: what a model adds to a reference."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2

from ..metrics._incidence import pseudo_values
from ._cox import fit_cox
from ._measures import bootstrap, interval, measure_index, measures
from ._predictions import predictions, warn_of_seen
from ._validate import _Compared, _generator

WARNING = (
    "NRI and IDI can rise with a model that is useless or badly calibrated. They stand "
    "here because papers ask for them; judge by the likelihood-ratio test and by the "
    "differences of C, IPA and net benefit."
)


@dataclass(frozen=True)
class IncrementalValue:
    """Result of `incremental_value`.

    Attributes
    ----------
    differences : DataFrame
        By `time` and `measure`: `model`, `reference`, and their `difference` with the
        limits `low` and `high` of its interval.
    likelihood_ratio : float
        Twice the gain of the log partial likelihood when the score of the model is
        added to a Cox model with the score of the reference.
    p_value : float
        p-value of that gain, by a chi-squared distribution with one degree of freedom.
    reclassification : DataFrame
        By time: the continuous net reclassification improvement `nri`, also for
        patients with and without event, and the integrated discrimination improvement
        `idi`.
    warning : str
        The reason not to rely on `reclassification`.
    """

    differences: pd.DataFrame
    likelihood_ratio: float
    p_value: float
    reclassification: pd.DataFrame
    warning: str = WARNING


def incremental_value(
    estimator,
    reference,
    X,
    y,
    *,
    times,
    groups=None,
    threshold=None,
    fitted_to=None,
    n_bootstrap=1000,
    confidence_level=0.95,
    n_jobs=None,
    random_state=None,
):
    """Compare a model with a reference on patients that neither was trained on.

    Parameters
    ----------
    estimator : estimator
        Fitted, as for `validate`.
    reference : estimator
        Fitted model for the same `X`, such as age and sex, measurements, or a published
        equation.
    X : array-like or ECGRecords
        ECGs in the form that both take.
    y : structured array of shape (n_samples,)
        Fields (event, time), as for `validate`.
    times : float or array-like of shape (n_times,)
        Horizons of the risks, in the unit of `y`.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each recording. None takes the `patient_ids` of `ECGRecords`.
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
    n_jobs : int or None, default=None
        Processes that resample at the same time.
    random_state : int, RandomState instance or None, default=None
        Determines the resampled cohorts.

    Returns
    -------
    IncrementalValue
        Paired differences, a likelihood-ratio test, and reclassification measures.

    Raises
    ------
    ValueError
        As for `validate`, or if a score is the same for all patients.

    Notes
    -----
    The likelihood-ratio test assumes independent recordings. If patients
    have several, its p-value is too small.

    References
    ----------
    Pencina, D'Agostino and Steyerberg (2011), Statistics in Medicine 30, 11-21 (NRI,
    IDI); Pepe et al. (2015), Statistics in Biosciences 7, 282-295 (why not to rely on
    them).

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.validation import incremental_value
    >>> X, y = load_whas500()
    >>> X = X.astype(float).to_numpy()
    >>> age = make_pipeline(
    ...     FunctionTransformer(lambda X: X[:, [1]]), CoxPHSurvivalAnalysis()
    ... )
    >>> models = [m.fit(X[:250], y[:250]) for m in (CoxPHSurvivalAnalysis(), age)]
    >>> found = incremental_value(*models, X[250:], y[250:], times=365, n_bootstrap=0)
    >>> bool(found.p_value < 0.01)
    True
    """
    warn_of_seen(X, groups, fitted_to)
    found = [predictions(m, X, y, times, groups) for m in (estimator, reference)]
    model, other = (measures(part, threshold) for part in found)
    table = pd.DataFrame(
        {"model": model, "reference": other, "difference": model - other},
        index=measure_index(found[0]),
    )
    if n_bootstrap:
        rng = _generator(random_state)
        drawn = bootstrap(_Compared(threshold), found, n_bootstrap, rng, n_jobs)
        limits = interval(drawn, confidence_level).reshape(2, 3, -1)
        table["low"], table["high"] = limits[:, 2]
    return IncrementalValue(table, *_likelihood_ratio(*found), _reclassified(*found))


def _likelihood_ratio(model, reference):
    """The statistic of a score beside another, and its p-value."""
    event = model.causes == 1
    for part, name in ((model, "The model"), (reference, "The reference")):
        if not np.ptp(part.score) > 0:
            raise ValueError(
                f"{name} gives all patients the same risk, so nothing can be compared. "
                "Check its fit."
            )
    alone = fit_cox(reference.score[:, None], event, model.time)
    both = fit_cox(np.c_[reference.score, model.score], event, model.time)
    gain = max(0.0, 2 * (both.log_likelihood - alone.log_likelihood))
    return float(gain), float(chi2.sf(gain, 1))


def _reclassified(model, reference):
    """Continuous NRI and IDI at each time, censored states by pseudo-values."""
    rows = {}
    for k, time in enumerate(model.times):
        observed, state = pseudo_values(model.causes, model.time, time, 1)
        change = model.risks[:, k] - reference.risks[:, k]
        moved = np.sign(change)
        with_event = np.mean(moved * state) / observed
        without = -np.mean(moved * (1 - state)) / (1 - observed)
        gain = np.mean(change * state) / observed
        loss = np.mean(change * (1 - state)) / (1 - observed)
        rows[float(time)] = with_event + without, with_event, without, gain - loss
    columns = ["nri", "nri_event", "nri_no_event", "idi"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis(
        "time"
    )

"""A patient's page: the ECG, the risk, its explanation, and tests of it."""

import warnings
from operator import index as as_position

import numpy as np
import pandas as pd

from ..._architectures import architecture_of
from ..._outcomes import check_same_length
from ...measurements import ECGMeasurements
from ...records import LEADS
from ...records._records import as_records
from .._attention import attention_maps, available_maps
from .._faithfulness._tests import faithfulness as faithfulness_of
from .._lead_occlusion import lead_occlusion
from .._model import checked_ecgs
from .._segments import segment_occlusion
from ._clock import Clock
from ._cohort_risk import cohort_risks as risks_of
from ._cohort_risk import evenly_by_risk, place_in_cohort
from ._measured import against_limits
from ._model_card import model_card, scores_on
from ._risk_report import RiskReport

_MOST_TESTED, _N_REPEATS = 12, 5


def report(
    estimator,
    X,
    i,
    *,
    y=None,
    y_train=None,
    cohort_risks=None,
    measurements=None,
    faithfulness=None,
    sampling_rate=None,
    outcome="the event",
    time_unit="days",
    random_state=None,
    verbose=0,
):
    """Make a patient's page: the risk of one ECG, explained and compared with a cohort.

    The page is one HTML file. It shows the ECG on paper with the attention of the
    network, the risk over time and its place in the cohort, measurements beside
    published normal limits, the leads and segments that changed the risk, tests of
    these explanations, and a model card. The page says that it is for research only.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        Fitted.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs of the cohort, in mV, as for `predict`; if possible of patients who were
        not used in `fit`. The `ids` of `ECGRecords` are the titles of the pages, and
        the covariates ``age`` (years) and ``sex`` (0 male, 1 female) choose the limits
        of the measurements.
    i : int
        Position of the patient's ECG in `X`.
    y : structured array of shape (n_samples,) or None, default=None
        Outcomes of the cohort, fields (event, time), for C-index and calibration on the
        model card.
    y_train : structured array of shape (n_train,) or None, default=None
        Outcomes seen in `fit`; the card shows their number and follow-up.
    cohort_risks : array-like of shape (n_samples,) or None, default=None
        Risks of `X` for comparison. If `X` was used in `fit`, give the risks of
        `model_selection.out_of_fold`. None takes the predictions of `estimator`.
    measurements : mapping or None, default=None
        Measurements of the ECG, with the names of `ECGMeasurements`. None measures
        them.
    faithfulness : DataFrame or None, default=None
        `RiskReport.faithfulness` of another page of the same model and cohort. These
        tests take most of the time and do not depend on the single ECG. None tests 12
        ECGs of `X`.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None takes that of `X`, or else that seen in `fit`.
    outcome : str, default="the event"
        Name of the event, such as "heart failure".
    time_unit : str, default="days"
        Unit of the times seen in `fit`. Long times in days are shown in years.
    random_state : int, RandomState instance or None, default=None
        Determines the tests of faithfulness and the interval of the C-index.
    verbose : int, default=0
        1 shows progress bars of the tests of faithfulness.

    Returns
    -------
    RiskReport
        The page, and all values on it.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    IndexError
        If `X` holds no ECG `i`.
    ValueError
        If `X` is not as in `fit`, if no sampling rate is known, or if `cohort_risks` or
        `y` have another length than `X`.

    References
    ----------
    Mitchell et al. (2019), "Model cards for model reporting", FAT*.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import report
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    >>> model = model.fit(cohort.X[:50], cohort.y[:50])
    >>> page = report(model, cohort.X[50:], 3, sampling_rate=100, random_state=0)
    >>> page.to_html().startswith("<!doctype html>")
    True
    """
    records = as_records(X)
    i = _position(i, len(records))
    one = records[[i]]
    checked_ecgs(estimator, one)
    if y is not None:
        check_same_length(records, y)
    _check_tests(faithfulness)
    risks = risks_of(estimator, records, cohort_risks)
    clock = Clock.of(estimator.follow_up_, time_unit)
    segments = segment_occlusion(estimator, one, sampling_rate=sampling_rate)
    rate, are_given = segments.sampling_rate, cohort_risks is not None
    if faithfulness is None and len(records) > 1:
        rows = np.union1d(evenly_by_risk(risks, _MOST_TESTED - 1), [i])
        faithfulness = _tests(estimator, records[rows], rate, random_state, verbose)
    scores = scores_on(estimator, records, y, risks, are_given, clock, random_state)
    return RiskReport(
        id=f"ECG {i}" if one.ids is None else str(one.ids[0]),
        outcome=str(outcome),
        signals=np.asarray(one.select_leads(LEADS).signals, np.float32)[0],
        sampling_rate=rate,
        log_risk=float(estimator.predict(one)[0]),
        **place_in_cohort(estimator, records, i, risks, clock),
        **_attention(estimator, one),
        lead_changes=lead_occlusion(estimator, one).to_frame().iloc[0],
        segment_changes=segments.to_frame().iloc[0],
        **_measured(one, rate, measurements),
        faithfulness=faithfulness,
        card=model_card(estimator, y_train, scores, clock),
    )


def _position(i, n):
    """A position from 0 to n - 1."""
    try:
        position = as_position(i)
    except TypeError:
        raise TypeError(
            f"i is the position of an ECG in X, a whole number, got {i!r}."
        ) from None
    if not -n <= position < n:
        raise IndexError(f"There is no ECG {i} among {n}, counted from 0.")
    return position % n


def _check_tests(table):
    """Raise unless `faithfulness` comes from another page."""
    if table is not None and table.index.names != ["explanation", "level", "test"]:
        raise ValueError(
            "Expected faithfulness as another page has it, indexed by explanation, "
            f"level and test, got {table.index.names}. Give other_page.faithfulness, "
            "or None."
        )


def _attention(estimator, one):
    """Fields of `RiskReport` about attention over time."""
    if "temporal" not in available_maps(estimator, checked_ecgs(estimator, one)):
        why = (
            "The network was fitted without temporal attention; there is none to show."
        )
        return {"temporal": {}, "no_attention": why}
    if not architecture_of(estimator).leads_stay_leads:
        why = (
            "The network mixes the leads before its attention over time, which "
            "therefore cannot be drawn on a lead."
        )
        return {"temporal": {}, "no_attention": why}
    maps = attention_maps(estimator, one, maps=("temporal",)).temporal[0]
    present = {
        lead: weights
        for lead, weights in zip(estimator.leads_in_, maps)
        if np.isfinite(weights).all()
    }
    return {"temporal": present, "no_attention": ""}


def _measured(one, rate, given):
    """Fields of `RiskReport` about the measurements."""
    person = _age_and_sex(one)
    if given is not None:
        return {"measurements": against_limits(given, *person), "unmeasured": ""}
    measure = ECGMeasurements(rate).fit(one)
    found = dict(zip(measure.get_feature_names_out(), measure.transform(one)[0]))
    why = measure.quality(one)["reasons"].iloc[0]
    return {"measurements": against_limits(found, *person), "unmeasured": why}


def _age_and_sex(one):
    """Age in years and sex, 0 or 1, of the covariates; None where they say neither."""
    known = {} if one.covariates is None else one.covariates.iloc[0].to_dict()
    age, sex = (pd.to_numeric(known.get(k), errors="coerce") for k in ("age", "sex"))
    # Others are not in years, or no code of this package: scaled columns, say.
    age_is_known = age is not None and 0 < age < 130
    return float(age) if age_is_known else None, int(sex) if sex in (0, 1) else None


def _tests(estimator, some, rate, random_state, verbose):
    """Faithfulness of each explanation of the page, by explanation, level and test."""
    maps = available_maps(estimator, checked_ecgs(estimator, some))
    explanations = {
        "Lead occlusion": lead_occlusion(estimator, some),
        "Segment occlusion": segment_occlusion(estimator, some, sampling_rate=rate),
    }
    if maps:
        explanations["Attention"] = attention_maps(estimator, some, maps=maps)
    settings = {"n_repeats": _N_REPEATS, "random_state": random_state}
    settings["verbose"] = verbose
    with warnings.catch_warnings():
        # Of the agreement with gradients, which the page leaves out.
        warnings.filterwarnings("ignore", "The attributions miss")
        tables = {
            name: faithfulness_of(estimator, some, explanation, **settings)
            for name, explanation in explanations.items()
        }
    table = pd.concat(tables, names=["explanation"])
    level, test = (table.index.get_level_values(name) for name in ("level", "test"))
    return table[(level != "pairs of leads") & ~test.str.startswith("agreement")]

"""The model card of a patient's page: model, validation and intended use."""

import numpy as np
from sksurv.util import Surv

from ..._architectures import architecture_of
from ..._outcomes import check_causes
from ..._version import __version__
from ...metrics import bootstrap_ci, calibration, concordance_index

_LEAST_TO_CALIBRATE = 50  # ECGs
_LEAST_AT_RISK = 0.1  # share of those followed so long
_N_RESAMPLES = 300
# Beyond these a risk misleads: half or twice the spread, or a tenth off on average.
_LEAST_SLOPE, _LARGEST_SLOPE, _LARGEST_ERROR = 0.5, 2.0, 0.1
POOR = "poor"
_USE = (
    "Research on cohorts like the one it was trained on. Not a medical device; not "
    "evaluated for the care of patients, nor for other recorders, populations or ages."
)


def model_card(estimator, y_train, scores, clock):
    """Texts by heading; `scores` comes from `scores_on`."""
    return {
        "Model": _model(estimator),
        "Trained on": _trained_on(y_train, clock),
        "Longest follow-up": clock.told(clock.end),
        "Leads": ", ".join(estimator.leads_in_),
        "Signal": _signal(estimator),
        "Covariates": _covariates(estimator),
        **scores,
        "Intended use": _USE,
        "Software": f"ecgdan_sk {__version__}",
    }


def scores_on(estimator, records, y, risks, are_given, clock, random_state):
    """C-index and calibration on the cohort, in words."""
    if y is None:
        return {"C-index": "not told (y was not given)"}
    said = {"C-index": _c_index(y, risks, are_given, random_state)}
    # Given risks are ranks by other models, not probabilities.
    if not are_given:
        said["Calibration"] = _calibrated(estimator, records, y, clock)
    return said


def _trained_on(y, clock):
    """ECGs, events and follow-up of the training outcomes."""
    if y is None:
        return "not told (y_train was not given)"
    causes, time = check_causes(y)
    return (
        f"{len(time)} ECGs, {(causes == 1).sum()} events; median time to event or last "
        f"contact {clock.told(np.median(time))}"
    )


def _c_index(y, risks, are_given, random_state):
    """Harrell's C with its interval."""
    causes, time = check_causes(y)
    c = bootstrap_ci(
        concordance_index,
        Surv.from_arrays(causes == 1, time),
        risks,
        n_resamples=_N_RESAMPLES,
        random_state=random_state,
    )
    whose = "the risks given (cohort_risks)" if are_given else "the model's own risks"
    return (
        f"{c.value:.3f} (95 % interval {c.low:.3f} to {c.high:.3f}), of {whose} for "
        f"{len(y)} ECGs with {(causes == 1).sum()} events"
    )


def _calibrated(estimator, records, y, clock):
    """Calibration at the latest round time that enough of the cohort were followed."""
    causes, time = check_causes(y)
    times = [t for t in clock.ticks if (time > t).mean() >= _LEAST_AT_RISK]
    if len(y) < _LEAST_TO_CALIBRATE or not times:
        return f"not assessed: too few ECGs ({len(y)}) or too short a follow-up"
    horizon = times[-1]
    if not ((causes == 1) & (time <= horizon)).any():
        return f"not assessed: no event within {clock.told(horizon)}"
    predicted = estimator.predict_cumulative_incidence(records, [horizon])[:, 0, 0]
    found = calibration(y, predicted, time=horizon)
    poor = f"{POOR}: " if _is_poor(found) else ""
    return (
        f"{poor}within {clock.told(horizon)}: slope {found.slope:.2f} (1 is right, "
        f"below 1 too extreme), intercept {found.intercept:+.2f} (0 is right), mean "
        f"error {100 * found.ici:.1f} percentage points"
    )


def _is_poor(found):
    """Whether calibration is too poor to report the risk of one patient."""
    slope_holds = _LEAST_SLOPE <= found.slope <= _LARGEST_SLOPE
    return not slope_holds or found.ici > _LARGEST_ERROR


def _model(estimator):
    """Architecture with its ablations, loss and number of networks."""
    architecture = architecture_of(estimator)
    settings = architecture.get_params(deep=False)
    switched_off = [name for name, value in settings.items() if value is False]
    without = f", without {' and '.join(switched_off)}" if switched_off else ""
    n = len(estimator.nets_)
    return (
        f"{type(estimator).__name__}, {architecture.name} architecture{without}, "
        f"{n} network{'s' if n > 1 else ''}, loss {estimator.loss}"
    )


def _signal(estimator):
    """Length and sampling rate."""
    rate, n = estimator.sampling_rate_in_, estimator.n_times_in_
    if rate is None:
        return f"{n} samples; the sampling rate was not told in fit"
    return f"{n / rate:g} s at {rate:g} Hz"


def _covariates(estimator):
    if estimator.covariates_ is None:
        return "none, the ECG alone"
    return ", ".join(map(str, estimator.covariates))

"""Tests of whether an explanation agrees with the network, in one table."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import rankdata, t
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from ...records import ECGRecords
from ...records._signal_checks import typical_spread
from .._attention import attention_maps
from .._gradients import integrated_gradients
from .._lead_occlusion import lead_occlusion
from .._model import checked_ecgs, log_risk, single_networks, with_shuffled_weights
from ._deletion import gains_over_random
from ._units import explain_again, units_of

_NOISE = 0.05  # SD, of that of a typical lead: 10 microvolts

_EXPECTED = {
    "deletion": "above 0",
    "insertion": "above 0",
    "weight randomisation": "near 0",
    "stability between networks": "near 1",
    "stability under noise": "near 1",
}
_METHODS = {
    "attention_maps": partial(attention_maps, maps=("cross_lead",)),
    "lead_occlusion": lead_occlusion,
    "integrated_gradients": integrated_gradients,
}


def faithfulness(
    estimator, X, explanation, *, n_repeats=10, random_state=None, verbose=0
):
    """Test an explanation against the network that it explains.

    Each level of the explanation has its own rows: leads, moments (50 time windows of
    each lead), pairs of leads, lead groups, or segments.

    - deletion, insertion: area, in log risk, between the curve in the order of the
      explanation and the curve in random order, for the same ECGs. Removed leads count
      as absent; a straight line replaces a segment or a moment. In ECGs with a risk
      above the training mean, units that raise the risk come first; in the others,
      units that lower it. Attention has no sign, so it gives one order for both.
    - weight randomisation: rank correlation with the same explanation of a network
      with shuffled weights within each tensor. An explanation that stays the same shows
      the ECG, and not the learned weights.
    - stability between networks: mean rank correlation of the explanations of each pair
      of networks of the estimator, which differ in seed and validation part.
    - stability under noise: rank correlation with the explanation of the ECGs with
      white noise of 5 % of the typical standard deviation of a lead.
    - agreement with other methods: rank correlation of the magnitudes for the leads.

    Rank correlations are Spearman's within an ECG, averaged over ECGs.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        The fitted estimator that was explained.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        The explained ECGs, two or more, if possible not used in `fit`. Each is
        predicted some hundred times, so 50 to 200 ECGs are enough.
    explanation : object
        Result of `attention_maps`, `lead_occlusion`, `lead_group_shapley`,
        `segment_occlusion` or `integrated_gradients` for these ECGs.
    n_repeats : int, default=10
        Number of random orders and of shuffles of the weights, two or more.
    random_state : int, RandomState instance or None, default=None
        Determines orders, shuffles and noise.
    verbose : int, default=0
        1 shows progress bars.

    Returns
    -------
    DataFrame
        One row for each level and test: `value`; the limits `low` and `high` of its
        95 % interval (over ECGs, or over shuffles for weight randomisation); and
        `expected`, the result of a faithful explanation.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If `explanation` does not come from this module.
    ValueError
        If `X` are not the explained ECGs.

    References
    ----------
    Petsiuk, Das and Saenko (2018), "RISE", BMVC (deletion and insertion); Adebayo et
    al. (2018), "Sanity checks for saliency maps", NeurIPS (weight randomisation).

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import faithfulness, lead_group_shapley
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    >>> model, X = model.fit(cohort.X, cohort.y), cohort.X[:5]
    >>> shares = lead_group_shapley(model, X)
    >>> table = faithfulness(model, X, shares, n_repeats=2, random_state=0)
    >>> table.loc[("lead groups", "deletion"), "expected"]
    'above 0'
    """
    explain = explain_again(explanation)
    signals = checked_ecgs(estimator, X)
    records = _records(estimator, signals)
    rng = check_random_state(random_state)
    levels = units_of(explanation, signals, estimator.leads_in_)
    _check_numbers(levels, len(signals), n_repeats)
    whole = log_risk(estimator, signals)
    rows = {}
    shown = {"disable": not verbose, "leave": False}
    for level, units in tqdm(levels.items(), "Deletion", **shown):
        if units.without is not None:
            gains = gains_over_random(estimator, signals, whole, units, n_repeats, rng)
            rows |= {(level, test): gain for test, gain in gains.items()}
    repeats = tqdm(range(n_repeats), "Weight randomisation", **shown)
    rows |= _correlations(estimator, records, explain, levels, repeats, rng)
    if "leads" in levels:
        rows |= _agreements(estimator, records, explanation, levels["leads"])
    return _table(
        dict(sorted(rows.items(), key=lambda row: [*levels].index(row[0][0])))
    )


def _correlations(estimator, records, explain, levels, repeats, rng):
    """Rank correlations with explanations that should differ, or should not."""

    def values_of(estimator, records):
        signals, leads = records.signals, records.leads
        # A shuffled network may fail the checks of a fitted one.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = units_of(explain(estimator, records), signals, leads)
        return {level: units.values for level, units in again.items()}

    shuffled = [
        values_of(with_shuffled_weights(estimator, rng), records) for _ in repeats
    ]
    noise = rng.normal(0, _NOISE * typical_spread(records.signals), records.shape)
    noisy = records.signals + noise.astype(np.float32)
    disturbed = values_of(estimator, _records(estimator, noisy))
    networks = single_networks(estimator) if len(estimator.nets_) > 1 else []
    networks = [values_of(network, records) for network in networks]
    rows = {}
    for level, units in levels.items():
        own = units.values
        rows[level, "weight randomisation"] = [
            np.nanmean(rank_correlation(own, other[level])) for other in shuffled
        ]
        rows[level, "stability between networks"] = _between(networks, level, len(own))
        rows[level, "stability under noise"] = rank_correlation(own, disturbed[level])
    return rows


def _between(networks, level, n_samples):
    """Mean correlation (n_samples,) over the pairs of networks; NaN without pairs."""
    pairs = [
        rank_correlation(networks[i][level], networks[j][level])
        for i in range(len(networks))
        for j in range(i)
    ]
    return np.mean(pairs, axis=0) if pairs else np.full(n_samples, np.nan)


def _agreements(estimator, records, explanation, units):
    """Rank correlation of the magnitudes for the leads with those of other methods."""
    rows = {}
    for name, method in _METHODS.items():
        # An ablation has no map, the paper's network no integrated gradients.
        try:
            other = method(estimator, records)
        except ValueError:
            continue
        if type(other) is not type(explanation):
            rows["leads", f"agreement with {name}"] = rank_correlation(
                np.abs(units.values), np.abs(other.lead_importance)
            )
    return rows


def rank_correlation(a, b):
    """Spearman's correlation (n,) within each row of (n, U), over common units.

    NaN where one of them is constant.
    """
    both = np.isfinite(a) & np.isfinite(b)
    a, b = (
        rankdata(np.where(both, values, np.nan), axis=1, nan_policy="omit")
        for values in (a, b)
    )
    n = np.maximum(both.sum(axis=1, keepdims=True), 1)
    a, b = (
        np.where(both, ranks - np.nansum(ranks, axis=1, keepdims=True) / n, 0.0)
        for ranks in (a, b)
    )
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, (a * b).sum(axis=1) / norm, np.nan)


def _table(rows):
    """Means with t-intervals."""
    summary = []
    for (level, test), values in rows.items():
        known = np.asarray(values)[np.isfinite(values)]
        n = len(known)
        mean = known.mean() if n else np.nan
        margin = np.nan
        if n > 1:
            margin = t.ppf(0.975, n - 1) * known.std(ddof=1) / np.sqrt(n)
        low, high = mean - margin, mean + margin
        if test not in ("deletion", "insertion"):  # those are no correlations
            low, high = np.clip([low, high], -1, 1)
        expected = _EXPECTED.get(test, "near 1")
        summary.append((level, test, mean, low, high, expected))
    columns = ["level", "test", "value", "low", "high", "expected"]
    return pd.DataFrame(summary, columns=columns).set_index(["level", "test"])


def _records(estimator, signals):
    return ECGRecords(signals, estimator.sampling_rate_in_, estimator.leads_in_)


def _check_numbers(levels, n_samples, n_repeats):
    """Raise unless the explanation is one of so many ECGs, and they are enough."""
    if n_repeats < 2 or n_samples < 2:
        raise ValueError(
            "An interval needs two or more ECGs and two or more repeats, got "
            f"{n_samples} ECGs and n_repeats={n_repeats}."
        )
    n_explained = len(next(iter(levels.values())).values)
    if n_explained != n_samples:
        raise ValueError(
            f"The explanation is of {n_explained} ECGs, but X holds {n_samples}; give "
            "the ECGs that were explained, in the same order."
        )

"""How much a model's risks change with errors of ECG recording in practice."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.utils import check_random_state

from ..metrics import concordance_index
from ..records._records import as_records
from ._perturbations import all_perturbations

# Recordings that are changed, and predicted, at once.
_PART = 512


@dataclass(frozen=True)
class Robustness:
    """Result of `robustness`.

    Attributes
    ----------
    table : DataFrame
        One row for each change of the ECG, by its name: `median_change` and `change_95`
        (the median change of the risk, and the 95th percentile of its size, in standard
        deviations of the original risks), `rank_correlation` with the original risks,
        `changed_third` (share of patients who move to another third of risk) and, with
        outcomes, `c_index` and `c_index_change`.
    c_index : float or None
        C-index of the unchanged ECGs.
    """

    table: pd.DataFrame
    c_index: float | None


def robustness(
    estimator,
    X,
    y=None,
    *,
    perturbations=None,
    snr=10.0,
    n_jobs=None,
    random_state=None,
):
    """Predict the same ECGs again after each error that occurs in practice.

    All exchanges of limb electrodes and of neighbouring chest electrodes, each lead
    inverted and each missing, eight leads, gain of 80 and 120 %, hum of 50 and 60 Hz,
    baseline wander, muscle noise, half the sampling rate, a shorter recording.

    Parameters
    ----------
    estimator : estimator
        Fitted; its `predict` gives a risk, higher for an earlier event.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, as the estimator takes them. Noise needs a sampling rate, that of
        `ECGRecords`.
    y : structured array of shape (n_samples,) or None, default=None
        Fields (event, time), for the C-index.
    perturbations : sequence of str or None, default=None
        Names of the changes. None makes all that the leads and the sampling rate allow.
    snr : float, default=10.0
        Signal-to-noise ratio of hum, wander and muscle noise, in dB.
    n_jobs : int or None, default=None
        Changes that are predicted at the same time, by joblib.
    random_state : int, RandomState instance or None, default=None
        Determines the noise.

    Returns
    -------
    Robustness
        A table with one row for each change.

    Raises
    ------
    ValueError
        If a name is not known, or noise is asked for without a sampling rate.

    References
    ----------
    Electrode exchanges, and how often they happen: Rudiger, Hellermann, Mukherjee,
    Follath and Turina (2007), American Journal of Emergency Medicine 25, 174-178.

    Examples
    --------
    >>> from ecgdan_sk.baselines import cox_measurements
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.records import ECGRecords
    >>> from ecgdan_sk.validation import robustness
    >>> cohort = make_ecg_cohort(60, duration=3, event_rate=0.5, random_state=0)
    >>> X = ECGRecords(cohort.X, cohort.sampling_rate)
    >>> cox = cox_measurements().fit(X, cohort.y)
    >>> found = robustness(cox, X, cohort.y, perturbations=["gain +20 %"])
    >>> found.table.index[0]
    'gain +20 %'
    """
    records = as_records(X)
    chosen = _chosen(records, perturbations, snr)
    seed = check_random_state(random_state).randint(2**31 - 1)
    before = estimator.predict(records)
    if not before.std() > 0:
        raise ValueError(
            "The estimator gives all ECGs the same risk, so that no change can be "
            "measured. Check its fit."
        )
    risks = Parallel(n_jobs=n_jobs)(
        delayed(_risks)(estimator, records, change, seed) for change in chosen
    )
    c_index = None if y is None else float(concordance_index(y, before))
    rows = [_row(before, after, y, c_index) for after in risks]
    table = pd.DataFrame(rows, index=pd.Index([p.name for p in chosen], name="change"))
    return Robustness(table, c_index)


def _chosen(records, names, snr):
    """The named changes, or all that can be made."""
    known = {p.name: p for p in all_perturbations(records.leads, snr)}
    rate = records.sampling_rate
    possible = {
        name: p
        for name, p in known.items()
        if not p.needs_rate or (rate is not None and not _too_fast(name, rate))
    }
    if names is None:
        return list(possible.values())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"No change is called {', '.join(map(repr, unknown))}. Known are: "
            f"{', '.join(known)}."
        )
    if any(name not in possible for name in names):
        raise ValueError(
            "Noise is made in Hz, but the sampling rate of X is "
            f"{'unknown' if rate is None else f'{rate:g} Hz, too low'}. Pass "
            "ECGRecords(X, sampling_rate=...), or leave the noise out."
        )
    return [known[name] for name in names]


def _too_fast(name, rate):
    """Whether a hum cannot be in ECGs of this rate."""
    head = name.split(" Hz hum")[0]
    return head.isdigit() and int(head) >= rate / 2


def _risks(estimator, records, change, seed):
    """Risks (n_samples,) of the changed ECGs, which are computed in parts."""
    rng, found = np.random.default_rng(seed), []
    for start in range(0, len(records), _PART):
        part = records[start : start + _PART]
        signals = np.asarray(part.signals, np.float32)
        changed = change(signals, part.leads, part.sampling_rate, rng)
        found.append(estimator.predict(part.with_signals(changed, part.sampling_rate)))
    return np.concatenate(found)


def _row(before, after, y, c_index):
    """Effect of one change on the risks."""
    change = (after - before) / before.std()
    limits = np.quantile(before, [1 / 3, 2 / 3])
    thirds = [np.searchsorted(limits, risks) for risks in (before, after)]
    constant = np.ptp(after) == 0
    row = {
        "median_change": np.median(change),
        "change_95": np.quantile(np.abs(change), 0.95),
        "rank_correlation": np.nan if constant else spearmanr(before, after)[0],
        "changed_third": (thirds[0] != thirds[1]).mean(),
    }
    if y is not None:
        row["c_index"] = float(concordance_index(y, after))
        row["c_index_change"] = row["c_index"] - c_index
    return row

"""Checks of the ECGs of a cohort: leads, units, quality, copies."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..datasets import check_leads
from ..preprocessing import SignalQuality
from ..records._amplitudes import Amplitudes, factors_from_the_rest, look
from ..records._signal_checks import in_parts
from ..records._sources import row_digest

_POOR = 0.5  # quality below which an ECG is counted as poor
_UNITS_AS_EXPECTED = (0.5, 2.0)  # per mV


@dataclass(frozen=True)
class ECGCheck:
    """Result of `check_ecgs`.

    Attributes
    ----------
    table : DataFrame
        One row for each ECG, by its id: the result of `datasets.check_leads`; the
        `amplitude_factor` by which it is far from the others, else 1; its `quality`
        from 0 to 1 with the `issues` of its leads (see `preprocessing.SignalQuality`);
        and `copy_of`, an earlier ECG with the same samples.
    problems : list of str
        Problems of more than half of the ECGs.
    summary : DataFrame
        Number of ECGs with each finding, in the columns `finding` and `ecgs`.
    """

    table: pd.DataFrame
    problems: list
    summary: pd.DataFrame

    def __str__(self):
        lines = [f"{n:>8,}  {name}" for name, n in self.summary.itertuples(index=False)]
        return "\n".join([*lines, *(f"Of most: {text}" for text in self.problems)])


def check_ecgs(records):
    """Look for wrong leads and units, poor signals, and copies of the same ECG.

    Parameters
    ----------
    records : ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs; they are read in parts, so they need not fit into memory.

    Returns
    -------
    ECGCheck
        A table of the ECGs and a summary.

    Examples
    --------
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.records import ECGRecords
    >>> from ecgdan_sk.study import check_ecgs
    >>> X = make_ecg_cohort(3, event_rate=0.5, random_state=0).X
    >>> X[2] = X[0]
    >>> found = check_ecgs(ECGRecords(X, 100, ids=["a", "b", "c"]))
    >>> found.table["copy_of"].tolist()
    ['', '', 'a']
    """
    report = check_leads(records, on_error="ignore")
    table = report.table
    table["amplitude_factor"] = _amplitude_factors(records)
    if records.sampling_rate is not None:
        table["quality"], table["issues"] = _quality(records)
    copies, names = copies_of(records), table.index.astype(str).to_numpy()
    table["copy_of"] = [names[i] if i >= 0 else "" for i in copies]
    return ECGCheck(table, list(report.problems), _summary(table))


def copies_of(records):
    """Position of the earlier ECG with the same samples, or -1, of each ECG."""
    return _first_seen(digests_of(records))


def digests_of(records):
    """Digest of the samples of each ECG."""
    return [
        row_digest(np.ascontiguousarray(ecg, np.float32))
        for part in in_parts(records.signals)
        for ecg in part
    ]


def _first_seen(digests):
    seen = {}
    firsts = [seen.setdefault(digest, i) for i, digest in enumerate(digests)]
    return np.array([-1 if first == i else first for i, first in enumerate(firsts)])


def _amplitude_factors(records):
    """The factor by which the amplitude of each ECG is far from the others, else 1."""
    parts = (look(without_gaps(part)) for part in in_parts(records.signals))
    return factors_from_the_rest(Amplitudes.of(parts))


def without_gaps(signals):
    """A copy of ECGs in which leads that are NaN or infinite in part are absent."""
    signals = np.array(signals, np.float32)
    signals[~np.isfinite(signals).all(axis=2)] = np.nan
    return signals


def _quality(records):
    """Mean score of the leads of each ECG, and defects by lead."""
    quality, scores, issues = SignalQuality(sampling_rate=records.sampling_rate), [], []
    for part in in_parts(records.signals):
        part = without_gaps(part)
        # An ECG without any lead cannot be scored.
        some = ~np.isnan(part[:, :, 0]).all(axis=1)
        score = np.zeros(len(part))
        words = np.full(len(part), "no lead", dtype=object)
        if some.any():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score[some] = quality.score_records(part[some])
                found = quality.issues(part[some])
            words[some] = [_told(row, records.leads) for row in found]
        scores.append(score)
        issues.append(words)
    return np.concatenate(scores), np.concatenate(issues)


def _told(row, leads):
    """Issues of the leads of one ECG: 'flat V1 V2; noisy III'."""
    kinds = dict.fromkeys(issue for issue in row if issue)
    return "; ".join(
        " ".join([kind, *(lead for lead, one in zip(leads, row) if one == kind)])
        for kind in kinds
    )


def _summary(table):
    """Numbers of ECGs with each finding."""
    low, high = _UNITS_AS_EXPECTED
    units = table["units_per_mv"]
    counts = {
        "ECGs": len(table),
        "copies of another ECG": (table["copy_of"] != "").sum(),
        "limb leads that contradict each other": (table["limb_leads"] != "").sum(),
        "hints of exchanged electrodes": (table["hint"] != "").sum(),
        "absent leads": (table["absent"] != "").sum(),
        "leads with gaps": (table["gaps"] != "").sum(),
        "flat leads": (table["flat"] != "").sum(),
        "clipped leads": (table["clipped"] != "").sum(),
        "amplitudes of another unit than mV": ((units < low) | (units > high)).sum(),
        "amplitudes far from the rest": (table["amplitude_factor"] != 1).sum(),
    }
    if "quality" in table:
        counts[f"quality below {_POOR}"] = (table["quality"] < _POOR).sum()
    return pd.DataFrame(
        {"finding": list(counts), "ecgs": [int(n) for n in counts.values()]}
    )

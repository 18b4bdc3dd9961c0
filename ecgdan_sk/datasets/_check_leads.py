"""Errors in reading or recording ECGs: leads, units, dead channels."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d

from .._warnings import warn
from ..records._amplitudes import nearest_factor
from ..records._signal_checks import in_parts
from ._limb_leads import LIMB, disagreement

# Units that ECGs come in, as their number in a mV, and the usual height of a lead.
_UNITS = {
    1000.0: "microvolts, or counts of 1000 per mV",
    200.0: "ADC counts of some 200 per mV",
    10.0: "units of 1e-4 V",
    1.0: "mV",
    0.001: "volts",
    1e6: "nanovolts",
}
_HEIGHT = 1.1
# Logarithm by which mV are likelier than the rest.
_BENEFIT = 0.6
_COLUMNS = ("disagreement", "limb_leads", "hint", "absent", "gaps", "flat", "clipped")
# Correlation of I and V6 below which they oppose each other.
_OPPOSED = -0.5
_SAMPLE = 32
_REMEDIES = {
    "limb_leads": "Limb leads of {1} of {2} recordings: {0}. Check the order and the "
    "sign in which they are read (MIMIC-IV-ECG has aVF before aVL).",
    "absent": "Lead {0} is absent (NaN) in {1} of {2} recordings.",
    "flat": "Lead {0} is flat in {1} of {2} recordings. Check how it is read, or make "
    "it NaN: it then counts as absent.",
    "clipped": "Lead {0} is clipped in {1} of {2} recordings. Check whether it was "
    "read with too few bits.",
    "gaps": "Lead {0} is NaN in part in {1} of {2} recordings. Interpolate the gaps, "
    "or make the lead NaN throughout.",
}


@dataclass
class LeadReport:
    """Result of `check_leads`.

    Attributes
    ----------
    table : DataFrame of shape (n_samples, 8)
        One row for each recording, by its id: `disagreement` of the limb leads as a
        share of their amplitude; `limb_leads` (the swaps or inversions that explain it)
        and `hint` (of exchanged electrodes), both as text, empty if there is no
        problem; the names of leads that are `absent`, have `gaps`, are `flat` or
        `clipped`; and `units_per_mv`, estimated from the amplitude: 1 for mV, NaN for
        z-scored leads.
    problems : list of str
        Problems of more than half of the recordings. They point to an error in reading
        the files, not in recording single ECGs.
    """

    table: pd.DataFrame
    problems: list = field(default_factory=list)

    def __str__(self):
        lines = [f"{len(self.table)} recordings checked."]
        lines += [f"All or most: {problem}" for problem in self.problems]
        for column in ("limb_leads", "hint", "absent", "gaps", "flat", "clipped"):
            for text, n in Counter(filter(None, self.table[column])).most_common(5):
                rows = self.table.index[self.table[column] == text]
                first = ", ".join(map(str, rows[:3])) + (", ..." if n > 3 else "")
                lines.append(f"{column.replace('_', ' ')}: {text} in {n} ({first})")
        return "\n".join(lines if len(lines) > 1 else [*lines, "Nothing was found."])


def check_leads(records, on_error="warn"):
    """Look for swapped, inverted, dead or wrongly scaled leads.

    Limb leads must agree: II = I + III, aVR = -(I + II) / 2, aVL = (I - III) / 2, aVF =
    (II + III) / 2. If they do not, the function looks for the simplest swaps and
    inversions that correct them. With exchanged arm electrodes the leads still agree; a
    lead I opposite to V6 is a hint of this.

    Parameters
    ----------
    records : ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs; they are read in parts, so they need not fit into memory.
    on_error : {"warn", "raise", "ignore"}, default="warn"
        Reaction if more than half of the recordings have the same problem. Problems of
        single recordings are only in the report.

    Returns
    -------
    LeadReport
        A table of the problems of each recording; `print` shows a summary.

    Raises
    ------
    ValueError
        With `on_error="raise"`, if more than half of the recordings have the same
        problem.

    Examples
    --------
    >>> from ecgdan_sk.datasets import check_leads, make_ecg_cohort
    >>> from ecgdan_sk.records import ECGRecords
    >>> X = make_ecg_cohort(5, sampling_rate=100, random_state=0).X[:]
    >>> X[:, [4, 5]] = X[:, [5, 4]]
    >>> report = check_leads(ECGRecords(X, 100), on_error="ignore")
    >>> report.table["limb_leads"].iloc[0]
    'aVL and aVF swapped'
    """
    if on_error not in ("warn", "raise", "ignore"):
        raise ValueError(
            f"on_error must be 'warn', 'raise' or 'ignore', got {on_error!r}."
        )
    rows, heights = [], []
    for part in in_parts(records.signals):
        found, height = _look(np.asarray(part, np.float32), records.leads)
        rows += found
        heights.append(height)
    index = records.ids if records.ids is not None else np.arange(len(records))
    table = pd.DataFrame(rows, index=index, columns=list(_COLUMNS))
    height = np.concatenate([*heights, np.zeros(0)])
    table["units_per_mv"] = _units_per_mv(height)
    report = LeadReport(table, _problems(table, height))
    if report.problems and on_error != "ignore":
        message = " ".join(report.problems)
        if on_error == "raise":
            raise ValueError(message)
        warn(message)
    return report


def checked(records):
    """Return `records`, after warnings of errors that most of a sample share."""
    check_leads(records[:: max(1, -(-len(records) // _SAMPLE))])
    return records


def _look(X, leads):
    """Rows of the table for the recordings, and their heights (n_samples,)."""
    missing = np.isnan(X)
    absent = missing.all(axis=2)
    n_there = np.maximum((~missing).sum(axis=2, keepdims=True), 1)
    centred = X - np.nansum(X, axis=2, keepdims=True) / n_there
    centred[missing] = 0
    height = np.ptp(centred, axis=2)
    flat = ~absent & (height <= 0.01 * _median(height, ~absent)[:, None])
    there = ~absent & ~flat
    marks = absent, missing.any(axis=2) & ~absent, flat, _clipped(X) & there
    limb = _limb_leads(centred, missing, there, leads)
    hints = _hints(centred, there, leads)
    rows = [
        (*found, hint, *(_names(leads, mark[i]) for mark in marks))
        for i, (found, hint) in enumerate(zip(limb, hints))
    ]
    return rows, _heights(centred, there)


def _limb_leads(centred, missing, there, leads):
    """Disagreement of the limb leads of each recording, and its explanation."""
    n_samples, _, n_times = centred.shape
    limb = np.zeros((n_samples, len(LIMB), n_times))
    known = np.zeros((n_samples, len(LIMB)), bool)
    for i, lead in enumerate(LIMB):
        if lead in leads:
            limb[:, i], known[:, i] = (
                v[:, leads.index(lead)] for v in (centred, there)
            )
    columns = [leads.index(lead) for lead in LIMB if lead in leads]
    gaps = (missing[:, columns] & there[:, columns, None]).any(axis=1)
    limb *= ~gaps[:, None]
    grams = limb @ limb.transpose(0, 2, 1)
    return [disagreement(*both) for both in zip(grams, known)]


def _hints(centred, there, leads):
    """Whether each recording looks as if the electrodes of the arms were exchanged."""
    if not {"I", "V6"} <= set(leads):
        return [""] * len(centred)
    columns = [leads.index(lead) for lead in ("I", "V6")]
    i, v6 = centred[:, columns].transpose(1, 0, 2)
    alike = (i * v6).sum(axis=1)
    alike /= np.sqrt((i**2).sum(axis=1) * (v6**2).sum(axis=1)) + 1e-12
    exchanged = (alike < _OPPOSED) & there[:, columns].all(axis=1)
    return np.where(exchanged, "arm electrodes exchanged?", "").tolist()


def _clipped(X):
    """Leads that stay at their highest or lowest value for 2 % of the time."""
    low, high = (f.reduce(X, axis=2)[:, :, None] for f in (np.fmin, np.fmax))
    at_limit = (low == X) | (high == X)
    # The peaks of an ECG touch it for one or two samples at a time.
    stays = at_limit[:, :, 2:] & at_limit[:, :, 1:-1] & at_limit[:, :, :-2]
    return stays.sum(axis=2) >= 0.02 * X.shape[2]


def _heights(centred, there):
    """Typical height of the leads without their wander; NaN if they are z-scored."""
    width = max(3, centred.shape[2] // 16)
    steady = centred - uniform_filter1d(centred, width, axis=2)
    scored = (np.abs(centred.std(axis=2) - 1) < 0.01) | ~there
    # A wide tachycardia is no higher than other ECGs, though its spread is many times
    # theirs; single spikes are left out.
    low, high = np.quantile(steady, [0.005, 0.995], axis=2)
    typical = _median(high - low, there)
    return np.where(scored.all(axis=1) & (typical > 0), np.nan, typical)


def _median(values, chosen):
    """Median over the chosen leads of each recording, or 0 without any."""
    return np.array(
        [np.median(v[c]) if c.any() else 0.0 for v, c in zip(values, chosen)]
    )


def _names(leads, marked):
    """Names of the marked leads."""
    return ", ".join(lead for lead, mark in zip(leads, marked) if mark)


def _units_per_mv(height):
    """Unit in which each height is plausible for an ECG; none for NaN and 0."""
    units = np.array(list(_UNITS))
    with np.errstate(divide="ignore"):
        away = np.abs(np.log(height[:, None] / units / _HEIGHT))
    away[:, units == 1] -= _BENEFIT
    found = np.where(height > 0, units[away.argmin(axis=1)], 1.0)
    return np.where(np.isnan(height), np.nan, found)


def _problems(table, height):
    """Sentences on errors that more than half of the recordings share."""
    found = []
    if np.isnan(height).sum() > len(height) / 2:
        found.append(
            "The leads are z-scored (standard deviation 1): voltages are lost. Read "
            "the original recordings."
        )
    elif len(height):
        found += _unit_problem(np.nanmedian(height))
    for column, text in _REMEDIES.items():
        for value, n in Counter(filter(None, table[column])).items():
            if n > len(table) / 2:
                found.append(text.format(value, n, len(table)))
    return found


def _unit_problem(typical):
    """A sentence on the unit of a cohort of this typical height, if it is not mV."""
    if _units_per_mv(np.array([typical]))[0] == 1:
        return []
    # By the nearest unit alone, five times a mV would be taken for 1e-4 V.
    factor = nearest_factor(typical / _HEIGHT)
    unit = _UNITS.get(factor, f"some {factor:g} per mV")
    return [
        f"The amplitudes are those of {unit}, not of mV: the typical "
        f"height of a lead is {typical:.3g}, in mV about {_HEIGHT:g}. "
        f"ECGRecords(X, scale={1 / factor:g}) reads them in mV."
    ]

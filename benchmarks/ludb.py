"""Measurements and fiducials against cardiologists' marks in LUDB, beside other tools.

Global marks of a beat, of the marks of its leads: "median" is their median, as
`delineate` defines it; "third" the earliest onset and the latest offset that a third of
the leads reach; "second" the second earliest and second latest. All are medians over
the beats of a record. Chosen on records 1 to 50, shown on 51 to 100.
"""

import importlib.util
import warnings
from functools import partial
from time import process_time

import numpy as np
import pandas as pd

from ecgdan_sk.datasets import read_ecg, read_wave_marks
from ecgdan_sk.measurements import ECGMeasurements, delineate

LIMITS = [("P", "onset_ms"), ("P", "offset_ms"), ("QRS", "onset_ms")]
LIMITS += [("QRS", "offset_ms"), ("T", "offset_ms")]
CSE = (10.2, 12.7, 6.5, 11.6, 30.6)  # ms, tolerated standard deviations
INTERVALS = {
    "p_duration_ms": (0, 1),
    "pr_interval_ms": (0, 2),
    "qrs_duration_ms": (2, 3),
    "qt_interval_ms": (2, 4),
}
LEAST_LEADS = 6  # in which a wave must be marked to count


def compare(folder, others=0):
    """Print the tables of records 1 to 50 and 51 to 100, and those of other tools."""
    numbers = sorted(int(path.stem) for path in folder.glob("*.hea"))
    marks = [read_wave_marks(folder / f"{number}.hea") for number in numbers]
    with warnings.catch_warnings():
        # LUDB has records whose limb leads disagree.
        warnings.simplefilter("ignore", UserWarning)
        ecgs = [read_ecg(folder / f"{number}.hea").signals for number in numbers]
    X = np.concatenate([np.asarray(ecg, np.float32) for ecg in ecgs])
    start = process_time()
    waves = delineate(X, 500)
    each = (process_time() - start) / len(X)
    start = process_time()
    table = ECGMeasurements(500).set_output(transform="pandas").fit_transform(X)
    seconds = (process_time() - start) / len(X)
    print(f"ECGMeasurements {1000 * seconds:.1f} ms, delineate {1000 * each:.1f} ms")
    ours = [own for _, own in waves.groupby("ecg")]
    for name, chosen in [("1 to 50", slice(0, 50)), ("51 to 100", slice(50, 100))]:
        print(f"\n### LUDB {name}\n")
        beats(marks[chosen], ours[chosen])
        fiducials(marks[chosen], ours[chosen])
        in_single_leads(marks[chosen], ours[chosen])
        floor(marks[chosen], ours[chosen])
        intervals(marks[chosen], table.iloc[chosen])
    for tool in (neurokit, ecgdeli) if others else ():
        package = {"neurokit": "neurokit2", "ecgdeli": "ecgdeli"}[tool.__name__]
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: left out.")
            continue
        chosen = slice(len(X) - others, len(X))
        start = process_time()
        theirs = [in_leads(tool, ecg) for ecg in X[chosen]]
        seconds = (process_time() - start) / others
        print(f"\n### {tool.__name__}, last {others}: {1000 * seconds:.0f} ms each\n")
        fiducials(marks[chosen], theirs, per_beat=True)
        print("\n### the same records, ours\n")
        fiducials(marks[chosen], ours[chosen], per_beat=True)


def global_marks(marks, kind):
    """Table (beats, 5) in ms of the limits of P, QRS and T of leads."""
    leads = marks[(marks["lead"] != "global") & (marks["beat"] >= 0)]
    columns = {}
    for wave, limit in LIMITS:
        own = leads[leads["wave"] == wave]
        own = own.groupby("beat")[limit].apply(lambda v: np.sort(v.dropna()))
        own = own[own.map(len) >= LEAST_LEADS]
        columns[wave, limit] = own.map(partial(_of, kind=kind, limit=limit))
    return pd.DataFrame(columns)


def _of(ordered, kind, limit):
    if kind == "median":
        return np.median(ordered)
    rank = {"second": 1, "third": -(-12 // 3) - 1}[kind]
    return ordered[rank] if limit == "onset_ms" else ordered[-1 - rank]


def paired(true, found):
    """Beats of the readers, and those found whose QRS lies within 120 ms of theirs."""
    a = true[true["wave"] == "QRS"].groupby("beat")["peak_ms"].median()
    b = found[(found["wave"] == "QRS")].groupby("beat")["peak_ms"].median()
    away = np.abs(a.to_numpy()[:, None] - b.to_numpy())
    nearest = away.argmin(axis=1)
    close = away.min(axis=1) < 120
    return a, b, nearest, close


def beats(marks, ours):
    """Sensitivity and positive predictive value, between the first and last marked."""
    n = hits = extra = 0
    for true, found in zip(marks, ours):
        a, b, nearest, close = paired(true, found)
        inside = b[(b > a.min() - 200) & (b < a.max() + 200)]
        n, hits = n + len(a), hits + close.sum()
        extra += len(inside) - len(set(nearest[close]))
    predictive = hits / (hits + extra)
    print(f"beats: {n}, sensitivity {hits / n:.2%}, predictive {predictive:.2%}")


def fiducials(marks, ours, per_beat=False):
    """Mean and SD of the errors over records, against two definitions."""
    rows = []
    for true, found in zip(marks, ours):
        a, b, nearest, close = paired(true, found)
        rows.append([])
        for kind in ("median", "third"):
            real, own = global_marks(true, kind), global_marks(found, kind)
            own = own.reindex(b.index[nearest[close]]).to_numpy()
            real = real.reindex(a.index[close]).to_numpy()
            if kind == "median":
                here = [np.isfinite(part[:, [0, 2, 4]]).sum(0) for part in (real, own)]
                rows[-1].append(np.array(here) >= np.minimum(3, len(real)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                rows[-1].append(np.nanmedian(own - real, axis=0))
    there = np.array([row[0] for row in rows])
    print("| limit | to the median of the leads | to the third | tolerated SD |")
    print("|---|---|---|---|")
    for i, (wave, limit) in enumerate(LIMITS):
        cells = []
        for column in (1, 2):
            away = np.array([row[column][i] for row in rows])
            cells.append(f"{np.nanmean(away):+.1f} ({np.nanstd(away):.1f})")
        print(f"| {wave} {limit[:-3]} | {cells[0]} | {cells[1]} | {CSE[i]} |")
    for j, wave in enumerate(("P", "QRS", "T")):
        missed = (there[:, 0, j] & ~there[:, 1, j]).sum()
        made = (~there[:, 0, j] & there[:, 1, j]).sum()
        print(
            f"{wave}: in {there[:, 0, j].sum()} records, missed {missed}, made {made}"
        )


def floor(marks, ours):
    """How far the marks of single leads and beats scatter, the readers' and ours."""
    theirs, own = (pd.DataFrame(map(scatter, side)) for side in (marks, ours))
    print("| limit | beats of a lead | leads of a beat | readers' median |")
    print("|---|---|---|---|")
    for wave, limit in LIMITS:
        cells = []
        for kind in ("beats", "leads"):
            a, b = (side[wave, limit, kind].median() for side in (theirs, own))
            cells.append(f"{a:.1f} (ours {b:.1f})")
        # Half the difference of two halves scatters as their mean does.
        halves = theirs[wave, limit, "halves"].std() / 2
        print(f"| {wave} {limit[:-3]} | {cells[0]} | {cells[1]} | {halves:.1f} |")


def scatter(marks):
    """SD in ms over the beats of a lead and over the leads of a beat, in one record.

    Marks are taken from the time of the beat, the median peak of its QRS. "halves" is
    the median of the marks of every other beat less that of the beats between.
    """
    single = marks[(marks["lead"] != "global") & (marks["beat"] >= 0)]
    beat = single[single["wave"] == "QRS"].groupby("beat")["peak_ms"].median()
    found = {}
    for wave, limit in LIMITS:
        own = single[(single["wave"] == wave) & single["beat"].isin(beat.index)]
        own = own.pivot_table(index="beat", columns="lead", values=limit)
        own = own.sub(beat.reindex(own.index), axis=0)
        enough = len(own) >= 4
        each = own.median(axis=1)
        found[wave, limit, "beats"] = rms(own.std()) if enough else np.nan
        found[wave, limit, "leads"] = rms(own.std(axis=1)) if enough else np.nan
        halves = each[::2].median() - each[1::2].median()
        found[wave, limit, "halves"] = halves if enough else np.nan
    return found


def rms(values):
    return np.sqrt((values**2).mean())


def in_single_leads(marks, ours):
    """Waves of matched beats that one lead alone lacks or has, counted lead by lead.

    Readers mark no P of the first cycle and no T of the last: what lies beyond the
    marks of a lead is not counted.
    """
    counts = {wave: np.zeros(3, int) for wave in ("P", "QRS", "T")}
    for true, found in zip(marks, ours):
        _, b, nearest, close = paired(true, found)
        number = dict(zip(true_beats(true)[close], b.index[nearest[close]]))
        theirs = {
            (number[beat], lead.lower(), wave)
            for beat, lead, wave in shown(true)
            if beat in number
        }
        matched = set(number.values())
        own = {
            (beat, lead.lower(), wave)
            for beat, lead, wave in shown(between_marks(true, found))
            if beat in matched
        }
        for wave, count in counts.items():
            a, b = ({key for key in side if key[2] == wave} for side in (theirs, own))
            count += len(a), len(a - b), len(b - a)
    for wave, (n, missed, made) in counts.items():
        print(
            f"{wave}, single leads: {n} marked, missed {missed} ({missed / n:.1%}), "
            f"made {made} ({made / n:.1%} of those marked)"
        )


def between_marks(true, found):
    """The waves found between the first and the last mark of their lead."""
    marked = true.groupby(true["lead"].str.lower())
    lead = found["lead"].str.lower()
    first = lead.map(marked[["onset_ms", "peak_ms"]].min().min(axis=1))
    last = lead.map(marked[["peak_ms", "offset_ms"]].max().max(axis=1))
    return found[(found["peak_ms"] > first) & (found["peak_ms"] < last)]


def true_beats(true):
    """Numbers of the beats whose QRS is marked."""
    return true.loc[true["wave"] == "QRS"].groupby("beat").size().index.to_numpy()


def shown(marks):
    """Beat, lead and wave of each wave of a single lead."""
    single = marks[(marks["lead"] != "global") & (marks["beat"] >= 0)]
    return single[["beat", "lead", "wave"]].itertuples(index=False)


def intervals(marks, table):
    """Bias and SD of the intervals of `ECGMeasurements` by three definitions."""
    print("| interval | median | third | second |\n|---|---|---|---|")
    for name, (first, last) in INTERVALS.items():
        cells = []
        for kind in ("median", "third", "second"):
            true = [global_marks(mark, kind) for mark in marks]
            true = [(own.iloc[:, last] - own.iloc[:, first]).dropna() for own in true]
            true = [own.median() if len(own) >= 3 else np.nan for own in true]
            away = table[name].to_numpy() - np.array(true)
            cells.append(f"{np.nanmean(away):+.1f} ({np.nanstd(away):.1f})")
        print(f"| {name} | {' | '.join(cells)} |")


def in_leads(tool, ecg):
    """Table as of `delineate`, of a tool that delineates each lead on its own."""
    rows, reference = [], None
    for j, lead in enumerate(ecg):
        try:
            peaks, found = tool(lead.astype(float))
        except Exception:  # noqa: BLE001 -- what a tool cannot do is a missing wave
            continue
        reference = peaks if reference is None else reference
        for r, *limits in zip(peaks, *found):
            beat = int(np.abs(reference - r).argmin())
            for wave, on, off in [("P", 0, 1), ("QRS", 2, 3), ("T", 4, 4)]:
                on, off = 2 * limits[on], 2 * limits[off]
                rows.append((beat, str(j), wave, on, 2 * r, off))
    columns = ["beat", "lead", "wave", "onset_ms", "peak_ms", "offset_ms"]
    return pd.DataFrame(rows, columns=columns)


def neurokit(lead):
    """R peaks and limits in samples by NeuroKit2 (discrete wavelets)."""
    import neurokit2 as nk

    warnings.simplefilter("ignore")
    clean = nk.ecg_clean(lead, sampling_rate=500)
    _, peaks = nk.ecg_peaks(clean, sampling_rate=500)
    _, waves = nk.ecg_delineate(clean, peaks, sampling_rate=500, method="dwt")
    names = ("P_Onsets", "P_Offsets", "R_Onsets", "R_Offsets", "T_Offsets")
    return np.asarray(peaks["ECG_R_Peaks"], float), [
        np.asarray(waves[f"ECG_{name}"], float) for name in names
    ]


def ecgdeli(lead):
    """R peaks and limits in samples by the Python port of ECGdeli."""
    import ecgdeli as tool

    found = tool.annotate(tool.filter_ecg(lead, fs=500), fs=500).leads[0]
    limits = (found.p_on, found.p_off, found.qrs_on, found.qrs_off, found.t_off)
    limits = [
        np.where(np.asarray(own) > 0, own, np.nan).astype(float) for own in limits
    ]
    return np.asarray(found.r_peak, float), limits

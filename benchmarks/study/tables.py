"""Tables of the finished folds."""

import numpy as np
import pandas as pd

from ecgdan_sk import encoders
from ecgdan_sk.metrics import calibration
from ecgdan_sk.metrics._comparison import Difference
from ecgdan_sk.study._compare import holm, lead

from .folds import read_all, read_fold
from .methods import METHODS
from .scores import TIMES, YEARS

REFERENCE = "age-sex-measurements"
_SPLIT = ["draw", "seed", "fold"]
_CALIBRATED_AT = 1  # place of three years among the times

# What the paper claims, and which of two methods would have to be the better one.
CLAIMS = [
    ("attention across leads helps", "compact", "compact-no-lead"),
    ("attention over time helps", "compact", "compact-no-time"),
    ("dual attention helps", "compact", "compact-neither"),
    ("attention across leads helps", "paper", "paper-no-lead"),
    ("attention over time helps", "paper", "paper-no-time"),
    ("dual attention helps", "paper", "paper-neither"),
    ("dual attention beats a residual network", "compact", "residual"),
    ("report pretraining helps substantially", "compact-reports", "compact"),
    ("... so does alignment alone", "compact-alignment", "compact"),
    ("... more than reconstruction", "compact-reports", "compact-reconstruction"),
    ("... more than classification", "compact-reports", "compact-classification"),
    ("report pretraining helps substantially", "paper-reports", "paper"),
    ("... more than reconstruction", "paper-reports", "paper-reconstruction"),
    ("... more than classification", "paper-reports", "paper-classification"),
    ("the network beats the Cox model of 15 measurements", "paper", "paper15"),
    (
        "the network beats the Cox model of 15 measurements",
        "compact-alignment",
        "paper15",
    ),
    ("(not in the paper) ... of all measurements", "compact-alignment", "measurements"),
    ("(not in the paper) ... the published network", "compact-alignment", "paper"),
    *[
        (f"(not in the paper) a ready encoder beats {what}", f"compact-{name}", worse)
        for name in encoders.names()
        for what, worse in (
            ("none", "compact"),
            ("the published network", "paper"),
            ("... by its own pretraining", "paper-reports"),
        )
    ],
    (
        "(not in the paper) ... age, sex and measurements",
        "compact-alignment-covariates",
        "age-sex-measurements",
    ),
]


def finished(out):
    """All finished folds, a row each."""
    return pd.DataFrame(read_all(out))


def group_of(method):
    """Group of a method; the others are stacks."""
    return METHODS[method].group if method in METHODS else "stack"


def paired(frame, a, b=None):
    """Mean of a score of method `a`, or its lead over `b`, with interval and p-value.

    With several draws of the outcome the draw is the unit, else the fold. Of a study
    that is not finished a single fold may be there, which has no interval.
    """
    wide = frame.pivot(index=_SPLIT, columns="method", values="c_index")
    both = wide[[a] if b is None else [a, b]].dropna()
    left, right = both[a], (0.0 * both[a] if b is None else both[b])
    draws = both.index.get_level_values("draw")
    if len(both) < 2:
        return Difference((left - right).mean(), np.nan, np.nan, np.nan)
    return lead(left, right, int(frame["n_splits"].iloc[0]), draws)


def accuracy(frame, per_fold=False, reference=REFERENCE):
    """C-index of each method: mean, spread, interval, lead over the reference.

    `per_fold` says whether encoders are pretrained anew on each training set.
    """
    rows = []
    for method in in_order(frame):
        own = frame[frame["method"] == method]
        row = {
            "group": group_of(method),
            "method": method,
            **_mean(frame, method),
            "SD of repeats": _sd_of_repeats(own),
            "SD of folds": own.groupby("draw")["c_index"].std().mean(),
        }
        if "rank_correlation" in own:
            row["rank correlation with true risk"] = own["rank_correlation"].mean()
        if reference in set(frame["method"]) - {method}:
            names = ("lead over reference", "lead low", "lead high", "p")
            row |= zip(names, paired(frame, method, reference))
        rows.append(row | _conditional(per_fold, method))
    return pd.DataFrame(rows)


def _conditional(per_fold, *methods):
    """What the draws share, so that no interval of these methods has it."""
    bases = [base for method in methods for base in method.split(" + ")]
    entries = [METHODS[base] for base in bases if base in METHODS]
    if any(one.is_ready or (one.objective and not per_fold) for one in entries):
        return {"conditional on": "one encoder"}
    return {}


def _mean(frame, method):
    """Mean C-index of a method, and its interval as far as a C-index goes."""
    value, low, high, _ = paired(frame, method)
    return {"C-index": value, "low": max(low, 0.0), "high": min(high, 1.0)}


def further_scores(frame):
    """Uno's C, Brier score, calibration and AUC of each method."""
    columns = {
        "uno_c": "Uno's C",
        "integrated_brier": "integrated Brier score",
        **{f"auc_{years}y": f"AUC at {years} y" for years in YEARS},
    }
    rows = []
    for method in in_order(frame):
        own = frame[frame["method"] == method]
        row = {"method": method}
        for name, title in columns.items():
            row[title], row[f"SD of {title}"] = own[name].mean(), own[name].std()
        slopes = pd.Series([_slope(part) for _, part in own.groupby(["draw", "seed"])])
        row["calibration slope at 3 y (median)"] = slopes.median()
        row["slope, lower quartile"] = slopes.quantile(0.25)
        row["slope, upper quartile"] = slopes.quantile(0.75)
        rows.append(row)
    return pd.DataFrame(rows)


def cost(frame):
    """Seconds of a fit, measuring included, and parameters of each method."""
    by_method = frame.groupby("method")[["seconds", "n_parameters"]].median()
    table = by_method.loc[in_order(frame)].reset_index()
    table["n_parameters"] = table["n_parameters"].round().astype("Int64")
    names = {"seconds": "seconds of a fit (median)", "n_parameters": "parameters"}
    return table.rename(columns=names)


def claims(frame, per_fold=False):
    """The paper's claims, and whether they hold on this cohort; see `accuracy`."""
    known, rows = set(frame["method"]), []
    for claim, better, worse in CLAIMS:
        if {better, worse} <= known:
            found = paired(frame, better, worse)
            rows.append(
                {
                    "claim": claim,
                    "compared": f"{better} - {worse}",
                    "difference of C": found.value,
                    "low": found.low,
                    "high": found.high,
                    "p": found.p_value,
                    "here": _verdict(found),
                    **_conditional(per_fold, better, worse),
                }
            )
    table = pd.DataFrame(rows)
    if rows:
        table.insert(table.columns.get_loc("p") + 1, "p (Holm)", holm(table["p"]))
    return table


def efficiency(frame):
    """C-index against the number of events in the training set, seed by seed."""
    seed = frame["seed"].eq(frame["seed"].iloc[0])
    frame = frame[frame["protocol"].eq("2-fold") & seed]
    methods = frame.loc[frame["share"] < 1, "method"].unique()
    rows = []
    for share, part in frame.groupby("share"):
        for method in methods:
            own = part[part["method"] == method]
            if len(own) < 2:
                continue
            events = own["n_train_events"].mean()
            row = {"method": method, "share": share, "events": events}
            rows.append(row | _mean(part, method))
    return pd.DataFrame(rows)


def markdown(table):
    """A table in Markdown, numbers with three digits."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(map(_text, row)) + " |")
    return "\n".join(lines)


def _text(value):
    if pd.isna(value):
        return "-"
    if not isinstance(value, float | np.floating):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"


def in_order(frame):
    """Methods, each group together and in the order of the list of methods."""
    known = list(METHODS)
    groups = list(dict.fromkeys(METHODS[name].group for name in known))

    def place(method):
        if method not in known:
            return len(groups), 0, method
        return groups.index(METHODS[method].group), known.index(method), ""

    return sorted(frame["method"].unique(), key=place)


def _sd_of_repeats(own):
    """SD of the repeats' means within a draw, averaged over draws; NaN for one."""
    means = own.groupby(["draw", "seed"])["c_index"].mean()
    return means.groupby("draw").std().mean()


def _slope(folds):
    """Calibration slope of the pooled test folds of one repeat; NaN if undefined."""
    parts = [read_fold(file)[1] for file in folds["file"]]
    y = np.rec.fromarrays(
        [np.concatenate([part[name] for part in parts]) for name in ("event", "time")],
        names="event,time",
    ).view(np.ndarray)
    risk = 1 - np.concatenate([part["survival"][:, _CALIBRATED_AT] for part in parts])
    try:
        return calibration(y, risk, time=TIMES[_CALIBRATED_AT]).slope
    except (ValueError, np.linalg.LinAlgError):
        return np.nan


def _verdict(found):
    if found.low > 0:
        return "holds"
    return "does not hold: the reverse" if found.high < 0 else "not shown"

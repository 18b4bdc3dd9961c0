"""One figure for each table, and Kaplan-Meier curves of the top-risk group."""

import matplotlib.pyplot as plt
import numpy as np
from sksurv.util import Surv

from ecgdan_sk.metrics import high_risk_group
from ecgdan_sk.plotting import KaplanMeierDisplay
from ecgdan_sk.study._compare import pooled_ranks

from .folds import read_fold
from .scores import YEARS

_GREY = "0.5"
_IN_FOCUS = ("compact-alignment", "compact")


def intervals(table, label, value, *, low, high, line, xlabel, title):
    """Values with their intervals, a row for each label, beside a vertical line."""
    fig, ax = plt.subplots(figsize=(8, 1.2 + 0.28 * len(table)), layout="constrained")
    y = np.arange(len(table))[::-1]
    ends = np.abs(table[[low, high]].to_numpy() - table[[value]].to_numpy())
    ax.errorbar(table[value], y, xerr=ends.T, fmt="o", ms=4, lw=1.2, capsize=2)
    ax.axvline(line, color=_GREY, lw=0.8, ls="--")
    ax.set_yticks(y, table[label])
    ax.set(xlabel=xlabel)
    fig.suptitle(title, fontsize=9)
    return fig


def auc_over_time(table, title):
    """Time-dependent AUC of each method at one, three and five years."""
    fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    colors = plt.get_cmap("turbo")(np.linspace(0.05, 0.95, len(table)))
    for (_, row), color in zip(table.iterrows(), colors):
        values = [row[f"AUC at {years} y"] for years in YEARS]
        ax.plot(YEARS, values, "o-", ms=3, lw=1, color=color, label=row["method"])
    ax.axhline(0.5, color=_GREY, lw=0.8, ls="--")
    ax.set(xticks=YEARS, xlabel="Years since the ECG", ylabel="AUC, mean of the folds")
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    fig.suptitle(title, fontsize=9)
    return fig


def cost_and_accuracy(cost, accuracy, title):
    """C-index against the time of a fit."""
    both = cost.merge(accuracy, on="method")
    fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    ax.scatter(both["seconds of a fit (median)"], both["C-index"], s=14)
    for row in both.to_dict("records"):
        where = row["seconds of a fit (median)"], row["C-index"]
        ax.annotate(
            row["method"], where, (3, 3), fontsize=6, textcoords="offset points"
        )
    ax.set(xscale="log", xlabel="Seconds of a fit, measuring included")
    ax.set_xlim(right=6 * ax.get_xlim()[1])  # for the names
    ax.set(ylabel="C-index, mean")
    fig.suptitle(title, fontsize=9)
    return fig


def efficiency(table, title):
    """C-index against the number of events in the training set."""
    fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    for method, part in table.groupby("method", sort=False):
        line = ax.plot(part["events"], part["C-index"], "o-", ms=4, label=method)[0]
        band = {"alpha": 0.12, "lw": 0, "color": line.get_color()}
        ax.fill_between(part["events"], part["low"], part["high"], **band)
    ax.axhline(0.5, color=_GREY, lw=0.8, ls="--")
    ax.set(xlabel="Events in the training set", ylabel="C-index with 95 % interval")
    ax.legend(frameon=False)
    fig.suptitle(title, fontsize=9)
    return fig


def top_risk(frame, title, reference):
    """Kaplan-Meier curves of the top-risk group of the first draw, by two methods.

    As many patients are in the group as had the event. A risk is the mean rank over
    the repeats, each by the model of the fold that had not seen the patient.
    """
    frame = frame[frame["draw"].eq(0) & frame["share"].eq(1)]
    methods = [name for name in _IN_FOCUS if name in set(frame["method"])][:1]
    methods += [name for name in (reference,) if name in set(frame["method"])]
    methods = methods or [frame["method"].iloc[0]]
    size = 5.6 * len(methods), 4.8
    fig, axes = plt.subplots(1, len(methods), figsize=size, squeeze=False)
    for ax, method in zip(axes[0], methods):
        y, rank = out_of_fold_rank(frame[frame["method"] == method])
        cut = 1 - y["event"].mean()
        KaplanMeierDisplay.from_predictions(
            y, rank, quantiles=(cut,), pooled_folds=True, ax=ax
        )
        ax.set_title(f"{method}: {_hazard_ratio(y, rank, cut)}", fontsize=8)
    lowest = min(ax.get_ylim()[0] for ax in axes[0])
    plt.setp(axes, ylim=(lowest, 1))
    fig.suptitle(title, fontsize=9)
    fig.tight_layout(rect=(0, 0, 1, 0.96))
    return fig


def out_of_fold_rank(folds):
    """Outcomes, and mean ranks of the out-of-fold risks, of all patients of a draw."""
    parts = [read_fold(file)[1] for file in folds["file"]]
    n_samples = max(part["test"].max() for part in parts) + 1
    rank = pooled_ranks(((part["test"], part["risk"]) for part in parts), n_samples)
    event, time = np.zeros(n_samples, dtype=bool), np.ones(n_samples)
    for part in parts:
        event[part["test"]], time[part["test"]] = part["event"], part["time"]
    tested = np.isfinite(rank)
    return Surv.from_arrays(event[tested], time[tested], "event", "time"), rank[tested]


def _hazard_ratio(y, rank, cut):
    """Hazard ratio of the top-risk group in words."""
    try:
        group = high_risk_group(y, rank, quantile=cut)
    except ValueError:
        return "no event in one of the groups"
    ratio = f"{group.hazard_ratio:.1f} ({group.low:.1f} to {group.high:.1f})"
    return f"hazard ratio {ratio}, {group.n_events} events in {group.n_samples}"

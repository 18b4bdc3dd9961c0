"""Tables of results over folds: C-indices, differences, pooled risks, curves."""

import numpy as np
import pandas as pd
from sksurv.nonparametric import kaplan_meier_estimator

from ..metrics import concordance_index
from ._compare import holm, lead, pooled_ranks

THIRDS = ("lowest third", "middle third", "highest third")


def discrimination(plan, results):
    """C-index of each model, and difference of the first from each, over folds."""
    first = next(iter(plan.methods))

    def scores(method, known_to):
        folds = range(plan.n_splits * plan.n_repeats)
        return np.array([_c_index(plan, results, method, k, known_to) for k in folds])

    rows = []
    for method, entry in plan.methods.items():
        c = lead(scores(method, (method,)), 0.0, plan.n_splits)
        row = {
            "model": entry.label,
            "c_index": c.value,
            "low": max(c.low, 0.0),
            "high": min(c.high, 1.0),
        }
        if method != first:
            both = (first, method)
            ahead = lead(scores(first, both), scores(method, both), plan.n_splits)
            row |= {
                "difference": ahead.value,
                "difference_low": ahead.low,
                "difference_high": ahead.high,
                "p_value": ahead.p_value,
            }
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p_value"])) if len(table) > 1 else table


def fold_scores(plan, results):
    """C-index of each model on each fold."""
    rows = [
        {
            "repeat": fold // plan.n_splits,
            "fold": fold % plan.n_splits,
            "model": plan.methods[method].label,
            "c_index": _c_index(plan, results, method, fold, (method,)),
        }
        for method, fold in results
    ]
    return pd.DataFrame(rows).sort_values(["repeat", "fold"], kind="stable")


def pooled(plan, results, method):
    """Mean rank over the repeats, and risks (n, n_times) of the first, of each ECG."""
    folds = [results[method, k] for k in range(plan.n_splits * plan.n_repeats)]
    risks = np.full((len(plan.y), len(plan.times)), np.nan)
    for found in folds[: plan.n_splits]:
        risks[found["test"]] = found["risks"]
    scored = ((found["test"], found["score"]) for found in folds)
    return pooled_ranks(scored, len(plan.y)), risks


def kaplan_meier(y, rank):
    """Survival of thirds of the risk, with 95 % intervals and numbers at risk."""
    third = np.searchsorted(np.quantile(rank, [1 / 3, 2 / 3]), rank, side="right")
    tables = []
    for k, name in enumerate(THIRDS):
        rows = third == k
        if not rows.any():
            continue
        event, time = y["event"][rows], y["time"][rows]
        at, survival, (low, high) = kaplan_meier_estimator(
            event, time, conf_type="log-log"
        )
        at_risk = rows.sum() - np.searchsorted(np.sort(time), at, side="left")
        tables.append(
            pd.DataFrame(
                {
                    "risk": name,
                    "time": np.append(0.0, at),
                    "survival": np.append(1.0, survival),
                    "low": np.append(1.0, low),
                    "high": np.append(1.0, high),
                    "at_risk": np.append(rows.sum(), at_risk),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def leads(results, method):
    """Effect of each lead and group of leads on the log risk of unseen patients."""
    found = results[method, 0]
    rows = []
    for kind, names, values in (
        ("lead", found["leads"], found["lead_change"]),
        ("group of leads", found["groups"], found["group_share"]),
    ):
        for name, column in zip(names, values.T):
            known = column[np.isfinite(column)]
            if len(known):
                size = float(np.abs(known).mean())
                rows.append((kind, str(name), size, len(known)))
    return pd.DataFrame(rows, columns=["kind", "name", "mean_change", "n_ecgs"])


def _c_index(plan, results, method, fold, known_to):
    """C-index on the patients of a fold for whom all of some models have a risk."""
    found = results[method, fold]
    known = np.isfinite([results[name, fold]["score"] for name in known_to]).all(axis=0)
    test = found["test"][known]
    return concordance_index(plan.y[test], found["score"][known])

"""Tables of what the folds tell: C-indices, differences, pooled risks, curves."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sksurv.nonparametric import kaplan_meier_estimator

from ..metrics import compare_models, concordance_index

THIRDS = ("lowest third", "middle third", "highest third")


def discrimination(plan, results):
    """C-index of each model, and how much the first is ahead of each, over folds."""
    first = next(iter(plan.methods))
    n_folds = plan.n_splits * plan.n_repeats
    rows = []
    for method, entry in plan.methods.items():
        own = [_c_index(plan, results, method, k, (method,)) for k in range(n_folds)]
        c = compare_models(own, np.zeros(n_folds), n_splits=plan.n_splits)
        row = {
            "model": entry.label,
            "c_index": c.value,
            "low": max(c.low, 0.0),
            "high": min(c.high, 1.0),
        }
        if method != first:
            both = (first, method)
            a, b = (
                [_c_index(plan, results, name, k, both) for k in range(n_folds)]
                for name in both
            )
            lead = compare_models(a, b, n_splits=plan.n_splits)
            row |= {
                "difference": lead.value,
                "difference_low": lead.low,
                "difference_high": lead.high,
                "p_value": lead.p_value,
            }
        rows.append(row)
    return pd.DataFrame(rows)


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
    rank, risks = np.zeros(len(plan.y)), np.full((len(plan.y), len(plan.times)), np.nan)
    for fold in range(plan.n_splits * plan.n_repeats):
        found = results[method, fold]
        test, score = found["test"], found["score"]
        known = np.isfinite(score)
        rank[test[~known]] = np.nan
        rank[test[known]] += (rankdata(score[known]) - 0.5) / known.sum()
        if fold < plan.n_splits:
            risks[test] = found["risks"]
    return rank / plan.n_repeats, risks


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
    """How far each lead moves the log risk of unseen patients, and their groups."""
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

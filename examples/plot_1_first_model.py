"""
First risk model
================

Does a network that reads raw ECGs rank patients by risk better than a Cox model on
the usual intervals and amplitudes? Here both are asked on a simulated cohort, whose
truth is known: half of the risk lies in measurable parameters, half in shapes that no
standard interval or amplitude captures.
"""

# %%
# A cohort with follow-up
# -----------------------
#
# Each patient has one ECG of 12 leads and ten seconds, in mV, and the time in days to
# the event or to the end of follow-up. Three in ten have the event.

import argparse

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import compare_models, concordance_index
from ecgdan_sk.model_selection import RepeatedEventKFold
from ecgdan_sk.plotting import KaplanMeierDisplay

parser = argparse.ArgumentParser(description="Network against Cox model.")
parser.add_argument("--n-samples", type=int, default=500, help="patients")
parser.add_argument("--n-repeats", type=int, default=1, help="repeats of 5 folds")
parser.add_argument("--small", action="store_true", help="a quick run of 200 patients")
parser.add_argument("--picture", metavar="FILE", help="save the picture there")
options, _ = parser.parse_known_args()
n_samples, max_epochs = (200, 10) if options.small else (options.n_samples, 40)

cohort = make_ecg_cohort(
    n_samples, sampling_rate=100, event_rate=0.3, risk="both", random_state=0
)
print(f"{n_samples} patients, {cohort.y['event'].sum()} events")

# %%
# Two models
# ----------
#
# The Cox model is given the *true* parameters of each ECG, better than any measurement,
# and chooses its ridge penalty by cross-validation. The network is given signals alone.

cox = make_pipeline(SimpleImputer(), StandardScaler(), PenalisedCox())
models = {
    "Network on signals": (
        DualAttentionSurvival(max_epochs=max_epochs, random_state=0),
        cohort.X,
    ),
    "Cox on true parameters": (cox, cohort.parameters.to_numpy()),
}

# %%
# The same folds for both
# -----------------------
#
# Each of five folds holds its share of the events. The log risks of two fits have no
# common scale. So each fold is scored, and divided into thirds, by itself.

folds = RepeatedEventKFold(5, n_repeats=options.n_repeats, random_state=0)
scores = {name: [] for name in models}
rank = {name: np.zeros(n_samples) for name in models}
for train, test in folds.split(cohort.X, cohort.y):
    for name, (model, X) in models.items():
        risk = clone(model).fit(X[train], cohort.y[train]).predict(X[test])
        scores[name].append(concordance_index(cohort.y[test], risk))
        # Every repeat tests every patient: the ranks of all repeats are summed.
        rank[name][test] += rankdata(risk) / len(test)

# %%
# The C-index is 0.5 by chance and 1 for a perfect order of the events. No model can
# do better than the true log risk. The last row is the paired difference, fold by fold.
# Its interval allows for the patients that the training sets share (Nadeau and Bengio,
# 2003). An interval that holds 0 does not show which model is better; more patients
# narrow it, and so does ``--n-repeats 5``, a little.

scores = pd.DataFrame(scores)
scores["True log risk"] = [
    concordance_index(cohort.y[test], cohort.log_risk[test])
    for _, test in folds.split(cohort.X, cohort.y)
]
scores["Network - Cox"] = scores.iloc[:, 0] - scores.iloc[:, 1]
table = scores.agg(["mean", "std", "min", "max"]).T
print(f"C-index over {len(scores)} test folds\n{table.round(3)}")
gain = compare_models(*(scores[name] for name in models), n_splits=5)
interval = f"95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
print(f"Network - Cox: {gain.value:+.3f}, {interval}")

# %%
# Risk groups over time
# ---------------------
#
# Kaplan-Meier curves of the thirds of risk, with 95 % confidence bands, as long as a
# tenth of the patients are at risk. A good model draws them apart.

fig, axes = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
for ax, name in zip(axes, models):
    KaplanMeierDisplay.from_predictions(cohort.y, rank[name], pooled_folds=True, ax=ax)
    ax.set_title(f"{name}: C = {scores[name].mean():.2f}")
    ax.label_outer()
fig.suptitle("Simulated patients by thirds of their out-of-fold risk")
if options.picture:
    fig.savefig(options.picture, dpi=150)
else:
    plt.show()

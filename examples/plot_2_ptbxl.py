"""
Real ECGs: PTB-XL
=================

The comparison of the first example on real recordings. PTB-XL has no follow-up, so the
outcome here is *simulated* from age and from the physicians' statements on each ECG.
Signals, labels and ages are real; risks and times are not. The scores say nothing about
the future of these patients.

Get PTB-XL at https://physionet.org/content/ptb-xl/ and pass its folder; with all of it,
choose a fold or two, each of about 2,200 ECGs::

    python examples/plot_2_ptbxl.py ptb-xl/1.0.3 --folds 10
"""

# %%
# Recordings, labels, patients
# ----------------------------

import argparse
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.baselines import PenalisedCox, cox_measurements
from ecgdan_sk.datasets import load_ptbxl, simulate_follow_up
from ecgdan_sk.metrics import compare_models, concordance_index
from ecgdan_sk.model_selection import RepeatedEventKFold
from ecgdan_sk.plotting import KaplanMeierDisplay

default = Path(os.environ.get("ECGDAN_DATA", "."), "ptbxl")
parser = argparse.ArgumentParser(description="Network against Cox models on PTB-XL.")
parser.add_argument("path", nargs="?", default=default, help="folder of PTB-XL")
parser.add_argument("--folds", type=int, nargs="+", help="folds of PTB-XL, or all")
parser.add_argument("--n-repeats", type=int, default=1, help="repeats of 5 folds")
parser.add_argument("--n-jobs", type=int, help="processes that read recordings")
parser.add_argument("--small", action="store_true", help="a quick run of few epochs")
parser.add_argument("--picture", metavar="FILE", help="save the picture there")
options, _ = parser.parse_known_args()
n_repeats, max_epochs = (1, 10) if options.small else (options.n_repeats, 40)

ptbxl = load_ptbxl(
    options.path, sampling_rate=100, folds=options.folds, n_jobs=options.n_jobs
)
n_samples = len(ptbxl.X)
print(f"{n_samples} ECGs of {len(np.unique(ptbxl.patient_id))} patients")
print(ptbxl.superclasses.sum().to_frame("ECGs with a statement of the class"))

# %%
# Simulated follow-up
# -------------------
#
# The hazard doubles with every 25 years of age, and rises with each class of disease by
# the factors below. One in five has the simulated event within ten years.

hazard_ratio = pd.Series({"MI": 3.0, "HYP": 2.0, "CD": 2.0, "STTC": 2.0})
age = ptbxl.covariates["age"].fillna(ptbxl.covariates["age"].median())
log_risk = np.log(2) * age / 25
log_risk += ptbxl.superclasses[hazard_ratio.index] @ np.log(hazard_ratio)
log_risk = log_risk.to_numpy()
y = simulate_follow_up(log_risk, event_rate=0.2, random_state=0)

# %%
# A network and two Cox models
# ----------------------------
#
# The network reads the signals, one Cox model measures them, and the other knows age
# and sex alone. Age drives the simulation too, but signals tell it only roughly.

cox = make_pipeline(SimpleImputer(), StandardScaler(), PenalisedCox())
models = {
    "Network on signals": (
        DualAttentionSurvival(max_epochs=max_epochs, random_state=0),
        ptbxl.X,
    ),
    "Cox on measurements": (cox_measurements(sampling_rate=100), ptbxl.X),
    "Cox on age and sex": (cox, ptbxl.covariates.to_numpy()),
}

# %%
# Folds by patient
# ----------------
#
# A network can recognise a patient it was trained on, so all ECGs of a patient are in
# one fold. The intervals below are for paired differences, fold by fold, and allow for
# the patients that the training sets share (Nadeau and Bengio, 2003).

folds = RepeatedEventKFold(5, n_repeats=n_repeats, random_state=0)
folds = list(folds.split(ptbxl.X, y, groups=ptbxl.patient_id))
scores = {name: [] for name in [*models, "True simulated log risk"]}
rank = {name: np.zeros(n_samples) for name in models}
for train, test in folds:
    for name, (model, X) in models.items():
        risk = clone(model).fit(X[train], y[train]).predict(X[test])
        scores[name].append(concordance_index(y[test], risk))
        # Every repeat tests every patient: the ranks of all repeats are summed.
        rank[name][test] += rankdata(risk) / len(test)
    scores["True simulated log risk"].append(concordance_index(y[test], log_risk[test]))

scores = pd.DataFrame(scores)
network, *others = models
for other in others:
    scores[f"Network - {other}"] = scores[network] - scores[other]
table = scores.agg(["mean", "std", "min", "max"]).T
print(f"C-index with simulated follow-up, {len(folds)} test folds\n{table.round(3)}")
for other in others:
    gain = compare_models(scores[network], scores[other], n_splits=5)
    interval = f"95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
    print(f"Network - {other}: {gain.value:+.3f}, {interval} (simulated)")

# %%
# Risk groups over time
# ---------------------
#
# Kaplan-Meier curves of the thirds of risk, with 95 % confidence bands, as long as a
# tenth of the ECGs are at risk. The follow-up is simulated.

fig, axes = plt.subplots(1, 3, figsize=(15, 5), sharey=True, layout="constrained")
for ax, name in zip(axes, models):
    KaplanMeierDisplay.from_predictions(y, rank[name], pooled_folds=True, ax=ax)
    ax.set_title(f"{name}: C = {scores[name].mean():.2f}")
    ax.set(xlabel="Simulated years", ylabel="Free of the simulated event")
    ax.label_outer()
fig.suptitle("PTB-XL with simulated follow-up, by thirds of the out-of-fold risk")
if options.picture:
    fig.savefig(options.picture, dpi=150)
else:
    plt.show()

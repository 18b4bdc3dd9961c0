"""
Pretrain on reports, fine-tune for risk
=======================================

A cohort with follow-up holds few events, but any archive holds ECGs with what was said
of them. Here the network first learns from simulated ECGs with SCP statements, then
from a small cohort with outcomes; beside it an encoder that comes with the package and
was pretrained already. With PTB-XL at hand, pass its folder, and the first step is done
on real ECGs and their statements::

    python examples/plot_3_pretrain_then_finetune.py --ptbxl ptb-xl/1.0.3
"""

# %%
# ECGs with statements
# --------------------
#
# Statements come with likelihoods, as in PTB-XL; 0 means that none was stated.

import argparse

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer, encoders
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort
from ecgdan_sk.metrics import compare_models
from ecgdan_sk.model_selection import RepeatedEventKFold

parser = argparse.ArgumentParser(description="Pretraining against none.")
parser.add_argument("--ptbxl", metavar="FOLDER", help="pretrain on PTB-XL instead")
parser.add_argument("--small", action="store_true", help="a quick run")
options, _ = parser.parse_known_args()
n_source, n_epochs = (150, 4) if options.small else (500, 20)

if options.ptbxl:
    source = load_ptbxl(options.ptbxl, sampling_rate=100)
else:
    source = make_ecg_cohort(n_source, sampling_rate=100, random_state=1)
for codes in source.scp_codes[:3]:
    print(codes)

# %%
# Pretraining
# -----------
#
# ECGs and statements are brought together in one space. The pretrainer can then say
# how well any prompt fits an ECG that it has not seen, without having been trained to.

pretrainer = ECGReportPretrainer(
    batch_size=32, max_epochs=n_epochs, patience=n_epochs, random_state=0
)
pretrainer.fit(source.X, source.scp_codes)

cohort = make_ecg_cohort(
    n_source // 2, sampling_rate=100, event_rate=0.2, risk="both", random_state=0
)
classes = ["NORM", "MI", "STTC", "CD", "HYP"]
shown = pretrainer.zero_shot(cohort.X, classes)
statements = [" ".join(codes) for codes in cohort.scp_codes]
print(pd.DataFrame(shown, index=statements, columns=classes).head(7).round(2))

# %%
# Fine-tuning
# -----------
#
# The same folds for five models: a network from scratch, one that starts from the
# encoder just pretrained, and a Cox model on the features of that encoder as it is;
# then the last two with a ready encoder, of which the name is all that is needed. Its
# card says what it was trained on, under which licence, and what it does not know.

ready = "ptbxl-100hz"
print(encoders.card(ready)["attribution"])

start = pretrainer.encoder_weights_
settings = {"n_members": 1, "max_epochs": n_epochs, "random_state": 0}
models = {
    "From scratch": DualAttentionSurvival(**settings),
    "Pretrained": DualAttentionSurvival(pretrained=start, **settings),
    "Frozen, ridge Cox": make_pipeline(
        FrozenEstimator(pretrainer), StandardScaler(), PenalisedCox()
    ),
    "Ready": DualAttentionSurvival(pretrained=ready, n_members=1, random_state=0),
    "Ready, ridge Cox": make_pipeline(
        encoders.Encoder(ready, sampling_rate=100), StandardScaler(), PenalisedCox()
    ),
}
folds = RepeatedEventKFold(2, n_repeats=1 if options.small else 2, random_state=0)
scores = {name: [] for name in models}
for train, test in folds.split(cohort.X, cohort.y):
    for name, model in models.items():
        model.fit(cohort.X[train], cohort.y[train])
        scores[name].append(model.score(cohort.X[test], cohort.y[test]))
for name, values in scores.items():
    print(f"{name:18} C-index {np.mean(values):.3f}")
gain = compare_models(scores["Ready"], scores["From scratch"], n_splits=2)
print(f"ready - scratch {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")

# %%
# What the encoder has learned
# ----------------------------
#
# Left, patients of the cohort by the two main directions of their features, coloured by
# how well "normal" fits; right, the C-index of each fold. So few folds of so small a
# cohort decide nothing: look at the interval above.

place = PCA(2).fit_transform(pretrainer.transform(cohort.X))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
points = left.scatter(*place.T, c=shown[:, 0], s=14, cmap="cividis")
figure.colorbar(points, ax=left, label="Probability of NORM among five classes")
left.set(xlabel="First principal component", ylabel="Second principal component")
for i, values in enumerate(scores.values()):
    right.plot(np.full(len(values), i), values, "o", color="#0072B2", alpha=0.7)
    right.plot(i, np.mean(values), "_", color="black", markersize=30)
right.axhline(0.5, color="0.6", linewidth=1)
right.set_xticks(range(len(scores)), scores, rotation=20)
right.set(ylabel="C-index of each fold", xlim=(-0.5, len(scores) - 0.5))
plt.show()

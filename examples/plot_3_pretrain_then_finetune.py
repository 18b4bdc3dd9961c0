"""
Pretrain on reports, fine-tune for risk
=======================================

A cohort with follow-up holds few events, but any archive holds ECGs with reports. Here
a network first learns from simulated ECGs with SCP statements, then from a small cohort
with outcomes. It is compared with an encoder that comes with the package, already
pretrained. With PTB-XL at hand, pass its folder, and the first step uses real ECGs and
their statements::

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
from ecgdan_sk.model_selection import EventKFold

parser = argparse.ArgumentParser(description="Pretraining against none.")
parser.add_argument("--ptbxl", metavar="FOLDER", help="pretrain on PTB-XL instead")
parser.add_argument("--small", action="store_true", help="a quick run")
options, _ = parser.parse_known_args()
n_source, n_patients, n_epochs = (150, 150, 4) if options.small else (500, 250, 20)

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
# The pretrainer brings ECGs and statements together in one space. It can then say how
# well any prompt fits a new ECG, also a prompt that it was not trained on.

pretrainer = ECGReportPretrainer(
    batch_size=32, max_epochs=n_epochs, patience=n_epochs, random_state=0
)
pretrainer.fit(source.X, source.scp_codes)

cohort = make_ecg_cohort(
    n_patients, sampling_rate=100, event_rate=0.2, risk="both", random_state=0
)
classes = ["NORM", "MI", "STTC", "CD", "HYP"]
shown = pretrainer.zero_shot(cohort.X, classes)
statements = [" ".join(codes) for codes in cohort.scp_codes]
print(pd.DataFrame(shown, index=statements, columns=classes).head(7).round(2))

# %%
# Fine-tuning
# -----------
#
# Five models are tested on the same five folds: a network from scratch; a network that
# starts from the encoder just pretrained; a Cox model on the features of that encoder;
# and the same two with an encoder of the package, chosen by its name. Its card lists
# the training data, the licence and the limits of the encoder.

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
folds = EventKFold(5, random_state=0)
scores = {name: [] for name in models}
for train, test in folds.split(cohort.X, cohort.y):
    for name, model in models.items():
        model.fit(cohort.X[train], cohort.y[train])
        scores[name].append(model.score(cohort.X[test], cohort.y[test]))
for name, values in scores.items():
    print(f"{name:18} C-index {np.mean(values):.3f}")
gain = compare_models(scores["Ready"], scores["From scratch"], n_splits=5)
interval = f"95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
print(f"Ready - From scratch: {gain.value:+.3f}, {interval} (simulated)")

# %%
# Features and scores
# -------------------
#
# Left: the patients by the first two principal components of their features; the colour
# shows how well "normal" fits. Right: the C-index of each fold. The cohort is small, so
# read the paired interval above.

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

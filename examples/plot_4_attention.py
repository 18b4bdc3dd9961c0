"""
What the network looked at
==========================

Attention shows where a network looked: at which moments of a lead, and from which lead
to which. Here it is drawn on the ECG itself, as cardiologists read it. Where a network
looks is not yet what moves its risk; so occlusion, which takes leads away, stands
beside it, and the two are compared.
"""

# %%
# A network, and patients it has not seen
# ---------------------------------------
#
# The simulated risk lies in shapes that no standard interval or amplitude captures.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.explain import attention_maps, compare_groups, lead_occlusion
from ecgdan_sk.plotting import (
    AttentionDisplay,
    ECGDisplay,
    GroupDifferenceDisplay,
    MeasurementDisplay,
    TrainingCurveDisplay,
)

parser = argparse.ArgumentParser(description="Attention of a network to ECGs.")
parser.add_argument("--small", action="store_true", help="a quick run of 200 patients")
parser.add_argument("--picture", metavar="FILE", help="save the attention there")
options, _ = parser.parse_known_args()
n_samples, max_epochs = (200, 5) if options.small else (600, 20)

cohort = make_ecg_cohort(
    n_samples, sampling_rate=100, event_rate=0.4, risk="both", random_state=0
)
train, test = np.arange(n_samples // 2), np.arange(n_samples // 2, n_samples)
model = DualAttentionSurvival(n_members=2, max_epochs=max_epochs, random_state=0)
model.fit(cohort.X[train], cohort.y[train])
print(f"C-index on test patients: {model.score(cohort.X[test], cohort.y[test]):.2f}")
TrainingCurveDisplay.from_estimator(model)

# %%
# The ECG of the patient at highest risk
# --------------------------------------
#
# At 25 mm/s and 10 mm/mV; saved at any resolution it has its true size.

X = cohort.X[test]
log_risk = model.predict(X)
highest = int(log_risk.argmax())
ECGDisplay.from_signals(X[[highest]], sampling_rate=100)

# %%
# Its median beat, with the fiducial points that the intervals are measured between:

MeasurementDisplay.from_signals(X, highest, sampling_rate=100)

# %%
# Where the network looked
# ------------------------
#
# The scale of the wash tells how even attention is: 1 is the mean of a lead. Lines on
# the bars are the standard deviation between the networks of the ensemble; where they
# are longer than the bars differ, the networks do not agree on what to look at.

maps = attention_maps(model, X)
attention = AttentionDisplay.from_explanation(maps, X, highest, sampling_rate=100)
if options.picture:
    attention.figure_.savefig(options.picture)

# %%
# High against low risk
# ---------------------
#
# Mean attention across leads of the half at higher risk, less that of the other half.
# The p-values are corrected for all 144 comparisons by permutation.

groups = log_risk > np.median(log_risk)
comparison = compare_groups(maps, groups, n_permutations=999, random_state=0)
GroupDifferenceDisplay.from_comparison(comparison)
print(f"{(comparison.p_value < 0.05).sum()} of 144 differ")

# %%
# Is it what moved the risk?
# --------------------------
#
# Leads are taken away one by one. If attention told what matters, the leads that get
# the most of it would change the risk the most: a rank correlation near 1 in each ECG.

effect = np.abs(lead_occlusion(model, X).to_frame().to_numpy())
agreement = [spearmanr(*pair).statistic for pair in zip(maps.lead_importance, effect)]
print(f"Rank correlation with lead occlusion: {np.median(agreement):+.2f} (median)")

if not options.picture:
    plt.show()

# sphinx_gallery_thumbnail_number = 4

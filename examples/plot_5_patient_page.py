"""
A patient's page
================

One ECG, and all that can honestly be said of the risk that a network sees in it, on a
single page: the ECG on paper with the network's attention, the risk over time and its
place among other patients, measurements beside normal limits, what moved the risk,
how far that explanation holds, and what the model is.

The page is for research; it says so itself.
"""

# %%
# A network, and patients it has not seen
# ---------------------------------------
#
# Simulated patients, 10 s at 100 Hz. The names of the recordings become the headings of
# the pages.

import argparse

import numpy as np

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.explain import report
from ecgdan_sk.records import ECGRecords

parser = argparse.ArgumentParser(description="The page of a simulated patient.")
parser.add_argument("--small", action="store_true", help="a quick run of 160 patients")
parser.add_argument("--page", metavar="FILE", help="save the page there, as HTML")
options, _ = parser.parse_known_args()
n_samples, max_epochs = (160, 4) if options.small else (600, 20)

cohort = make_ecg_cohort(
    n_samples, sampling_rate=100, event_rate=0.4, risk="both", random_state=0
)
names = [f"Simulated patient {k}" for k in range(n_samples)]
records = ECGRecords(cohort.X, sampling_rate=100, ids=names)
train, test = np.arange(n_samples // 2), np.arange(n_samples // 2, n_samples)
model = DualAttentionSurvival(n_members=2, max_epochs=max_epochs, random_state=0)
model.fit(records[train], cohort.y[train])
print(f"C-index on test patients: {model.score(records[test], cohort.y[test]):.2f}")

# %%
# The page of the patient at highest risk
# ---------------------------------------
#
# The cohort must be patients that the network was not fitted to: among those it was,
# nobody's place could be believed. (Where there are no others, give the risks of
# `model_selection.out_of_fold` as `cohort_risks`.) The outcomes serve the C-index and
# the calibration on the model card. A highest risk is where a model is most likely too
# sure: compare it with that calibration.

unseen = records[test]
highest = int(model.predict(unseen).argmax())
page = report(
    model,
    unseen,
    highest,
    y=cohort.y[test],
    y_train=cohort.y[train],
    outcome="heart failure",
    random_state=0,
)
if options.page:
    page.save_html(options.page)
page

# %%
# What the page says, as tables
# -----------------------------
#
# Risks at round times, in years, beside those of the cohort:

print(page.risk_table.round(3))

# %%
# Measurements outside their range:

outside = page.measurements[~page.measurements["status"].isin(["within"])]
print(outside[["label", "value", "unit", "range", "status"]].to_string(index=False))

# %%
# How faithful the explanations are is tested on a dozen ECGs, which takes most of the
# time and is not about this patient: further pages of the same model reuse it.

lowest = int(model.predict(unseen).argmin())
other = report(
    model, unseen, lowest, faithfulness=page.faithfulness, outcome="heart failure"
)
print(page, other, sep="\n")

# sphinx_gallery_thumbnail_path = "_static/patient_page.png"

"""Numbers of R programs, as they came out there: see golden/make_r_programs.py."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sksurv.util import Surv

from ecgdan_sk.losses import cox_loss
from ecgdan_sk.metrics import (
    CensoringKaplanMeier,
    brier_score,
    concordance_index,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
)

FILE = Path(__file__).parent / "golden" / "r_programs.json"
GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))
DIGITS = 5.5e-5  # four were kept, of the predictions and of the results
RANKED, PREDICTED, WHOLE = (GOLDEN[part] for part in ("ranked", "predicted", "whole"))


def target(case):
    return Surv.from_arrays(np.array(case["event"], bool), case["time"])


def moved(case, *, events=0.0, censored=0.0):
    """Times of which those of the events, or of the censored, are moved a little."""
    y = target(case)
    y["time"] += np.where(y["event"], events, censored)
    return y


@pytest.mark.parametrize("case", RANKED.values(), ids=RANKED)
def test_times_are_tied(case):
    # Or programs would agree that disagree about ties.
    assert len(np.unique(case["time"])) < len(case["time"])


@pytest.mark.parametrize("case", RANKED.values(), ids=RANKED)
def test_auc_is_that_of_risk_regression(case):
    auc = cumulative_dynamic_auc(target(case), case["risk"], times=case["times"])
    # Weights at the time itself, not just before, would be off by 0.0001.
    assert auc == pytest.approx(case["auc"], abs=DIGITS)


@pytest.mark.parametrize("case", RANKED.values(), ids=RANKED)
def test_harrells_c_is_that_of_survival(case):
    c = concordance_index(target(case), case["risk"])
    assert c == pytest.approx(case["harrell"], abs=DIGITS)


@pytest.mark.parametrize("case", RANKED.values(), ids=RANKED)
def test_unos_c_is_that_of_surv_c1_with_its_ties(case):
    # It does not compare an event with who is censored at the same time, and counts the
    # events at a time among those who could be censored then.
    y, censoring = moved(case, censored=-1e-3), moved(case, events=1e-3)
    risk, tau = case["risk"], case["tau"]
    theirs = concordance_index_ipcw(y, risk, tau=tau, censoring=censoring)
    assert theirs == pytest.approx(case["uno"], abs=DIGITS)
    # An event comes first here, as in survival and in riskRegression.
    ours = concordance_index_ipcw(target(case), risk, tau=tau)
    assert ours == pytest.approx(case["uno"], abs=5e-4)


@pytest.mark.parametrize("case", PREDICTED.values(), ids=PREDICTED)
def test_brier_score_is_that_of_surv_metrics_with_its_ties(case):
    # It weighs an event by G(t), and counts the events at a time among those who could
    # be censored then: as if the censoring came first.
    y, survival, times = target(case), case["survival"], case["times"]
    first = moved(case, censored=-1e-3)
    theirs = brier_score(y, survival, times=times, censoring=first)
    assert theirs == pytest.approx(case["brier"], abs=DIGITS)
    # Graf et al. (1999) and pec weigh it by G(t-), as is done here.
    ours = brier_score(y, survival, times=times)
    assert ours == pytest.approx(case["brier"], abs=2e-4)
    assert ours != pytest.approx(case["brier"], abs=DIGITS)


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_weights_for_censoring_are_those_of_pec(case):
    curve = CensoringKaplanMeier().fit(case["event"], case["time"])
    weights = 1 / curve.survival(case["times"])
    assert weights == pytest.approx(case["weights"], abs=DIGITS)
    own = curve.survival(np.sort(case["time"]))
    weights = np.divide(1, own, where=own > 0, out=np.zeros(len(own)))
    assert weights == pytest.approx(case["own_weights"], abs=DIGITS)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_cox_likelihood_is_that_of_survival(case, ties):
    event, time = torch.tensor(case["event"]), torch.tensor(case["time"])
    expected = case["ties"][ties]
    log_hazard = torch.tensor(expected["log_hazard"], dtype=torch.float64)
    total = -event.sum() * cox_loss(log_hazard, event, time, ties=ties)
    assert total.item() == pytest.approx(expected["log_likelihood"], rel=1e-6)

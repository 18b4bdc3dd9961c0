"""The objectives: against their definitions and against other people's programs."""

import numpy as np
import pytest
import torch
from lifelines import CoxPHFitter
from pandas import DataFrame
from sksurv.linear_model.coxph import CoxPHOptimizer

from ecgdan_sk.losses import CoxLoss, cox_loss


def _sample(n_samples=40, *, scale=1.0, n_times=None, seed=0):
    """Log risks, events and times; `n_times` distinct ones make ties."""
    g = torch.Generator().manual_seed(seed)
    log_risk = scale * torch.randn(n_samples, generator=g, dtype=torch.float64)
    event = torch.rand(n_samples, generator=g) < 0.5
    time = torch.rand(n_samples, generator=g, dtype=torch.float64) + 0.1
    if n_times is not None:
        time = (time * n_times).ceil()
    return log_risk, event, time


def _by_definition(log_risk, event, time, ties):
    """Efron's and Breslow's partial likelihood, term by term."""
    terms = []
    for t in time[event].unique():
        at_risk, tied = log_risk[time >= t], log_risk[(time == t) & event]
        for k in range(len(tied)):
            left_out = k / len(tied) if ties == "efron" else 0.0
            # The weight of the tied events is reduced by the part left out.
            reduced = torch.log(
                at_risk.sub(at_risk.max()).exp().sum()
                - left_out * tied.sub(at_risk.max()).exp().sum()
            )
            terms.append(tied[k] - reduced - at_risk.max())
    return -torch.stack(terms).mean()


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("n_times", [None, 5, 1])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_equals_the_definition(ties, n_times, scale):
    sample = _sample(scale=scale, n_times=n_times)
    torch.testing.assert_close(
        cox_loss(*sample, ties=ties), _by_definition(*sample, ties)
    )


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("n_times", [None, 6])
def test_equals_scikit_survival(ties, n_times):
    log_risk, event, time = _sample(n_times=n_times)
    reference = CoxPHOptimizer(
        log_risk.numpy()[:, None], event.numpy(), time.numpy(), np.zeros(1), ties
    )
    expected = reference.nlog_likelihood(np.ones(1)) * len(time) / event.sum().item()
    assert cox_loss(log_risk, event, time, ties=ties).item() == pytest.approx(expected)


def test_equals_lifelines_at_its_optimum():
    log_risk, event, time = _sample(200, n_times=12)
    table = DataFrame({"x": log_risk, "time": time, "event": event})
    fitted = CoxPHFitter().fit(table, "time", "event")
    loss = cox_loss(fitted.params_["x"] * log_risk, event, time)
    assert loss.item() * event.sum().item() == pytest.approx(-fitted.log_likelihood_)


@pytest.mark.parametrize("n_times", [None, 6])
def test_order_and_offset_do_not_matter(n_times):
    log_risk, event, time = _sample(n_times=n_times)
    expected = cox_loss(log_risk, event, time)
    p = torch.randperm(len(time), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(cox_loss(log_risk[p], event[p], time[p]), expected)
    torch.testing.assert_close(cox_loss(log_risk + 3, event, time), expected)
    torch.testing.assert_close(cox_loss(log_risk, event, 7 * time), expected)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("n_times", [None, 3])
def test_extreme_log_risks_stay_finite(ties, n_times):
    log_risk, event, time = _sample(200, n_times=n_times)
    log_risk = (200 * log_risk.sign()).float().requires_grad_()
    loss = cox_loss(log_risk, event, time, ties=ties)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(log_risk.grad).all()


def test_an_outlier_outside_the_risk_set_changes_nothing():
    log_risk, event, time = _sample(64)
    first = time.argmin()
    event[first] = False
    expected = cox_loss(log_risk, event, time)
    # Censored first, it is in nobody's risk set, whatever its risk.
    log_risk[first] = 500.0
    torch.testing.assert_close(cox_loss(log_risk, event, time), expected)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("n_times", [None, 3])
def test_gradient(ties, n_times):
    log_risk, event, time = _sample(9, n_times=n_times)
    assert torch.autograd.gradcheck(
        lambda r: cox_loss(r, event, time, ties=ties), log_risk.requires_grad_()
    )


def test_no_event_is_zero_and_stays_attached():
    log_risk = torch.randn(5, requires_grad=True)
    loss = cox_loss(log_risk, torch.zeros(5), torch.arange(5.0))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(log_risk.grad, torch.zeros(5))


def test_class_reads_the_columns_event_and_time():
    log_risk, event, time = _sample(n_times=6)
    target = torch.stack([event, time], 1)
    for ties in ("efron", "breslow"):
        assert CoxLoss(ties)(log_risk, target) == cox_loss(
            log_risk, event, time, ties=ties
        )

"""The objectives: against their definitions and against other people's programs."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lifelines import CoxPHFitter
from pandas import DataFrame
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.linear_model.coxph import CoxPHOptimizer
from sksurv.util import Surv
from torch import nn

from ecgdan_sk.losses import (
    cause_specific_loss,
    cox_loss,
    deephit_loss,
    discrete_hazard_loss,
)
from ecgdan_sk.losses._risk_sets import RangeTree, cumulative_logsumexp
from ecgdan_sk.losses._target import SurvivalLoss

FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "losses.json").read_text())
FORMS = ["plain", "sample_weight", "strata", "entry", "all"]


@pytest.fixture(scope="module")
def maker():
    """The script that made the golden numbers: it knows the inputs."""
    spec = importlib.util.spec_from_file_location("maker", FOLDER / "make_losses.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _sample(n_samples=40, *, scale=1.0, n_times=None, seed=0):
    """Log risks, events and times; `n_times` distinct ones make ties."""
    g = torch.Generator().manual_seed(seed)
    log_risk = scale * torch.randn(n_samples, generator=g, dtype=torch.float64)
    event = torch.rand(n_samples, generator=g) < 0.5
    time = torch.rand(n_samples, generator=g, dtype=torch.float64) + 0.1
    if n_times is not None:
        time = (time * n_times).ceil()
    return log_risk, event, time


def _columns(form, time, seed=1):
    """Weights, strata and times of entry, or one of them."""
    g = torch.Generator().manual_seed(seed)
    weight = torch.randint(0, 4, time.shape, generator=g).double()
    strata = torch.randint(0, 3, time.shape, generator=g)
    entry = time - 2 * torch.rand(time.shape, generator=g, dtype=time.dtype) - 0.01
    columns = {"sample_weight": weight, "strata": strata, "entry": entry}
    if form == "plain":
        return {}
    return columns if form == "all" else {form: columns[form]}


def _by_definition(
    log_risk, event, time, ties, sample_weight=None, strata=None, entry=None
):
    """Efron's and Breslow's partial likelihood, term by term."""
    weight = torch.ones_like(log_risk) if sample_weight is None else sample_weight
    strata = torch.zeros_like(time) if strata is None else strata
    entry = torch.full_like(time, -torch.inf) if entry is None else entry
    event = event & (weight > 0)
    risk, terms = weight * (log_risk - log_risk.max()).exp(), []
    for s, t in {(s.item(), t.item()) for s, t in zip(strata[event], time[event])}:
        at_risk = (strata == s) & (entry < t) & (time >= t)
        tied = (strata == s) & (time == t) & event
        terms.append((weight * (log_risk - log_risk.max()))[tied].sum())
        for k in range(tied.sum()):
            left_out = k / tied.sum() if ties == "efron" else 0.0
            # The weight of the tied events is reduced by the part left out.
            reduced = risk[at_risk].sum() - left_out * risk[tied].sum()
            terms.append(-weight[tied].mean() * reduced.log())
    return -torch.stack(terms).sum() / weight[event].sum()


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("n_times", [None, 5, 1])
@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("form", FORMS)
def test_equals_the_definition(ties, n_times, scale, form):
    sample = _sample(scale=scale, n_times=n_times)
    columns = _columns(form, sample[2])
    torch.testing.assert_close(
        cox_loss(*sample, ties=ties, **columns),
        _by_definition(*sample, ties, **columns),
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
@pytest.mark.parametrize("form", FORMS)
def test_order_and_offset_do_not_matter(n_times, form):
    log_risk, event, time = _sample(n_times=n_times)
    columns = _columns(form, time)
    expected = cox_loss(log_risk, event, time, **columns)
    p = torch.randperm(len(time), generator=torch.Generator().manual_seed(1))
    shuffled = {name: values[p] for name, values in columns.items()}
    torch.testing.assert_close(
        cox_loss(log_risk[p], event[p], time[p], **shuffled), expected
    )
    torch.testing.assert_close(cox_loss(log_risk + 3, event, time, **columns), expected)
    scaled = {n: 7 * v if n == "entry" else v for n, v in columns.items()}
    torch.testing.assert_close(cox_loss(log_risk, event, 7 * time, **scaled), expected)


def test_negative_times_in_float32_are_sorted_too():
    log_risk, event, time = _sample()
    shifted = (time - time.median()).float()
    torch.testing.assert_close(
        cox_loss(log_risk, event, shifted), cox_loss(log_risk, event, time)
    )


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("n_times", [None, 3])
@pytest.mark.parametrize("form", FORMS)
def test_extreme_log_risks_stay_finite_and_exact(ties, n_times, form):
    log_risk, event, time = _sample(200, n_times=n_times)
    columns = _columns(form, time)
    log_risk = (200 * log_risk.sign()).float().requires_grad_()
    loss = cox_loss(log_risk, event, time, ties=ties, **columns)
    loss.backward()
    assert torch.isfinite(log_risk.grad).all()
    exact = _by_definition(log_risk.detach().double(), event, time, ties, **columns)
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)


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
@pytest.mark.parametrize("form", FORMS)
def test_gradient(ties, n_times, form):
    log_risk, event, time = _sample(17, n_times=n_times)
    columns = _columns(form, time)
    assert torch.autograd.gradcheck(
        lambda r: cox_loss(r, event, time, ties=ties, **columns),
        log_risk.requires_grad_(),
    )


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_weight_0_is_absence(ties):
    log_risk, event, time = _sample(n_times=6)
    weight = torch.ones_like(time)
    weight[::3] = 0
    there = weight > 0
    torch.testing.assert_close(
        cox_loss(log_risk, event, time, ties=ties, sample_weight=weight),
        cox_loss(log_risk[there], event[there], time[there], ties=ties),
    )


def test_weights_count_as_repeated_samples():
    log_risk, event, time = _sample(n_times=6)
    weight = _columns("sample_weight", time)["sample_weight"]
    repeated = (x.repeat_interleave(weight.long()) for x in (log_risk, event, time))
    torch.testing.assert_close(
        cox_loss(log_risk, event, time, ties="breslow", sample_weight=weight),
        cox_loss(*repeated, ties="breslow"),
    )


def test_entry_at_0_changes_nothing():
    log_risk, event, time = _sample(n_times=6)
    torch.testing.assert_close(
        cox_loss(log_risk, event, time, entry=torch.zeros_like(time)),
        cox_loss(log_risk, event, time),
    )


@pytest.mark.parametrize("spread", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("arrange", [lambda x: x, lambda x: x.sort()[0]])
def test_cumulative_sums_equal_those_of_torch(spread, arrange):
    x = spread * torch.randn(500, generator=torch.Generator().manual_seed(0))
    x = torch.cat([torch.full((3,), -torch.inf), arrange(x)])
    expected = x.double().logcumsumexp(0).float()
    torch.testing.assert_close(cumulative_logsumexp(x), expected)


@pytest.mark.parametrize("n_leaves", [1, 2, 7, 8, 9])
def test_sums_over_ranges(n_leaves):
    g = torch.Generator().manual_seed(0)
    ends = torch.randint(0, n_leaves + 1, (2, 30), generator=g).sort(0)[0]
    leaf = torch.arange(n_leaves)
    inside = (ends[0][:, None] <= leaf) & (leaf < ends[1][:, None])  # (range, leaf)
    tree = RangeTree(*ends, n_leaves)
    x, y = torch.rand(30, generator=g), torch.rand(n_leaves, generator=g)
    torch.testing.assert_close(tree.spread(x.log()).exp(), x @ inside.float())
    torch.testing.assert_close(tree.collect(y.log()).exp(), inside.float() @ y)


def test_no_event_is_zero_and_stays_attached():
    log_risk = torch.randn(5, requires_grad=True)
    loss = cox_loss(log_risk, torch.zeros(5), torch.arange(5.0))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(log_risk.grad, torch.zeros(5))


@pytest.mark.parametrize("seed", range(3))
def test_equals_torchsurv_and_pycox(maker, seed):
    log_risk, event, time, strata = maker.cox_sample(seed, ties=True)
    for name, expected in GOLDEN["torchsurv"][seed].items():
        ties, _, stratified = name.partition("_")
        given = {"strata": strata} if stratified else {}
        loss = cox_loss(log_risk, event, time, ties=ties, **given)
        assert loss.item() == pytest.approx(expected, rel=1e-6)
    untied = maker.cox_sample(seed, ties=False)[:3]
    assert cox_loss(*untied).item() == pytest.approx(GOLDEN["pycox"][seed]["cox"])


def _train_linear(X, *outcome, **columns):
    """Coefficients of a linear network trained to convergence."""
    layer = nn.Linear(X.shape[1], 1, bias=False, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(
        layer.parameters(),
        max_iter=200,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = cox_loss(layer(X).squeeze(1), *outcome, **columns)
        loss.backward()
        return loss

    optimizer.step(closure)
    return layer.weight.detach().numpy()[0]


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_a_linear_network_is_scikit_survivals_cox_model(ties):
    _, event, time = _sample(300, n_times=20)
    X = torch.randn(300, 3, generator=torch.Generator().manual_seed(1)).double()
    event = event | (X[:, 0] > 1)
    y = Surv.from_arrays(event.numpy(), time.numpy())
    model = CoxPHSurvivalAnalysis(ties=ties, tol=1e-12).fit(X.numpy(), y)
    ours = _train_linear(X, event, time, ties=ties)
    np.testing.assert_allclose(ours, model.coef_, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_a_linear_network_is_lifelines_cox_model(form):
    _, event, time = _sample(300, n_times=20)
    X = torch.randn(300, 2, generator=torch.Generator().manual_seed(1)).double()
    columns = _columns(form, time)
    if "sample_weight" in columns:
        columns["sample_weight"] += 1
    names = {"sample_weight": "weights_col", "entry": "entry_col", "strata": "strata"}
    values = {"time": time, "event": event, **columns}
    table = DataFrame(X.numpy(), columns=["a", "b"]).assign(
        **{name: value.numpy() for name, value in values.items()}
    )
    model = CoxPHFitter().fit(
        table,
        "time",
        "event",
        **{names[name]: [name] if name == "strata" else name for name in columns},
        fit_options={"precision": 1e-10},
    )
    ours = _train_linear(X, event, time, **columns)
    np.testing.assert_allclose(ours, model.params_[["a", "b"]], atol=1e-5)
    weight = columns.get("sample_weight", torch.ones_like(time))[event].sum()
    loss = cox_loss(X @ torch.from_numpy(ours), event, time, **columns)
    assert -loss.item() * weight.item() == pytest.approx(model.log_likelihood_)


@pytest.mark.parametrize("form", FORMS)
def test_cause_specific_is_a_cox_model_for_each_cause(form):
    log_risk, _, time = _sample(n_times=6)
    log_risks = torch.stack([log_risk, -2 * log_risk], 1)
    causes = torch.arange(len(time)) % 3
    columns = _columns(form, time)
    weight = columns.get("sample_weight", torch.ones_like(time))
    weights = [weight[causes == cause].sum() for cause in (1, 2)]
    parts = [
        w * cox_loss(log_risks[:, k], causes == k + 1, time, **columns)
        for k, w in enumerate(weights)
    ]
    torch.testing.assert_close(
        cause_specific_loss(log_risks, causes, time, **columns),
        sum(parts) / sum(weights),
    )
    torch.testing.assert_close(
        cause_specific_loss(log_risk, causes == 1, time, **columns),
        cox_loss(log_risk, causes == 1, time, **columns),
    )


@pytest.mark.parametrize("seed", range(3))
def test_discrete_time_equals_pycox(maker, seed):
    logits, event, interval = maker.discrete_sample(seed)
    # Whole intervals only: in pycox the censored ones live through their last.
    time = interval + torch.where(event, 0.5, 1.0)
    golden = GOLDEN["pycox"][seed]
    hazard = discrete_hazard_loss(logits, event, time)
    assert hazard.item() == pytest.approx(golden["logistic_hazard"])
    pmf = deephit_loss(logits, event, time, alpha=1.0)
    assert pmf.item() == pytest.approx(golden["pmf"])
    both = deephit_loss(logits, event, time, alpha=0.2, sigma=0.1)
    assert both.item() == pytest.approx(golden["deephit"])


def test_the_best_constant_hazards_are_those_of_the_actuarial_life_table():
    rng = np.random.default_rng(0)
    event, time = rng.integers(0, 3, 400), rng.random(400) * 4
    logits = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100, tolerance_grad=1e-10)

    def closure():
        optimizer.zero_grad()
        outputs = logits.expand(400, 2, 4)
        loss = discrete_hazard_loss(
            outputs, torch.from_numpy(event), torch.from_numpy(time)
        )
        loss.backward()
        return loss

    optimizer.step(closure)
    none = torch.zeros(1, 4, dtype=torch.float64)
    hazard = torch.cat([none, logits.detach()]).softmax(0)[1:]
    for k in range(4):
        here = (time >= k) & (time < k + 1)
        # A sample censored in the interval was at risk for a part of it.
        n_at_risk = (time >= k + 1).sum() + np.where(event > 0, 1, time - k)[here].sum()
        for cause in (1, 2):
            expected = (here & (event == cause)).sum() / n_at_risk
            assert hazard[cause - 1, k].item() == pytest.approx(expected, rel=1e-4)


def _pairwise_ranking(logits, event, time, sigma, weight):
    """DeepHit's ranking, pair by pair."""
    incidence = nn.functional.pad(logits, (0, 1)).softmax(1).cumsum(1)
    total = 0.0
    for i in event.nonzero().squeeze(1):
        k = int(time[i])
        for j in range(len(time)):
            if time[j] >= k + 1:
                excess = (incidence[j, k] - incidence[i, k]) / sigma
                total += weight[i] * weight[j] * excess.exp()
    return total / weight.sum() ** 2


def test_ranking_equals_its_definition_over_pairs(maker):
    logits, event, interval = maker.discrete_sample(0)
    time = interval + torch.where(event, 0.5, 0.3)
    weight = torch.arange(1.0, 51.0, dtype=torch.float64)
    loss = deephit_loss(logits, event, time, alpha=0.0, sigma=0.2, sample_weight=weight)
    torch.testing.assert_close(
        loss, _pairwise_ranking(logits, event, time, 0.2, weight)
    )


@pytest.mark.parametrize("loss", [discrete_hazard_loss, deephit_loss])
def test_discrete_losses(maker, loss):
    logits, event, interval = maker.discrete_sample(0)
    time = interval + torch.where(event, 0.5, 0.3)
    assert torch.autograd.gradcheck(
        lambda x: loss(x, event, time), logits.clone().requires_grad_()
    )
    extreme = (200 * logits.sign()).float().requires_grad_()
    value = loss(extreme, event, time.float())
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(extreme.grad).all()
    twice = torch.arange(50) % 2 + 1
    repeated = (x.repeat_interleave(twice, dim=0) for x in (logits, event, time))
    torch.testing.assert_close(
        loss(logits, event, time, sample_weight=twice.double()), loss(*repeated)
    )


def test_class_adds_the_offset_and_reads_further_columns():
    log_risk, event, time = _sample(n_times=6)
    columns = _columns("all", time)
    target = torch.stack([event, time, *columns.values()], 1)
    assert SurvivalLoss(cox_loss, columns=tuple(columns))(log_risk, target) == cox_loss(
        log_risk, event, time, **columns
    )
    offset, logits = torch.arange(6.0).reshape(2, 3), torch.zeros(len(time), 6)
    assert SurvivalLoss(discrete_hazard_loss, offset=offset)(
        logits, torch.stack([event, time.clamp(max=3)], 1)
    ) == discrete_hazard_loss(offset.expand(len(time), 2, 3), event, time.clamp(max=3))


def test_class_reads_the_columns_event_and_time():
    log_risk, event, time = _sample(n_times=6)
    target = torch.stack([event, time], 1)
    for ties in ("efron", "breslow"):
        assert SurvivalLoss(cox_loss, ties=ties)(log_risk, target) == cox_loss(
            log_risk, event, time, ties=ties
        )

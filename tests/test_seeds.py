"""Random numbers of a thread's own: one model in sequence, threads and processes."""

import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from torch import nn

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk._training import _seeds, seeded
from ecgdan_sk.architectures import Architecture
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.network import ECGEncoder

QUICK = {"max_epochs": 2, "batch_size": 32, "random_state": 0}


class DrawingEncoder(ECGEncoder):
    """An encoder of a user's own, that draws in ways which take no generator."""

    def __init__(self, n_leads, scale):
        super().__init__(scale)
        self.recurrent = nn.LSTM(n_leads, 8, num_layers=2, dropout=0.3)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.3)
        self.dropout, self.dropout_2d = nn.Dropout(0.3, inplace=True), nn.Dropout1d(0.3)

    def forward(self, x, present=None):
        x = self.recurrent(self.scaled(x)[..., ::25].permute(2, 0, 1))[0]
        x = self.dropout_2d(self.dropout(self.attention(x, x, x)[0]))
        noise = 0.01 * torch.randn(x.shape[1:]) if self.training else 0.0
        return x.mean(0) + noise


class Drawing(Architecture):
    latent_dim = 8

    def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
        return DrawingEncoder(n_leads, scale)


MODELS = {
    "survival": DualAttentionSurvival(n_members=2, **QUICK),
    "published": DualAttentionSurvival.paper(60, max_epochs=2, random_state=0),
    "pretrainer": ECGReportPretrainer(reconstruction_weight=1.0, **QUICK),
    "of one's own": DualAttentionSurvival(
        n_members=1, architecture=Drawing(), micro_batch_size=20, **QUICK
    ),
}


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )


def _features(model, cohort):
    is_survival = isinstance(model, DualAttentionSurvival)
    target = cohort.y if is_survival else cohort.scp_codes
    return clone(model).fit(cohort.X, target).transform(cohort.X)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_fits_in_threads_give_the_bits_of_one_in_sequence(cohort, model):
    alone = _features(model, cohort)
    n_fits = 10 if model is MODELS["survival"] else 4
    with parallel_config("threading"):
        together = Parallel(n_jobs=5)(
            [delayed(_features)(model, cohort) for _ in range(n_fits)]
        )
    for features in together:
        np.testing.assert_array_equal(features, alone)


@pytest.fixture
def _one_thread():
    """One thread here and in new processes: sums over more are added otherwise."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    get_reusable_executor().shutdown(wait=True)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.usefixtures("_one_thread")
def test_cross_validation_in_threads_and_processes_gives_the_same_bits(cohort):
    cv = EventKFold(2, random_state=0)
    risks = []
    one = {"inner_max_num_threads": 1}
    for backend, n_jobs, threads in (
        ("threading", 1, {}),
        ("threading", 2, {}),
        ("loky", 2, one),
    ):
        with parallel_config(backend, **threads):
            risks.append(
                cross_val_predict(
                    MODELS["survival"], cohort.X, cohort.y, cv=cv, n_jobs=n_jobs
                )
            )
    np.testing.assert_array_equal(risks[1], risks[0])
    np.testing.assert_array_equal(risks[2], risks[0])


@pytest.mark.parametrize("name", ["survival", "published", "pretrainer"])
def test_who_draws_beside_a_fit_draws_undisturbed(cohort, name):
    generator = torch.Generator().manual_seed(7)
    fit = threading.Thread(target=_features, args=(MODELS[name], cohort))
    with torch.random.fork_rng():
        torch.manual_seed(7)
        fit.start()
        n_draws = 0
        while fit.is_alive() or not n_draws:
            drawn = torch.randn(50)
            assert torch.equal(drawn, torch.randn(50, generator=generator))
            n_draws += 1
    fit.join()
    assert n_draws > 10


DRAWS = {
    "rand": lambda: torch.rand(5),
    "randn": lambda: torch.randn(2, 3),
    "rand_like": lambda: torch.rand_like(torch.ones(5)),
    "randint": lambda: torch.randint(9, (5,)),
    "randperm": lambda: torch.randperm(9),
    "normal": lambda: torch.normal(0.0, 1.0, (5,)),
    "bernoulli": lambda: torch.bernoulli(torch.full((9,), 0.5)),
    "multinomial": lambda: torch.multinomial(torch.ones(9), 3),
    "poisson": lambda: torch.poisson(torch.full((9,), 3.0)),
    "gamma": lambda: torch.distributions.Gamma(2.0, 1.0).sample((5,)),
    "in place": lambda: torch.empty(5).uniform_(),
    "exponential": lambda: torch.empty(5).exponential_(),
    "linear": lambda: nn.Linear(3, 4).weight.detach(),
    "convolution": lambda: nn.Conv1d(3, 4, 5).bias.detach(),
    "orthogonal": lambda: nn.init.orthogonal_(torch.empty(4, 4)),
    "truncated": lambda: nn.init.trunc_normal_(torch.empty(4, 4)),
    "dropout": lambda: F.dropout(torch.ones(4, 9), 0.3),
    "dropout of all": lambda: F.dropout(torch.ones(4, 9), 1.0),
    "dropout in place": lambda: nn.Dropout(0.3, inplace=True)(torch.ones(4, 9)),
    "dropout of torch": lambda: torch.dropout(torch.ones(4, 9), 0.3, True),
    "dropout of channels": lambda: F.dropout2d(torch.ones(4, 9, 2, 2), 0.3),
    "alpha dropout": lambda: F.alpha_dropout(torch.ones(4, 9), 0.3, training=True),
    "rrelu": lambda: F.rrelu(-torch.ones(4, 9), training=True),
    "gumbel": lambda: F.gumbel_softmax(torch.ones(4, 9)),
    "attention": lambda: F.scaled_dot_product_attention(
        *torch.ones(3, 1, 4, 4), dropout_p=0.5
    ),
    "recurrent": lambda: nn.GRU(3, 4, num_layers=2, dropout=0.5)(torch.ones(6, 3))[0],
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_what_is_drawn_is_what_the_global_generator_gives(draw):
    def numbers():
        return [*(draw().detach() for _ in range(2)), torch.rand(1)]

    seed = np.random.RandomState(3).randint(2**31 - 1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        expected = numbers()
    before = torch.random.get_rng_state()
    with seeded(3):
        drawn = numbers()
    assert torch.equal(torch.random.get_rng_state(), before)
    for ours, theirs in zip(drawn, expected):
        assert torch.equal(ours, theirs)


def test_seeds_within_seeds_leave_the_outer_ones_alone():
    with seeded(0):
        expected = torch.rand(4)
    with seeded(0):
        first = torch.rand(2)
        with seeded(1):
            torch.rand(5)
            F.gumbel_softmax(torch.ones(3))
        np.testing.assert_array_equal(torch.cat([first, torch.rand(2)]), expected)


def test_a_generator_of_ones_own_is_left_to_draw():
    with seeded(0):
        given = torch.rand(3, generator=torch.Generator().manual_seed(5))
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(given, expected)


def test_nothing_is_drawn_where_there_are_no_numbers():
    with seeded(0), torch.device("meta"):
        assert nn.Linear(2, 3).weight.is_meta
    with torch.device("meta"), seeded(0):
        assert torch.randn(3).is_meta


def test_a_wrong_dropout_is_refused_as_ever():
    with seeded(0), pytest.raises((ValueError, RuntimeError)):
        F.dropout(torch.ones(3), 1.5)


def _draws(op):
    takes_one = any(a.name == "generator" for a in op._schema.arguments)
    return takes_one or torch.Tag.nondeterministic_seeded in op.tags


def test_all_that_draws_in_torch_is_known():
    """By the tags of torch itself, so that a new release is noticed."""
    names = set()
    for name in dir(torch.ops.aten):
        packet = getattr(torch.ops.aten, name)
        overloads = getattr(packet, "overloads", list)()
        is_public = any(hasattr(o, name) for o in (torch, torch.Tensor, F))
        is_public = is_public and not name.startswith(("_", "miopen_"))
        if is_public and any(_draws(getattr(packet, o)) for o in overloads):
            names.add(name)
    known = {*_seeds.WITH_GENERATOR.split(), *_seeds.WITHOUT_GENERATOR.split()}
    assert {"rand", "dropout", "uniform_", "lstm"} <= names
    assert names - known == set()


def test_a_dask_worker_with_two_threads_gives_the_bits_of_a_sequence(cohort):
    distributed = pytest.importorskip("distributed")
    model, folds = MODELS["survival"], EventKFold(2, random_state=0)
    expected = cross_val_predict(model, cohort.X, cohort.y, cv=folds)
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.Client(processes=False, **options), parallel_config("dask"):
        found = cross_val_predict(model, cohort.X, cohort.y, cv=folds, n_jobs=2)
    np.testing.assert_array_equal(found, expected)

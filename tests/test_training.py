"""The engine: gradients in pieces, frozen parts, reconstruction, starts, schedules."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk._architectures._paper import pad
from ecgdan_sk._architectures._weights import encoder_weights, write_encoder_weights
from ecgdan_sk._training import ECGNet, remedy, seeded
from ecgdan_sk._training import _net as _net_module
from ecgdan_sk._training._callbacks import one_cycle
from ecgdan_sk.architectures import Compact, Paper, read_encoder_weights
from ecgdan_sk.augmentation import Augmentation
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.losses import cox_loss, reconstruction_loss
from ecgdan_sk.losses._target import SurvivalLoss
from ecgdan_sk.network import present_leads
from ecgdan_sk.records import LEADS, ECGRecords
from ecgdan_sk.survival._network import risk_net

QUICK = {"max_epochs": 2, "batch_size": 64, "n_members": 1, "random_state": 0}
ARCHITECTURES = {"compact": Compact(), "paper": Paper()}
SETTINGS = {
    "n_leads": 12,
    "n_times": 100,
    "n_outputs": 1,
    "dropout": 0.0,
    "decoder": True,
    "zero_start": False,
    "scale": 1.0,
}


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        120, sampling_rate=100, duration=2.5, event_rate=0.4, random_state=0
    )


@pytest.fixture(scope="module")
def fitted(cohort):
    return DualAttentionSurvival(**QUICK).fit(cohort.X, cohort.y)


def _net(architecture, **params):
    settings = {"architecture": ARCHITECTURES[architecture], **SETTINGS}
    return ECGNet(
        risk_net,
        SurvivalLoss,
        criterion__function=cox_loss,
        callbacks=None,
        **{f"module__{k}": v for k, v in settings.items()} | params,
    ).initialize()


def _batch(n_samples=20, n_times=100):
    generator = torch.Generator().manual_seed(0)
    x = 0.3 * torch.randn(n_samples, 12, n_times, generator=generator)
    x[3, 5] = torch.nan
    time = torch.arange(n_samples, dtype=torch.float32)
    event = torch.rand(n_samples, generator=generator) < 0.5
    return x, torch.stack([event.float(), time], dim=1)


def _gradient(net, monkeypatch, eval_mode):
    if eval_mode:
        monkeypatch.setattr(net, "_set_training", lambda _: net.module_.eval())
    net.max_norm = 1e9
    with seeded(0):
        loss = net.train_step_single(_batch())["loss"]
    return loss, {n: p.grad for n, p in net.module_.named_parameters()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_gradient_in_pieces_is_that_of_the_whole(architecture, weight, monkeypatch):
    with seeded(0):
        whole = _net(architecture, reconstruction_weight=weight)
        pieces = _net(architecture, reconstruction_weight=weight, micro_batch_size=7)
        pieces.module_.load_state_dict(whole.module_.state_dict())
    loss, gradients = _gradient(whole, monkeypatch, eval_mode=True)
    other_loss, others = _gradient(pieces, monkeypatch, eval_mode=True)
    torch.testing.assert_close(loss, other_loss)
    largest = max(g.abs().max() for g in gradients.values() if g is not None)
    for name, gradient in gradients.items():
        if gradient is not None:
            error = (others[name] - gradient).abs().max()
            assert error <= 1e-5 * largest, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_predictions_in_pieces_are_those_of_the_whole(architecture, monkeypatch):
    net, batch, sizes = _net(architecture), _batch(), []
    steps = (net.evaluation_step, net.encoding_step)
    wholes = [step(batch) for step in steps]
    monkeypatch.setattr(_net_module, "_PIECE", 6 * 100)
    net.module_.encoder.register_forward_hook(
        lambda part, inputs, output: sizes.append(len(output))
    )
    for step, whole in zip(steps, wholes):
        largest = whole.abs().max().item()
        torch.testing.assert_close(step(batch), whole, rtol=1e-4, atol=1e-5 * largest)
    assert sizes == [6, 6, 6, 2] * 2


def test_pieces_remember_the_statistics_of_one_pass_only():
    net = _net("compact", micro_batch_size=10)
    net.train_step_single(_batch())
    # One update for each of two pieces; the pass without a graph leaves none.
    reference = _net("compact")
    reference.module_.load_state_dict(net.module_.state_dict())
    variance = net.module_.encoder.trunk.norm.running_var
    assert not torch.equal(variance, torch.ones_like(variance))
    momenta = {m.momentum for m in net.module_.modules() if hasattr(m, "momentum")}
    assert momenta == {0.1}


def test_all_pieces_meet_the_same_dropout_mask():
    net = _net("compact", micro_batch_size=5, module__dropout=0.5)
    net.module_.train()
    x, _ = _batch()
    views = (x[:5], x[:5], present_leads(x[:5]), present_leads(x[:5]))
    first, again = (net._piece(views, 3)[0] for _ in range(2))
    torch.testing.assert_close(first, again)
    other = net._piece(views, 4)[0]
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("architecture", ["compact", "paper"])
def test_frozen_encoder_stays_as_it_starts(cohort, architecture):
    model = DualAttentionSurvival(
        architecture=architecture, freeze_encoder=True, **QUICK
    ).fit(cohort.X, cohort.y)
    with seeded(0):
        torch.randint(2**31 - 1, ())  # the split
        start = risk_net(
            **{
                name.removeprefix("module__"): value
                for name, value in model.net_.get_params(deep=False).items()
                if name.startswith("module__")
            }
        )
    frozen, trained = model.network_.state_dict(), start.state_dict()
    for name, value in frozen.items():
        if name.startswith("encoder."):
            assert torch.equal(value, trained[name]), name
    head = [name for name in frozen if name.startswith("head") and "weight" in name]
    assert any(not torch.equal(frozen[name], trained[name]) for name in head)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_frozen_encoder_is_in_eval_mode_while_its_head_trains(architecture):
    net = _net(architecture, n_unfrozen=0)
    net.train_step_single(_batch())
    assert net.module_.head.training
    stages = net.module_.encoder.stages()
    assert not any(part.training for stage in stages for part in stage.modules())
    assert all(p.grad is None for p in net.module_.encoder.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stages_hold_every_parameter_once(architecture):
    encoder = _net(architecture).module_.encoder
    staged = [p for stage in encoder.stages() for p in stage.parameters()]
    assert {id(p) for p in staged} == {id(p) for p in encoder.parameters()}
    assert len(staged) == len(list(encoder.parameters()))


def test_unfreezing_goes_from_the_latent_features_to_the_trunk(cohort):
    still = DualAttentionSurvival(freeze_encoder=1, recipe="paper", **QUICK)
    reached = {}
    for n_epochs in (1, 2, 3, 5):
        model = clone(still).set_params(max_epochs=n_epochs, patience=99)
        net = model.fit(cohort.X, cohort.y).net_
        stages = net.module_.encoder.stages()
        reached[n_epochs] = [
            all(p.requires_grad for p in stage.parameters()) for stage in stages
        ]
    assert reached == {
        1: [False] * 4,
        2: [True, False, False, False],
        3: [True, True, False, False],
        5: [True] * 4,
    }


def test_decoder_cannot_see_a_masked_lead():
    net = _net("compact").module_.eval()
    x, _ = _batch()
    x = x.nan_to_num(0.0).requires_grad_()
    present = torch.ones(20, 12, dtype=torch.bool)
    present[:, 4] = False
    _, restored = net.with_reconstruction(x, present)
    assert restored.shape == x.shape
    restored[:, 4].sum().backward()
    reached = x.grad.abs().amax((0, 2)) > 0
    assert reached.tolist() == [lead != 4 for lead in range(12)]


def test_reconstruction_error_counts_recorded_leads_alone():
    clean, restored = torch.zeros(2, 3, 5), torch.ones(2, 3, 5)
    restored[0, 0] = 100.0
    recorded = torch.ones(2, 3, dtype=torch.bool)
    recorded[0, 0] = False
    assert reconstruction_loss(restored, clean, recorded) == 1.0


def test_warm_start_goes_on_from_the_last_fit(cohort, fitted):
    model = DualAttentionSurvival(warm_start=True, **QUICK).set_params(lr=1e-9)
    model.fit(cohort.X, cohort.y)
    first = model.predict(cohort.X)
    again = model.fit(cohort.X, cohort.y).predict(cohort.X)
    assert np.corrcoef(first, again)[0, 1] > 0.9
    with pytest.raises(ValueError, match="Fit a clone"):
        model.set_params(architecture=Compact(n_channels=16)).fit(cohort.X, cohort.y)


def test_pretrained_weights_are_where_training_starts(cohort, fitted, tmp_path):
    mapping = encoder_weights(fitted.network_, fitted)
    path = tmp_path / "encoder.safetensors"
    write_encoder_weights(path, mapping)
    again = read_encoder_weights(path)
    assert {k: v for k, v in again.items() if k != "weights"} == {
        k: v for k, v in mapping.items() if k != "weights"
    }
    frozen = DualAttentionSurvival(freeze_encoder=True, **QUICK)
    for pretrained in (mapping, path, str(path)):
        model = clone(frozen).set_params(pretrained=pretrained)
        model = clone(model).fit(cohort.X, cohort.y)
        for name, value in model.network_.encoder.state_dict().items():
            np.testing.assert_array_equal(value, mapping["weights"][name])


def test_pretrained_leads_are_matched_by_name(cohort, fitted):
    mapping = encoder_weights(fitted.network_, fitted)
    few = ECGRecords(cohort.X[:, [7, 0], :200], leads=["V2", "I"])
    model = DualAttentionSurvival(pretrained=mapping, freeze_encoder=True, **QUICK)
    model.fit(few, cohort.y)
    learned = mapping["weights"]["temporal.to_gate"]
    ours = model.network_.encoder.temporal.to_gate
    np.testing.assert_array_equal(ours.detach(), learned[[7, 0]])


def _with(mapping, **changes):
    return {**mapping, **changes}


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        ({}, {"architecture": Compact(n_channels=16)}, "Set n_channels=32"),
        ({}, {"architecture": "paper"}, "Set architecture='compact'"),
        ({"sampling_rate": 500.0}, {}, "Resample X"),
        ({"leads": tuple(f"X{i}" for i in range(12))}, {}, "leads X0, .* X has I, II"),
        (
            {"architecture": "paper", "settings": Paper().get_params()},
            {"architecture": Paper(lead_attention=False)},
            "Set lead_attention=True",
        ),
    ],
)
def test_pretrained_weights_that_do_not_fit(cohort, fitted, change, params, message):
    mapping = _with(encoder_weights(fitted.network_, fitted), **change)
    X = ECGRecords(cohort.X, sampling_rate=100)
    model = DualAttentionSurvival(pretrained=mapping, **QUICK).set_params(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, cohort.y)


def test_a_mapping_of_something_else_is_no_encoder(cohort):
    model = DualAttentionSurvival(pretrained={"weights": {}}, **QUICK)
    with pytest.raises(TypeError, match="encoder_weights_"):
        model.fit(cohort.X, cohort.y)


def test_paper_preset_is_the_published_recipe(cohort):
    scratch, tuned = (
        DualAttentionSurvival.paper(800, pretrained=start, random_state=0)
        for start in (None, "encoder.safetensors")
    )
    assert (scratch.max_epochs, tuned.max_epochs) == (400, 100)
    assert DualAttentionSurvival.paper(11_575).batch_size == 1024
    model = clone(scratch).set_params(max_epochs=1).fit(cohort.X, cohort.y)
    n_parameters = sum(
        p.numel()
        for part in (
            Paper().encoder(12, 608),
            Paper().risk_head(1, dropout=0.25, zero_start=False),
        )
        for p in part.parameters()
    )
    assert n_parameters == 1_277_109  # published encoder and head
    assert model.transform(cohort.X).shape == (120, 512)
    assert {"train_loss", "valid_loss", "valid_concordance"} <= {*model.history_[0]}


def test_paper_network_needs_the_twelve_leads(cohort):
    few = ECGRecords(cohort.X[:, :6], leads=LEADS[:6])
    model = DualAttentionSurvival(architecture="paper", **QUICK)
    with pytest.raises(ValueError, match="select_leads"):
        model.fit(few, cohort.y)


def test_padding_and_cutting_undo_each_other():
    for n_times in (600, 601, 608):
        x = torch.randn(1, 12, n_times)
        padded = pad(x, 608)
        assert padded.shape[-1] == 608
        assert torch.equal(pad(padded, n_times), x)
    assert pad(torch.ones(1, 1, 600), 608)[0, 0, :4].sum() == 0


def test_paper_input_is_each_lead_z_scored():
    encoder = Paper().encoder(12, 100)
    x, _ = _batch()
    x[0, 0] = 5.0  # flat
    scaled = encoder.scaled(x)
    assert scaled[0, 0].abs().max() == 0
    assert scaled[3, 5].abs().max() == 0
    torch.testing.assert_close(scaled[1].mean(1), torch.zeros(12), atol=1e-6, rtol=0)
    torch.testing.assert_close(scaled[1].std(1, correction=0), torch.ones(12))


def test_selection_by_concordance_keeps_its_best_epoch(cohort):
    model = DualAttentionSurvival(
        recipe="paper", **{**QUICK, "max_epochs": 5, "lr": 0.01}
    ).fit(cohort.X, cohort.y)
    best = dict(model.net_.callbacks_)["best"]
    assert best.best_ == max(model.history_[:, "valid_concordance"])
    with pytest.raises(ValueError, match="recipe='default'"):
        model.set_params(loss="deephit").fit(cohort.X, cohort.y)


def test_schedule_rises_and_falls():
    rates = [one_cycle(step, 100) for step in range(100)]
    assert np.argmax(rates) == 10
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[10] == pytest.approx(1.0)
    assert rates[-1] < 0.001
    assert (np.diff(rates)[10:] < 0).all()


def test_low_precision_is_close_and_its_loss_is_float32(cohort):
    net = _net("compact", precision="bf16")
    assert net.infer(_batch()[0]).dtype == torch.float32
    risks = [
        DualAttentionSurvival(precision=p, **QUICK)
        .fit(cohort.X, cohort.y)
        .predict(cohort.X)
        for p in ("bf16", "float32")
    ]
    assert np.corrcoef(*risks)[0, 1] > 0.9


def test_an_augmentation_says_what_it_changed():
    x, _ = _batch()
    with seeded(0):
        clean, changed, recorded, present = Augmentation(0.5, "paper", 0.4)(
            x, present_leads(x)
        )
    assert clean.shape == changed.shape == (20, 12, 50)
    assert torch.equal(recorded, present_leads(x))
    assert (present <= recorded).all()
    share = (clean != changed)[:, :3].float().mean()
    assert 0.2 < share <= 0.45


def test_no_ecg_is_kept_in_a_fitted_model(cohort, fitted):
    import pickle

    larger = DualAttentionSurvival(**QUICK).fit(
        np.tile(cohort.X, (4, 1, 1)), np.tile(cohort.y, 4)
    )
    sizes = [len(pickle.dumps(model)) for model in (fitted, larger)]
    assert abs(sizes[1] - sizes[0]) < cohort.X.nbytes / 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_agrees_with_the_cpu(cohort):
    models = [
        DualAttentionSurvival(device=device, **QUICK).fit(cohort.X, cohort.y)
        for device in ("cuda", "cpu")
    ]
    risks = [model.predict(cohort.X) for model in models]
    assert np.corrcoef(*risks)[0, 1] > 0.99


def _fitted(kind, cohort, X):
    if kind == "survival":
        return DualAttentionSurvival(**QUICK).fit(X, cohort.y)
    return ECGReportPretrainer(max_epochs=2, random_state=0).fit(X, cohort.scp_codes)


@pytest.mark.parametrize("kind", ["survival", "pretraining"])
@pytest.mark.parametrize("height", [1e25, 1e37])
def test_an_ecg_that_drives_training_out_of_bounds_is_named(cohort, kind, height):
    X = np.array(cohort.X)
    X[17, 2, 5::20] = height
    with pytest.raises((FloatingPointError, ValueError), match=r"X\[17\].*leave"):
        _fitted(kind, cohort, X)


def test_the_ecgs_that_stand_out_are_named_the_highest_first():
    X = np.random.default_rng(0).normal(size=(600, 2, 50)).astype(np.float32)
    X[[3, 299, 580], 1, 7] = 1e9, -1e12, 1e5
    X[4, 0] = np.nan
    text = remedy(X, 0.1)
    assert "X[299] (1e+12 mV), X[3] (1e+09 mV), X[580] (1e+05 mV)" in text
    assert "lr" not in text
    X[:50, 0, 0] = 1e6
    assert "and 47 more" in remedy(X, 0.1)
    assert "Lower lr (now 0.1)" in remedy(np.ones_like(X), 0.1)


def test_a_model_whose_validation_is_not_finite_is_none(cohort, monkeypatch):
    monkeypatch.setattr(ECGNet, "scores", lambda *_: {"loss": np.nan})
    with pytest.raises(FloatingPointError, match="validation loss became nan"):
        DualAttentionSurvival(**QUICK).fit(cohort.X, cohort.y)


def test_what_is_learned_of_the_outputs_is_finite_or_refused(cohort, monkeypatch):
    monkeypatch.setattr(
        DualAttentionSurvival, "_outputs", lambda *_: np.full((1, 120, 1), 1e308)
    )
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="means_"):
        DualAttentionSurvival(**QUICK).fit(cohort.X, cohort.y)

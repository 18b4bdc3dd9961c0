"""The published network: its names, sizes, outputs, oddities and checkpoints."""

import json
import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from golden.make_paper_network import outputs
from safetensors.torch import load_file

from ecgdan_sk.paper_network import (
    PaperAutoencoder,
    PaperRiskHead,
    load_published_checkpoint,
)

NO_LEAD = {"lead_attention": False}
NO_TIME = {"temporal_attention": False}
TOLERANCES = {
    "latent": 2e-4,
    "reconstruction": 1e-4,
    "log_risk": 2e-5,
    "lead_attention": 1e-6,
    "temporal_attention": 1e-6,
}


def build(n_times=64, **options):
    torch.manual_seed(0)
    return PaperAutoencoder(n_times, **options).eval()


def ecgs(n_samples=3, n_times=64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n_samples, 12, n_times, generator=generator)


def size(module):
    return sum(p.numel() for p in module.parameters())


# Sizes and names


@pytest.mark.parametrize(
    ("options", "total", "encoder"),
    [
        ({}, 1_385_106, 1_274_536),
        ({"sequential": True}, 1_385_106, 1_274_536),
        (NO_LEAD, 272_770, 162_200),
        (NO_TIME, 1_345_746, 1_235_176),
        (NO_LEAD | NO_TIME, 233_410, 122_840),
        ({"n_times": 1024}, 3_579_142, 3_313_976),
    ],
)
def test_sizes_are_the_published_ones(options, total, encoder):
    network = PaperAutoencoder(**options)
    assert (size(network), size(network.encoder)) == (total, encoder)


def test_sizes_of_the_parts():
    network = PaperAutoencoder()
    encoder, attention = network.encoder, network.encoder.attention
    assert size(encoder.input_conv) == 12_048
    assert [size(block) for block in encoder.encoder] == [552, 2128, 2896, 2896, 2896]
    assert size(attention.time_mha) == 12 * 1_088
    assert size(attention.time_mlp) == 12 * 2_128
    assert size(attention.lead_mha) == 370_880
    assert size(attention.lead_mlp) == 740_848
    assert (
        size(attention.attention_pool_1) == size(attention.attention_pool_2) == 49_408
    )
    assert size(network.decoder) == 110_570
    assert [size(block) for block in network.decoder.decoder] == [260] * 5 + [34]
    assert size(PaperRiskHead()) == 2_573


def published_names():
    """Names of all weights, written down from the description of the paper."""
    affine = ["weight", "bias"]
    norm = [*affine, "running_mean", "running_var", "num_batches_tracked"]
    mha = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    mlp = [f"{layer}.{name}" for layer in ("fc1", "fc2") for name in affine]
    main = ["conv1.weight", "conv2.weight"]
    main += [f"{bn}.{name}" for bn in ("bn1", "bn2") for name in norm]
    groups = {f"encoder.input_conv.{i}": affine for i in (0, 1, 3, 4)}
    skip = [f"idfunc_1.{name}" for name in affine]
    groups |= {f"encoder.encoder.{i}": main + skip for i in range(5)}
    for i in range(12):
        groups[f"encoder.attention.time_mha.{i}"] = mha
        groups[f"encoder.attention.time_norm_1.{i}"] = affine
        groups[f"encoder.attention.mlp_norm_1.{i}"] = affine
        groups[f"encoder.attention.time_mlp.{i}"] = mlp
    groups["encoder.attention.lead_mha"] = mha
    groups["encoder.attention.lead_mlp"] = mlp
    for name in ("lead_norm_1", "norm2", "attention_pool_1.1", "attention_pool_2.1"):
        groups[f"encoder.attention.{name}"] = affine
    up = ["idfunc_0.weight", "idfunc_0.bias", "idfunc_1.weight"]
    groups |= {f"decoder.decoder.{i}": main + up for i in range(5)}
    groups["decoder.decoder.5"] = main + skip
    for name in ("linear.0", "linear.1", "final_conv.0"):
        groups[f"decoder.{name}"] = affine
    return {f"{group}.{name}" for group, names in groups.items() for name in names}


def test_weights_have_their_published_names():
    assert set(PaperAutoencoder().state_dict()) == published_names()
    assert {name.split(".")[1] for name in PaperRiskHead().state_dict()} == set("0246")


@pytest.mark.parametrize(
    ("options", "gone"), [(NO_LEAD, ["lead_"]), (NO_TIME, ["time_", "mlp_norm_1"])]
)
def test_an_ablation_drops_its_branch_and_keeps_norm2(options, gone):
    names = set(build(608, **options).state_dict())
    dropped = tuple(f"encoder.attention.{prefix}" for prefix in gone)
    assert names == {name for name in published_names() if not name.startswith(dropped)}
    assert "encoder.attention.norm2.weight" in names


# Outputs


@pytest.mark.realdata
def test_outputs_are_those_of_the_published_network(ecgdan_data):
    path = ecgdan_data.parent / "golden" / "paper_network_608.safetensors"
    if not path.is_file():
        pytest.skip(f"no published weights in {path}")
    golden = load_file(path)

    def below(prefix):
        names = (name for name in golden if name.startswith(prefix))
        return {name.removeprefix(prefix): golden[name] for name in names}

    network, head = PaperAutoencoder().eval(), PaperRiskHead().eval()
    network.load_state_dict(below("state."))
    head.load_state_dict(below("head."))
    with torch.no_grad():
        latent = network.encoder(golden["input.x"])
        lead, temporal = network.encoder.attention_maps(golden["input.x"])
        found = {
            "latent": latent,
            "reconstruction": network.decoder(latent),
            "log_risk": head(latent),
            "lead_attention": lead,
            "temporal_attention": temporal,
        }
    for name, atol in TOLERANCES.items():
        torch.testing.assert_close(
            found[name], below("output.")[name], rtol=0, atol=atol
        )


def test_outputs_stay_as_they_were_when_they_matched():
    path = Path(__file__).parent / "golden" / "paper_network.json"
    golden = json.loads(path.read_text(encoding="utf-8"))["outputs"]
    for name, found in outputs().items():
        expected = torch.tensor(golden[name])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=TOLERANCES[name])


def loop_over_time(attention, h):
    """The temporal branch as published: one transformer of torch after the other."""
    outs, maps = [], []
    for i in range(12):
        s = h[:, :, i].permute(2, 0, 1) + attention.time_code.code[:, None]
        normed = attention.time_norm_1[i](s)
        a, weights = attention.time_mha[i](normed, normed, normed)
        mlp, u = attention.time_mlp[i], s + a
        outs.append(u + mlp.fc2(F.gelu(mlp.fc1(attention.mlp_norm_1[i](u)))))
        maps.append(weights)
    return torch.stack(outs).permute(2, 3, 0, 1), torch.stack(maps, 1)


def lead_branch(attention, h):
    """The lead branch as published, by a transformer of torch."""
    s = h.transpose(1, 2).flatten(2).transpose(0, 1) + attention.lead_code.code[:, None]
    normed = attention.norm2(s)
    a, weights = attention.lead_mha(normed, normed, normed)
    mlp, u = attention.lead_mlp, s + a
    out = u + mlp.fc2(F.gelu(mlp.fc1(attention.lead_norm_1(u))))
    return out.transpose(0, 1).unflatten(2, (16, -1)).transpose(1, 2), weights


def pooled(attention, h):
    """Average and maximum over time of two linear maps of the 16 x 12 channels."""
    flat = h.reshape(len(h), 192, -1)
    pool_1, pool_2 = attention.attention_pool_1[1], attention.attention_pool_2[1]
    return torch.cat([pool_1(flat).mean(2), pool_2(flat).max(2).values], 1)


def perturbed_attention(**options):
    """An attention whose norms and biases differ from their trivial start."""
    attention = build(**options).encoder.attention
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in attention.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    return attention


@pytest.mark.parametrize("n_samples", [1, 33, 64])
def test_twelve_at_once_equal_a_loop_over_twelve(n_samples):
    attention = perturbed_attention()
    h = torch.randn(n_samples, 16, 12, 2)
    with torch.no_grad():
        out, maps = loop_over_time(attention, h)
        torch.testing.assert_close(attention._over_time(h), out)
        torch.testing.assert_close(attention.maps(h)[1], maps)


@pytest.mark.parametrize(
    ("options", "combine"),
    [
        ({}, lambda h, time, lead: time + lead(h)),
        ({"sequential": True}, lambda h, time, lead: lead(time)),
        (NO_LEAD, lambda h, time, lead: 2 * time),
        (NO_TIME, lambda h, time, lead: lead(h) + h),
        (NO_LEAD | NO_TIME, lambda h, time, lead: 2 * h),
    ],
)
def test_branches_are_joined_as_published(options, combine):
    attention = perturbed_attention(**options)
    h = torch.randn(5, 16, 12, 2)
    with torch.no_grad():
        time = loop_over_time(attention, h)[0] if attention.temporal else None
        joined = combine(h, time, lambda h: lead_branch(attention, h)[0])
        torch.testing.assert_close(attention(h), pooled(attention, joined))


@pytest.mark.parametrize("sequential", [False, True])
def test_lead_map_is_that_of_what_the_lead_branch_reads(sequential):
    attention = perturbed_attention(sequential=sequential)
    h = torch.randn(5, 16, 12, 2)
    with torch.no_grad():
        read = loop_over_time(attention, h)[0] if sequential else h
        torch.testing.assert_close(
            attention.maps(h)[0], lead_branch(attention, read)[1]
        )


def test_attention_maps_have_rows_that_sum_to_one():
    lead, temporal = build(608).encoder.attention_maps(ecgs(3, 608))
    assert lead.shape == (3, 12, 12)
    assert temporal.shape == (3, 12, 19, 19)
    torch.testing.assert_close(lead.sum(-1), torch.ones(3, 12))
    torch.testing.assert_close(temporal.sum(-1), torch.ones(3, 12, 19))


def test_a_branch_that_is_off_has_no_map():
    lead, temporal = build(**NO_LEAD).encoder.attention_maps(ecgs())
    assert lead is None
    assert temporal.shape == (3, 12, 2, 2)
    assert build(**NO_TIME).encoder.attention_maps(ecgs())[1] is None


def test_an_ecg_does_not_depend_on_its_neighbours():
    network, x = build(), ecgs(40)
    with torch.no_grad():
        torch.testing.assert_close(
            network(x)[35:36], network(x[35:36]), atol=1e-4, rtol=0
        )
        latent = network.encoder(x)[:5]
        torch.testing.assert_close(latent, network.encoder(x[:5]), atol=2e-4, rtol=0)


def test_forward_stores_nothing():
    network = build()
    before = pickle.dumps(network)
    network(ecgs())
    network.encoder.attention_maps(ecgs())
    assert pickle.dumps(network) == before


def test_reconstructed_leads_are_standardised():
    out = build()(ecgs())
    assert out.shape == (3, 12, 64)
    torch.testing.assert_close(out.mean(2), torch.zeros(3, 12), atol=1e-4, rtol=0)
    assert (out.std(2, correction=0) <= 1 + 1e-5).all()


def test_every_weight_learns():
    network, head = build().train(), PaperRiskHead()
    latent = network.encoder(ecgs(8))
    (network.decoder(latent).square().sum() + head(latent).sum()).backward()
    assert all(p.grad.any() for p in [*network.parameters(), *head.parameters()])


def test_the_published_rows_are_not_leads():
    encoder = build().encoder
    # Without the mixing of the second convolution, the view alone permutes the leads.
    torch.nn.init.dirac_(encoder.input_conv[3].weight)
    x = ecgs()
    for lead in range(12):
        changed = x.clone()
        changed[:, lead] *= -2
        rows = (encoder._trunk(changed) != encoder._trunk(x)).any(3).any(1).any(0)
        assert rows.tolist() == [lead % 3 == row // 4 for row in range(12)]


# Training


def shared_axes(dropout, shape):
    """Axes along which one mask serves all."""
    out = dropout.train()(torch.ones(shape))
    kept = out.unique()
    torch.testing.assert_close(kept, torch.tensor([0.0, 1 / (1 - dropout.p)]))
    axes = [axis for axis in range(out.ndim) if out.shape[axis] > 1]
    return [axis for axis in axes if (out == out.narrow(axis, 0, 1)).all()]


@pytest.mark.parametrize("flag", [False, True])
def test_dropout_masks_are_shared_as_published(flag):
    attention = build(batchwise_dropout=flag).encoder.attention
    time, lead = (12, 30, 19, 16), (1, 30, 12, 304)  # the patients on axis 1
    assert shared_axes(attention.time_code.dropout, time) == ([] if flag else [1])
    assert shared_axes(attention.time_dropout, time) == ([2] if flag else [])
    assert shared_axes(attention.lead_code.dropout, lead) == [1]
    assert shared_axes(attention.lead_dropout, lead) == []
    assert shared_axes(attention.pool_dropout, (30, 16, 12, 19)) == (
        [0] if flag else []
    )
    assert shared_axes(PaperRiskHead().model[1], (30, 512)) == [0]


def test_dropout_rates():
    attention = build().encoder.attention
    rates = {m.p for m in attention.modules() if "Dropout" in type(m).__name__}
    assert rates == {0.2}
    assert PaperRiskHead().model[1].p == 0.25


@pytest.mark.parametrize(
    ("options", "n_calls"),
    [
        ({}, {"time_code": 1, "time_dropout": 2, "lead_code": 1, "lead_dropout": 2}),
        (NO_LEAD, {"time_code": 1, "time_dropout": 2}),
        (NO_TIME, {"lead_code": 1, "lead_dropout": 2}),
        (NO_LEAD | NO_TIME, {"pool_dropout": 1}),
    ],
)
def test_dropout_acts_at_the_published_sites(options, n_calls):
    attention = build(**options).encoder.attention
    calls = []
    for name, module in attention.named_children():
        if name.endswith(("dropout", "code")):
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    attention(torch.randn(2, 16, 12, 2))
    assert {name: calls.count(name) for name in calls} == n_calls


def test_the_head_compares_patients_by_the_same_features():
    head = PaperRiskHead().train()
    torch.manual_seed(0)
    z = torch.randn(1, 512).expand(6, 512) + 1e-3 * torch.randn(6, 512)
    dropped = head.model[1](head.model[0](z)) == 0
    assert (dropped == dropped[0]).all()
    assert 0.15 < dropped[0].float().mean() < 0.35


def test_the_start_is_the_published_one():
    torch.manual_seed(0)
    encoder = PaperAutoencoder().encoder
    conv, attention = encoder.input_conv[3], encoder.attention
    assert conv.weight.std().item() == pytest.approx((2 / (5 * 48)) ** 0.5, rel=0.03)
    assert conv.bias.abs().max() > 0
    for linear in (attention.lead_mlp.fc1, attention.lead_mha.out_proj):
        bound = (6 / (linear.in_features + linear.out_features)) ** 0.5
        assert linear.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert not linear.bias.any()
    head = PaperRiskHead().model[2].weight
    assert head.abs().max().item() == pytest.approx((6 / 515) ** 0.5, rel=0.03)


# Errors


@pytest.mark.parametrize(
    ("n_times", "nearest"), [(600, 608), (1000, 992), (5000, 4992), (10, 32), (0, 32)]
)
def test_a_length_that_cannot_be_halved_names_the_nearest(n_times, nearest):
    with pytest.raises(ValueError, match=f"got {n_times}; the nearest is {nearest}"):
        PaperAutoencoder(n_times)


def test_other_shapes_are_refused():
    encoder = build(608).encoder
    for shape in [(2, 12, 640), (2, 8, 608), (12, 608)]:
        with pytest.raises(ValueError, match="Expected ECGs of shape .* 12, 608"):
            encoder(torch.zeros(shape))


@pytest.mark.parametrize("options", [NO_LEAD, NO_TIME, NO_LEAD | NO_TIME])
def test_an_ablation_has_no_order(options):
    with pytest.raises(ValueError, match="Set sequential=False"):
        PaperAutoencoder(sequential=True, **options)


# Checkpoints


def lightning_checkpoint(path, state):
    """A file as Lightning writes it."""
    content = {
        "epoch": 299,
        "global_step": 10200,
        "pytorch-lightning_version": "2.0.3",
        "state_dict": state,
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-3}]}],
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.1)}},
        "hyper_parameters": {"batch_size": 128},
    }
    torch.save(content, path)
    return path


def under(prefix, module):
    return {prefix + name: value for name, value in module.state_dict().items()}


def assert_same_weights(one, other):
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    "options", [{}, {"n_times": 128}, NO_LEAD, NO_TIME, NO_LEAD | NO_TIME]
)
def test_checkpoint_of_pretraining(tmp_path, options):
    network = build(**options)
    projector = under("ecg_projector.", torch.nn.Linear(512, 256))
    state = under("network.", network) | projector
    path = lightning_checkpoint(tmp_path / "pretrained.ckpt", state)
    loaded, head = load_published_checkpoint(path)
    assert head is None
    assert not loaded.training
    assert_same_weights(loaded, network)
    x = ecgs(n_times=options.get("n_times", 64))
    torch.testing.assert_close(loaded(x), network(x))


def test_checkpoint_of_finetuning(tmp_path):
    network, head = build(), PaperRiskHead()
    state = under("", network) | under("downsteam_net.", head)
    path = lightning_checkpoint(tmp_path / "finetuned.ckpt", state)
    options = {"sequential": True, "batchwise_dropout": True}
    loaded, loaded_head = load_published_checkpoint(str(path), **options)
    assert loaded.encoder.attention.sequential
    assert not loaded_head.training
    assert_same_weights(loaded, network)
    assert_same_weights(loaded_head, head)


@pytest.mark.parametrize("size", [0, 1, 4, 1_000, 100_000, -1_000, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path, size):
    path = lightning_checkpoint(tmp_path / "cut.ckpt", under("network.", build()))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="cut.ckpt cannot be read .* damaged"):
        load_published_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"layer.weight": torch.ones(3)}},
        {"state_dict": {}},
        {"state_dict": {"decoder.linear.1.weight": torch.ones(96, 8)}},
        {"state_dict": {"decoder.linear.1.weight": torch.tensor(1.0)}},
        {"state_dict": {"decoder.linear.1.weight": "text"}},
        {"epoch": 3},
    ],
)
def test_a_foreign_checkpoint_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "foreign.ckpt")
    with pytest.raises(ValueError, match="Expected the weights of the paper's network"):
        load_published_checkpoint(tmp_path / "foreign.ckpt")


@pytest.mark.parametrize("content", [[1, 2], "text", torch.ones(3)])
def test_what_holds_no_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_published_checkpoint(tmp_path / "other.ckpt")


def test_a_missing_or_misshapen_weight_is_named(tmp_path):
    state = under("network.", build())
    del state["network.encoder.attention.time_mha.7.in_proj_bias"]
    path = lightning_checkpoint(tmp_path / "less.ckpt", state)
    with pytest.raises(ValueError, match=r"attention\.time_mha\.7\.in_proj_bias"):
        load_published_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        load_published_checkpoint(tmp_path / "none.ckpt")


class Hostile:
    """Unpickling it would write a file."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("writer", ["torch", "legacy", "pickle"])
@pytest.mark.parametrize("place", ["state", "beside"])
def test_code_in_a_checkpoint_never_runs(tmp_path, writer, place):
    path, trace = tmp_path / "hostile.ckpt", tmp_path / "trace"
    content = {"state_dict": under("network.", build())}
    (content["state_dict"] if place == "state" else content)["x"] = Hostile(trace)
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
    with pytest.raises(ValueError, match="refused because they could run code"):
        load_published_checkpoint(path)
    assert not trace.exists()
    if writer == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert trace.exists()  # the file was a danger indeed

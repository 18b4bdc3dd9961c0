"""The compact network: shapes, masks, and that a lead stays a lead."""

import pytest
import torch

from ecgdan_sk.network import (
    Encoder,
    HeadedEncoder,
    LeadAttention,
    LinearRisk,
    TemporalAttention,
    Trunk,
    present_leads,
)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(n_leads=12).eval()


@pytest.fixture
def x():
    return torch.randn(3, 12, 320, generator=torch.Generator().manual_seed(1))


def lead_tokens(encoder, x):
    """One token per lead, each from its own lead alone."""
    return encoder.temporal(encoder.trunk(encoder.scaled(x)))


@pytest.mark.parametrize("n_times", [100, 608, 4992])
def test_size_does_not_depend_on_the_length(n_times):
    torch.manual_seed(0)
    net = HeadedEncoder(Encoder(12), LinearRisk(64)).eval()
    assert net(torch.randn(2, 12, n_times)).shape == (2,)
    assert sum(p.numel() for p in net.parameters()) <= 350_000


def test_perturbing_a_lead_changes_no_other_token(encoder, x):
    before = lead_tokens(encoder, x)
    for lead in range(12):
        perturbed = x.clone()
        perturbed[:, lead] += torch.randn(3, 320)
        changed = (lead_tokens(encoder, perturbed) != before).any(2).any(0)
        assert changed.tolist() == [i == lead for i in range(12)]


def test_perturbing_a_lead_changes_no_other_temporal_attention(encoder, x):
    def attention(x):
        return encoder.temporal.attention(encoder.trunk(x))

    before, perturbed = attention(x), x.clone()
    perturbed[:, 4] *= 2
    changed = (attention(perturbed) != before).any(3).any(2).any(0)
    assert changed.tolist() == [i == 4 for i in range(12)]


def test_leads_meet_in_the_cross_lead_attention(encoder, x):
    tokens = lead_tokens(encoder, x).detach().requires_grad_()
    encoder.across_leads(tokens, present_leads(x))[:, 3].sum().backward()
    assert (tokens.grad.abs().amax((0, 2)) > 0).all()


def test_an_absent_lead_is_masked_not_zero(encoder, x):
    absent, other = x.clone(), x.clone()
    absent[:, 5] = torch.nan
    assert torch.isfinite(encoder(absent)).all()
    assert not torch.allclose(encoder(absent), encoder(x))
    # Whatever is recorded there, a masked lead has no say.
    other[:, 5] = 7 * torch.randn(3, 320)
    present = present_leads(absent)
    torch.testing.assert_close(encoder(other, present), encoder(absent))


def test_voltage_is_kept_and_offset_is_not(encoder, x):
    assert not torch.allclose(encoder(2 * x), encoder(x), atol=1e-3)
    torch.testing.assert_close(encoder(x + 1), encoder(x), atol=1e-4, rtol=1e-4)


def test_temporal_attention_rows_sum_to_one_and_pool():
    torch.manual_seed(0)
    layer = TemporalAttention(n_leads=5, n_channels=16, n_heads=4)
    x = torch.randn(2, 16, 5, 30)
    weights = layer.attention(x)
    assert weights.shape == (2, 5, 4, 30)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5, 4))
    # The module of one lead, written out.
    lead, head = 3, 2
    value = x[:, :, lead].mT @ layer.to_value[lead][:, 4 * head : 4 * head + 4]
    expected = (weights[:, lead, head, :, None] * value).sum(1)
    torch.testing.assert_close(
        layer(x)[:, lead, 4 * head : 4 * head + 4], expected, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("n_times", [8, 101, 608, 1000])
@pytest.mark.parametrize("training", [False, True])
def test_a_trunk_computes_what_its_layers_say(n_times, training):
    torch.manual_seed(0)
    trunk = Trunk(8).double()
    x = torch.randn(3, 5, n_times, dtype=torch.float64)
    trunk(x)  # statistics that are not those of the start
    trunk.train(training)
    # The same written out: an asinh, and a normalisation after each convolution.
    wide = trunk.norm(trunk.stem(torch.stack([x, torch.asinh(10 * x)], dim=1))).relu()
    block = trunk.block
    out = block.norm_1(block.conv_1(wide)).relu()
    out = block.norm_2(block.conv_2(out)) + block.widen(block.pool(wide))
    torch.testing.assert_close(trunk(x), out.relu(), atol=1e-10, rtol=1e-10)


def test_gates_are_those_of_gated_attention():
    torch.manual_seed(0)
    layer = TemporalAttention(n_leads=5, n_channels=8, n_heads=2).double()
    torch.nn.init.normal_(layer.gate_bias)
    x = torch.randn(3, 8, 5, 30, dtype=torch.float64)
    lead = 3
    gate = x[:, :, lead].mT @ layer.to_gate[lead] + layer.gate_bias[lead]
    signal, valve = gate.chunk(2, dim=2)
    scores = (signal.tanh() * valve.sigmoid()) @ layer.to_score[lead]
    torch.testing.assert_close(layer.attention(x)[:, lead], scores.softmax(1).mT)


def test_the_gradient_by_the_ecg_is_right_where_it_is_zero():
    torch.manual_seed(0)
    trunk = Trunk(8).double().eval()
    x = torch.randn(1, 2, 24, dtype=torch.float64)
    x[:, 0, ::3] = 0.0
    assert torch.autograd.gradcheck(trunk, x.requires_grad_())


def test_lead_attention_gives_absent_leads_no_weight():
    torch.manual_seed(0)
    layer = LeadAttention(n_leads=12, n_channels=16)
    present = torch.ones(2, 12, dtype=torch.bool)
    present[0, 4:] = False
    weights = layer.attention(torch.randn(2, 12, 16), present)
    assert weights.shape == (2, 4, 12, 12)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 12))
    assert (weights[0, ..., 4:] == 0).all()


def test_lead_attention_equals_torch_multihead_attention():
    torch.manual_seed(0)
    layer = LeadAttention(n_leads=6, n_channels=16)
    reference = torch.nn.MultiheadAttention(16, 4, batch_first=True, bias=False)
    with torch.no_grad():
        reference.in_proj_weight.copy_(layer.to_qkv.weight)
    tokens = torch.randn(2, 6, 16)
    normed = layer.norm_1(tokens + layer.embedding)
    _, weights = reference(normed, normed, normed, average_attn_weights=False)
    attention = layer.attention(tokens, torch.ones(2, 6, dtype=torch.bool))
    torch.testing.assert_close(attention, weights)


@pytest.mark.parametrize("lead_attention", [True, False])
@pytest.mark.parametrize("temporal_attention", [True, False])
def test_ablations_switch_off_what_they_name(lead_attention, temporal_attention, x):
    torch.manual_seed(0)
    encoder = Encoder(
        12, lead_attention=lead_attention, temporal_attention=temporal_attention
    ).eval()
    assert encoder(x).shape == (3, 64)
    assert hasattr(encoder.temporal, "attention") is temporal_attention
    assert (encoder.across_leads is not None) is lead_attention


def test_an_encoder_tells_the_parameters_of_a_lead(encoder):
    shapes = {name: p.shape for name, p in encoder.named_parameters()}
    named = encoder.lead_parameters()
    assert named == [name for name, shape in shapes.items() if shape[0] == 12]
    assert "across_leads.embedding" in named


def test_dropout_leaves_out_the_same_features_for_the_whole_batch():
    torch.manual_seed(0)
    net = HeadedEncoder(Encoder(12), LinearRisk(64, dropout=0.5)).eval()
    net.head.train()
    x = torch.randn(1, 12, 100).repeat(8, 1, 1)
    draws = torch.stack([net(x) for _ in range(5)])
    assert (draws.amax(1) - draws.amin(1)).max() < 1e-5
    assert len(draws[:, 0].unique()) > 1

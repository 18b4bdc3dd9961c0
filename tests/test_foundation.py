"""Foundation models: keys, forward passes and preparation against plain references.

The references are written from what the publications and their repositories say:
functions of tensors by their published names, and loops over leads.
"""

import argparse
import pickle
import re
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from scipy import signal
from sklearn.base import clone

from ecgdan_sk import encoders
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.encoders._foundation import _cards, _encoder
from ecgdan_sk.encoders._foundation._networks import new_network
from ecgdan_sk.encoders._foundation._signals import leads_of, prepared
from ecgdan_sk.encoders._foundation._weights import matched
from ecgdan_sk.records import LEADS, ECGRecords

NAMES = encoders.foundation_names()


@pytest.fixture(scope="module")
def X():
    """Three ECGs of 10 s at 500 Hz, in mV."""
    return make_ecg_cohort(3, sampling_rate=500, random_state=3).X


@pytest.fixture(scope="module")
def clef_file(tmp_path_factory):
    """Random weights of CLEF small in a file like the published one."""
    keys = published_keys("clef-small")
    path = tmp_path_factory.mktemp("clef") / "clef_small.ckpt"
    torch.save({"state_dict": random_tensors(keys)}, path)
    return path


# --- keys and shapes, as published ------------------------------------------------


def net1d_keys(prefix, n_leads, base, filters, blocks, ratio, group_width, kernel=16):
    """Names and shapes of Net1D, with norms and a last layer that are not used."""

    def conv(name, n_outputs, n_inputs, kernel):
        keys[f"{name}.conv.weight"] = (n_outputs, n_inputs, kernel)
        keys[f"{name}.conv.bias"] = (n_outputs,)

    def linear(name, n_outputs, n_inputs):
        keys[f"{name}.weight"], keys[f"{name}.bias"] = (
            (n_outputs, n_inputs),
            (n_outputs,),
        )

    keys, before = {}, base
    conv(f"{prefix}first_conv", base, n_leads, kernel)
    keys |= norm_keys(f"{prefix}first_bn", base)
    for i, (width, n_blocks) in enumerate(zip(filters, blocks)):
        middle = int(width * ratio)
        for j in range(n_blocks):
            block = f"{prefix}stage_list.{i}.block_list.{j}"
            keys |= norm_keys(f"{block}.bn1", before)
            conv(f"{block}.conv1", middle, before, 1)
            keys |= norm_keys(f"{block}.bn2", middle)
            conv(f"{block}.conv2", middle, middle // (width // group_width), kernel)
            keys |= norm_keys(f"{block}.bn3", middle)
            conv(f"{block}.conv3", width, middle, 1)
            linear(f"{block}.se_fc1", width // 2, width)
            linear(f"{block}.se_fc2", width, width // 2)
            before = width
    return keys


def norm_keys(name, n):
    own = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (n,))
    return {f"{name}.{k}": v for k, v in {**own, "num_batches_tracked": ()}.items()}


def resnet_keys(n_leads, width=64):
    keys = {"conv1.weight": (width, n_leads, 7), **norm_keys("bn1", width)}
    before = width
    for i, after in enumerate([width, 2 * width, 4 * width, 8 * width], start=1):
        for j in range(2):
            name = f"layer{i}.{j}"
            keys[f"{name}.conv1.weight"] = (after, before, 3)
            keys |= norm_keys(f"{name}.bn1", after)
            keys[f"{name}.conv2.weight"] = (after, after, 3)
            keys |= norm_keys(f"{name}.bn2", after)
            if before != after:
                keys[f"{name}.shortcut.0.weight"] = (after, before, 1)
                keys |= norm_keys(f"{name}.shortcut.1", after)
            before = after
    return {**keys, "linear.weight": (5, 8 * width), "linear.bias": (5,)}


def affine(name, *shape):
    """A linear map, or a norm of one width."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def jepa_keys(n_leads, n_patches, patch, width, depth, n_heads):
    keys = {"pos_embed": (n_leads * n_patches, width), **affine("W_P", width, patch)}
    for i in range(depth):
        name = f"encoder_blocks.blocks.{i}"
        keys |= affine(f"{name}.norm1", width) | affine(f"{name}.norm2", width)
        keys[f"{name}.attn.qkv.weight"] = (3 * width, width)
        keys |= affine(f"{name}.attn.proj", width, width)
        keys |= affine(f"{name}.mlp.fc1", 4 * width, width)
        keys |= affine(f"{name}.mlp.fc2", width, 4 * width)
    return keys | affine("norm", width)


def stmem_keys(n_leads, n_patches, patch, width, depth, n_heads):
    keys = {"pos_embedding": (1, n_patches + 2, width), "sep_embedding": (width,)}
    keys |= {f"lead_embeddings.{i}": (width,) for i in range(n_leads)}
    keys |= affine("to_patch_embedding.1", patch)
    keys |= affine("to_patch_embedding.2", width, patch)
    keys |= affine("to_patch_embedding.3", width)
    for i in range(depth):
        name = f"block{i}"
        keys |= affine(f"{name}.attn.norm", width) | affine(f"{name}.ff.norm", width)
        keys |= affine(f"{name}.attn.fn.to_qkv", 3 * width, width)
        keys |= affine(f"{name}.attn.fn.to_out.0", width, width)
        keys |= affine(f"{name}.ff.fn.net.0", 4 * width, width)
        keys |= affine(f"{name}.ff.fn.net.3", width, 4 * width)
    return keys | affine("norm", width)


def hubert_keys(
    hidden_size, num_hidden_layers, intermediate_size, conv_dim, conv_kernel, **others
):
    n, keys, before = hidden_size, {"masked_spec_embed": (hidden_size,)}, 1
    for i, (width, kernel) in enumerate(zip(conv_dim, conv_kernel)):
        name = f"feature_extractor.conv_layers.{i}"
        keys[f"{name}.conv.weight"], before = (width, before, kernel), width
    keys |= affine("feature_extractor.conv_layers.0.layer_norm", conv_dim[0])
    keys |= affine("feature_projection.layer_norm", before)
    keys |= affine("feature_projection.projection", n, before)
    name = "encoder.pos_conv_embed.conv"
    keys |= {f"{name}.bias": (n,), f"{name}.weight_g": (1, 1, 128)}
    keys |= {f"{name}.weight_v": (n, n // 16, 128)} | affine("encoder.layer_norm", n)
    for i in range(num_hidden_layers):
        name = f"encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            keys |= affine(f"{name}.attention.{part}", n, n)
        keys |= affine(f"{name}.layer_norm", n) | affine(f"{name}.final_layer_norm", n)
        keys |= affine(f"{name}.feed_forward.intermediate_dense", intermediate_size, n)
        keys |= affine(f"{name}.feed_forward.output_dense", n, intermediate_size)
    keys |= affine("final_proj.0", 256, n)
    return {**keys, "label_embedding.0.weight": (100, 256)}


KEYS = {
    "net1d": lambda **sizes: net1d_keys("", **sizes),
    "resnet18": resnet_keys,
    "jepa": jepa_keys,
    "st-mem": stmem_keys,
    "hubert": hubert_keys,
}


def published_keys(name, card=None):
    sizes = dict((card or encoders.foundation_card(name))["network"])
    keys = KEYS[sizes.pop("kind")](**sizes)
    if name == "clef-small":
        return {f"backbone.{key}": shape for key, shape in keys.items()}
    return keys


def random_tensors(keys, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in keys.items():
        value = torch.randn(shape, generator=generator)
        if name.endswith(("running_var", "weight_g")):
            value = value.abs() + 0.5
        if len(shape) > 1:
            value = value / value[0].numel() ** 0.5
        tensors[name] = value
    return tensors


# The sizes that the publications state.
LISTED = {
    "clef-small": {"stage_list.5.block_list.1.conv3.conv.weight": (256, 128, 1)},
    "ecg-jepa": {
        "encoder_blocks.blocks.11.attn.qkv.weight": (2304, 768),
        "pos_embed": (400, 768),
        "W_P.weight": (768, 50),
    },
    "ecgfounder": {
        "first_conv.conv.weight": (64, 12, 16),
        "stage_list.6.block_list.3.conv2.conv.weight": (1024, 16, 16),
    },
    "hubert-ecg-base": {"encoder.layers.11.attention.q_proj.weight": (768, 768)},
    "hubert-ecg-small": {"encoder.layers.7.attention.q_proj.weight": (512, 512)},
    "merl-resnet18": {"layer4.1.conv2.weight": (512, 512, 3)},
    "st-mem": {
        "block11.ff.fn.net.0.weight": (3072, 768),
        "pos_embedding": (1, 32, 768),
        "to_patch_embedding.2.weight": (768, 75),
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes_are_those_published(name):
    card, keys = encoders.foundation_card(name), published_keys(name)
    bare = {key.removeprefix("backbone."): shape for key, shape in keys.items()}
    assert LISTED[name].items() <= bare.items()
    with torch.device("meta"):
        expected = new_network(card).state_dict()
        found = {key: torch.empty(shape) for key, shape in keys.items()}
    assert matched(found, expected, "file", card).keys() == expected.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_is_needed(name):
    card = encoders.foundation_card(name)
    assert set(card["leads"]) <= set(LEADS)
    assert card["licence"]
    assert card["source"].startswith("https://")
    assert (card["commercial_use"] is False) == ("NC" in card["licence"])
    assert re.search(r"\(20\d\d\)", card["citation"])


# --- forward passes -----------------------------------------------------------------

SMALL = {
    "clef-small": {"base": 8, "filters": [8, 16, 24], "blocks": [1, 2, 1]},
    "ecg-jepa": {"width": 16, "depth": 2, "n_heads": 2},
    "ecgfounder": {"base": 8, "filters": [8, 16, 32], "blocks": [2, 1, 2]},
    "hubert-ecg-small": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "conv_dim": [16] * 5,
    },
    "merl-resnet18": {"width": 8},
    "st-mem": {"width": 16, "depth": 2, "n_heads": 2},
}
GROUP_WIDTHS = {"clef-small": 8, "ecgfounder": 8}


def small_card(name):
    card = encoders.foundation_card(name)
    card["network"].update(SMALL[name])
    if name in GROUP_WIDTHS:
        card["network"]["group_width"] = GROUP_WIDTHS[name]
    return card


def net1d_reference(w, x, card):
    sizes, w = card["network"], {k.removeprefix("backbone."): v for k, v in w.items()}

    def swish(x):
        return x * torch.sigmoid(x)

    def conv(x, name, stride=1, groups=1):
        weight = w[f"{name}.conv.weight"]
        steps = -(-x.shape[-1] // stride)
        missing = max(0, (steps - 1) * stride + weight.shape[-1] - x.shape[-1])
        left = missing // 2
        zeros = [torch.zeros(*x.shape[:2], n) for n in (left, missing - left)]
        x = torch.cat([zeros[0], x, zeros[1]], -1)
        return F.conv1d(x, weight, w[f"{name}.conv.bias"], stride, groups=groups)

    x = swish(conv(x, "first_conv", 2))
    for i, (width, n) in enumerate(zip(sizes["filters"], sizes["blocks"])):
        for j in range(n):
            name, stride = f"stage_list.{i}.block_list.{j}", 2 if j == 0 else 1
            out = conv(x if i == j == 0 else swish(x), f"{name}.conv1")
            groups = width // sizes["group_width"]
            out = conv(swish(out), f"{name}.conv2", stride, groups)
            out = conv(swish(out), f"{name}.conv3")
            se = out.mean(-1) @ w[f"{name}.se_fc1.weight"].T + w[f"{name}.se_fc1.bias"]
            se = swish(se) @ w[f"{name}.se_fc2.weight"].T + w[f"{name}.se_fc2.bias"]
            out = out * torch.sigmoid(se)[..., None]
            if j == 0:
                odd = x.shape[-1] % 2
                x = torch.cat([x, torch.zeros(*x.shape[:2], odd)], -1)
                x = torch.maximum(x[..., ::2], x[..., 1::2])
            more = width - x.shape[1]
            zeros = [
                torch.zeros(len(x), k, x.shape[-1])
                for k in (more // 2, more - more // 2)
            ]
            x = out + torch.cat([zeros[0], x, zeros[1]], 1)
    return x.mean(-1)


def resnet_reference(w, x, card):
    def norm(x, name):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        x = (x - mean[:, None]) / torch.sqrt(var[:, None] + 1e-5)
        return x * w[f"{name}.weight"][:, None] + w[f"{name}.bias"][:, None]

    x = norm(F.conv1d(x, w["conv1.weight"], stride=2, padding=3), "bn1").clamp(min=0)
    for i in range(1, 5):
        for j in range(2):
            name, stride = f"layer{i}.{j}", 2 if i > 1 and j == 0 else 1
            out = F.conv1d(x, w[f"{name}.conv1.weight"], stride=stride, padding=1)
            out = norm(out, f"{name}.bn1").clamp(min=0)
            out = F.conv1d(out, w[f"{name}.conv2.weight"], padding=1)
            out = norm(out, f"{name}.bn2")
            if f"{name}.shortcut.0.weight" in w:
                x = F.conv1d(x, w[f"{name}.shortcut.0.weight"], stride=stride)
                x = norm(x, f"{name}.shortcut.1")
            x = (out + x).clamp(min=0)
    return x.mean(-1)


def layer_norm(w, x, name):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w, x, name):
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def attention(q, k, v, n_heads, mask=None):
    """Heads one after the other."""
    size, outs = q.shape[-1] // n_heads, []
    for h in range(n_heads):
        a, b, c = (t[..., h * size : (h + 1) * size] for t in (q, k, v))
        scores = a @ b.transpose(-1, -2) / size**0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        outs.append(scores.softmax(-1) @ c)
    return torch.cat(outs, -1)


def jepa_reference(w, x, card):
    sizes = card["network"]
    n_leads, n_patches = sizes["n_leads"], sizes["n_patches"]
    x = linear(w, x.reshape(len(x), n_leads * n_patches, -1), "W_P")
    sees = torch.zeros(n_leads * n_patches, n_leads * n_patches, dtype=torch.bool)
    for a in range(len(sees)):
        for b in range(len(sees)):
            sees[a, b] = (
                a // n_patches == b // n_patches or a % n_patches == b % n_patches
            )
    for i in range(sizes["depth"]):
        name = f"encoder_blocks.blocks.{i}"
        x = x + w["pos_embed"]
        q, k, v = linear(
            w, layer_norm(w, x, f"{name}.norm1"), f"{name}.attn.qkv"
        ).chunk(3, -1)
        out = attention(q, k, v, sizes["n_heads"], sees)
        x = x + linear(w, out, f"{name}.attn.proj")
        out = gelu(linear(w, layer_norm(w, x, f"{name}.norm2"), f"{name}.mlp.fc1"))
        x = x + linear(w, out, f"{name}.mlp.fc2")
    return layer_norm(w, x, "norm").mean(1)


def stmem_reference(w, x, card):
    sizes, tokens = card["network"], []
    for lead in range(sizes["n_leads"]):
        own = x[:, lead].reshape(len(x), sizes["n_patches"], sizes["patch"])
        own = linear(
            w, layer_norm(w, own, "to_patch_embedding.1"), "to_patch_embedding.2"
        )
        own = layer_norm(w, own, "to_patch_embedding.3") + w["pos_embedding"][:, 1:-1]
        left = (w["sep_embedding"] + w["pos_embedding"][:, :1]).expand(len(x), 1, -1)
        right = (w["sep_embedding"] + w["pos_embedding"][:, -1:]).expand(len(x), 1, -1)
        tokens.append(torch.cat([left, own, right], 1) + w[f"lead_embeddings.{lead}"])
    x = torch.cat(tokens, 1)
    for i in range(sizes["depth"]):
        name = f"block{i}"
        normed = layer_norm(w, x, f"{name}.attn.norm")
        q, k, v = linear(w, normed, f"{name}.attn.fn.to_qkv").chunk(3, -1)
        out = attention(q, k, v, sizes["n_heads"])
        x = x + linear(w, out, f"{name}.attn.fn.to_out.0")
        out = linear(w, layer_norm(w, x, f"{name}.ff.norm"), f"{name}.ff.fn.net.0")
        x = x + linear(w, gelu(out), f"{name}.ff.fn.net.3")
    x = x.reshape(len(x), sizes["n_leads"], -1, sizes["width"])[:, :, 1:-1]
    return layer_norm(w, x.mean((1, 2)), "norm")


def hubert_reference(w, x, card):
    sizes = card["network"]
    x = x[:, None]
    for i, stride in enumerate(sizes["conv_stride"]):
        name = f"feature_extractor.conv_layers.{i}"
        x = F.conv1d(x, w[f"{name}.conv.weight"], stride=stride)
        if i == 0:  # each channel over time
            mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
            x = (
                (x - mean)
                / (var + 1e-5).sqrt()
                * w[f"{name}.layer_norm.weight"][:, None]
            )
            x = x + w[f"{name}.layer_norm.bias"][:, None]
        x = gelu(x)
    x = layer_norm(w, x.transpose(1, 2), "feature_projection.layer_norm")
    x = linear(w, x, "feature_projection.projection")
    name = "encoder.pos_conv_embed.conv"
    v = w[f"{name}.weight_v"]
    weight = w[f"{name}.weight_g"] * v / v.pow(2).sum((0, 1), keepdim=True).sqrt()
    places = F.conv1d(x.mT, weight, w[f"{name}.bias"], padding=64, groups=16)
    x = layer_norm(w, x + gelu(places[..., :-1]).mT, "encoder.layer_norm")
    for i in range(sizes["num_hidden_layers"]):
        name = f"encoder.layers.{i}"
        q, k, v = (linear(w, x, f"{name}.attention.{p}_proj") for p in "qkv")
        out = attention(q, k, v, sizes["num_attention_heads"])
        x = x + linear(w, out, f"{name}.attention.out_proj")
        x = layer_norm(w, x, f"{name}.layer_norm")
        out = gelu(linear(w, x, f"{name}.feed_forward.intermediate_dense"))
        x = x + linear(w, out, f"{name}.feed_forward.output_dense")
        x = layer_norm(w, x, f"{name}.final_layer_norm")
    return x.mean(1)


FORWARD = {
    "clef-small": net1d_reference,
    "ecg-jepa": jepa_reference,
    "ecgfounder": net1d_reference,
    "hubert-ecg-small": hubert_reference,
    "merl-resnet18": resnet_reference,
    "st-mem": stmem_reference,
}


# --- preparation --------------------------------------------------------------------


def twice(x, b, a):
    """A filter forwards and backwards, over an ECG continued oddly at both ends."""
    n = 3 * max(len(a), len(b))
    x = np.concatenate([2 * x[0] - x[n:0:-1], x, 2 * x[-1] - x[-2 : -n - 2 : -1]])
    for _ in range(2):
        x = signal.lfilter(b, a, x, zi=signal.lfilter_zi(b, a) * x[0])[0][::-1]
    return x[n:-n]


def founder_ready(ecg):
    rows = []
    for x in ecg:
        x = twice(x, *signal.iirnotch(50, 30, 500))
        x = twice(x, *signal.butter(4, [0.67, 40], "band", fs=500))
        padded = np.pad(x, 100)
        rows.append([x[i] - np.median(padded[i : i + 201]) for i in range(len(x))])
    rows = np.array(rows)
    return [(rows - rows.mean()) / rows.std()]


def clef_ready(ecg):
    x = twice(ecg[1], *signal.butter(5, [0.67, 40], "band", fs=500))
    return [((x - x.mean()) / x.std())[None]]


def hubert_ready(ecg):
    taps = signal.firwin(151, [0.05, 47], pass_zero=False, fs=500)
    rows = []
    for x in ecg:
        x = twice(x, taps, np.ones(1))
        rows.append(2 * (x - x.min()) / (x.max() - x.min()) - 1)
    sos, parts = signal.cheby1(8, 0.05, 0.8 / 5, output="sos"), []
    for first in (0, 2500):
        flat = np.concatenate([row[first : first + 2500] for row in rows])
        parts.append(signal.sosfiltfilt(sos, flat)[::5])
    return parts


def merl_ready(ecg):
    swapped = ecg[[0, 1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11]]  # aVF before aVL
    return [(swapped - swapped.min()) / (swapped.max() - swapped.min())]


def jepa_ready(ecg):
    return [at_250(ecg)[[0, 1, 6, 7, 8, 9, 10, 11]]]


def stmem_ready(ecg):
    high = signal.butter(5, 0.67, "highpass", fs=250, output="sos")
    low = signal.butter(5, 40, "lowpass", fs=250, output="sos")
    parts = []
    for first in (0, 125, 250):
        part = at_250(ecg)[:, first : first + 2250]
        part = np.stack([signal.sosfiltfilt(high, x) for x in part])
        part = np.stack([signal.sosfiltfilt(low, x) for x in part])
        parts.append((part - part.mean()) / part.std())
    return parts


def at_250(ecg):
    """The package's resampling, which the models leave open."""
    level = np.median(ecg, axis=1, keepdims=True)
    return signal.resample_poly(ecg - level, 1, 2, axis=1) + level


READY = {
    "clef-small": clef_ready,
    "ecg-jepa": jepa_ready,
    "ecgfounder": founder_ready,
    "hubert-ecg-small": hubert_ready,
    "merl-resnet18": merl_ready,
    "st-mem": stmem_ready,
}


@pytest.mark.parametrize("name", READY)
def test_preparation_and_network_equal_a_plain_reference(name, X):
    card = small_card(name)
    weights = random_tensors(published_keys(name, card))
    network = new_network(card)
    network.load_state_dict(matched(weights, network.state_dict(), "file", card))
    windows = prepared(leads_of(ECGRecords(X[:1], 500), card), 500.0, card)[0]
    reference = np.stack(READY[name](X[0].astype(np.float64)))
    np.testing.assert_allclose(windows, reference, atol=1e-5)
    with torch.no_grad():
        found = network(torch.from_numpy(windows))
        expected = FORWARD[name](weights, torch.from_numpy(reference).float(), card)
    assert found.std() > 1e-3
    scale = max(1.0, expected.abs().max())
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=0)


def test_a_twin_of_jepa_has_sines_of_the_moment_and_of_the_lead():
    card = small_card("ecg-jepa")
    places = new_network(card).state_dict()["places"].reshape(8, 50, 16)
    for lead, moment in [(0, 0), (2, 7), (7, 49)]:
        rates = [10_000 ** (-k / 4) for k in range(4)]
        own = [np.sin(moment * r) for r in rates] + [np.cos(moment * r) for r in rates]
        own += [np.sin(lead * r) for r in rates] + [np.cos(lead * r) for r in rates]
        np.testing.assert_allclose(places[lead, moment], own, atol=1e-6)


def test_the_card_of_the_larger_hubert_differs_in_size_alone():
    small, base = map(encoders.foundation_card, ("hubert-ecg-small", "hubert-ecg-base"))
    assert small["steps"] == base["steps"]
    assert small["weights"]["renamed"] == base["weights"]["renamed"]


# --- as a transformer ---------------------------------------------------------------


@pytest.fixture(autouse=True)
def a_small_model_of_twelve_leads(monkeypatch):
    """MERL's with an eighth of its channels, as "tiny"."""
    card = {**small_card("merl-resnet18"), "n_features": 64}
    monkeypatch.setitem(_cards._known()["models"], "tiny", card)


def twin(name="tiny", **changes):
    return encoders.FoundationEncoder(name, sampling_rate=500, device="cpu", **changes)


def test_leads_in_another_order_give_the_same_features(X):
    order = [8, 3, 0, 11, 1, 10, 9, 2, 7, 4, 6, 5]
    shuffled = ECGRecords(X[:, order], 500, leads=[LEADS[i] for i in order])
    encoder = twin().fit(X)
    np.testing.assert_array_equal(encoder.transform(shuffled), encoder.transform(X))


def test_limb_leads_are_derived_where_they_are_missing(X):
    eight = [0, 1, 6, 7, 8, 9, 10, 11]
    few = ECGRecords(X[:, eight], 500, leads=[LEADS[i] for i in eight])
    encoder = twin().fit(X)
    np.testing.assert_allclose(encoder.transform(few), encoder.transform(X), atol=1e-3)


@pytest.mark.parametrize("name", ["clef-small", "tiny"])
def test_half_the_rate_gives_nearly_the_same_features(name, X):
    half = ECGRecords(signal.resample_poly(X, 1, 2, axis=2), 250)
    found = twin(name).set_params(sampling_rate=None).fit_transform(half)
    whole = twin(name).fit_transform(X)
    assert np.abs(found - whole).max() < 0.05 * np.abs(whole).max()


def test_windows_of_a_long_recording_are_averaged(X):
    long = np.concatenate([X[:1], X[1:2]], axis=2)
    encoder = twin().fit(X)
    both = encoder.transform(X[:2]).mean(0)
    np.testing.assert_allclose(encoder.transform(long)[0], both, atol=1e-6)


def test_microvolts_and_an_unknown_rate_are_refused(X):
    with pytest.raises(ValueError, match="microvolts"):
        twin().fit(X).transform(1000 * X)
    with pytest.raises(ValueError, match="sampling rate is unknown"):
        twin().set_params(sampling_rate=None).fit(X)


def test_a_short_recording_is_refused(X):
    with pytest.raises(ValueError, match=r"last 4 s, but this model reads 10 s"):
        twin().fit(X).transform(X[..., :2000])


def test_one_lead_is_refused_but_by_a_model_of_one(X):
    one = ECGRecords(X[:, :1], 500, leads=["I"])
    with pytest.raises(ValueError, match=r"X\[0\] holds 1 \(I\): too few"):
        twin().fit(X).transform(one)
    gone = X.copy()
    gone[2, 2:] = np.nan
    gone[2, :2] = np.nan
    gone[2, 7] = X[2, 7]
    with pytest.raises(ValueError, match=r"X\[2\] holds 1 \(V2\)"):
        twin().fit(X).transform(gone)
    assert twin("clef-small").fit(one).transform(one).shape == (3, 256)


def test_absent_leads_are_told_of(X):
    gone = X.copy()
    gone[1:, 7] = np.nan
    encoder = twin().fit(X)
    with pytest.warns(UserWarning, match="V2 is absent from 2 of 3 recordings"):
        found = encoder.transform(gone)
    np.testing.assert_array_equal(found[0], encoder.transform(X)[0])
    zero = np.nan_to_num(gone)
    np.testing.assert_array_equal(found, encoder.transform(zero))


def test_hubert_gives_an_absent_lead_the_mean_of_the_others(X):
    card = encoders.foundation_card("hubert-ecg-small")
    card["steps"] = card["steps"][:-1]
    gone = X[:1].copy()
    gone[0, 7] = np.nan
    windows = prepared(gone, 500.0, card)
    others = np.delete(windows, 7, axis=2)
    np.testing.assert_allclose(
        windows[:, :, 7], others.mean((2, 3))[..., None].repeat(2500, 2), atol=1e-6
    )


def test_random_weights_are_decided_by_the_seed_alone(X):
    torch.manual_seed(5)
    first = twin("clef-small").fit_transform(X)
    state = torch.random.get_rng_state()
    again = clone(twin("clef-small")).fit_transform(X)
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(first, again)
    assert (
        np.abs(first - twin("clef-small", random_state=1).fit_transform(X)).max() > 0.01
    )


def test_bfloat16_is_close(X):
    full, low = (
        twin("clef-small", precision=precision).fit_transform(X)
        for precision in ("float32", "bf16")
    )
    assert 0 < np.abs(full - low).max() < 0.05 * np.abs(full).max()


def loaded(path, **changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return twin("clef-small", weights=path, **changes)


@pytest.fixture(autouse=True)
def licences_are_known(monkeypatch):
    monkeypatch.setattr(_encoder, "_licences_shown", {"clef-small"})


def test_published_and_safe_files_give_the_same_features(clef_file, X, tmp_path):
    state = torch.load(clef_file, weights_only=True)["state_dict"]
    save_file(state, tmp_path / "clef.safetensors")
    first = loaded(clef_file).fit_transform(X)
    np.testing.assert_array_equal(
        first, loaded(tmp_path / "clef.safetensors").fit_transform(X)
    )
    np.testing.assert_array_equal(first, loaded(clef_file.parent).fit_transform(X))
    assert np.abs(first - twin("clef-small").fit_transform(X)).max() > 0.01


def test_a_fitted_encoder_holds_no_weights_and_refuses_others(clef_file, X, tmp_path):
    path = tmp_path / "weights.ckpt"
    path.write_bytes(clef_file.read_bytes())
    encoder = loaded(path).fit(X)
    stored = pickle.dumps(encoder)
    assert len(stored) < 5_000
    np.testing.assert_array_equal(
        pickle.loads(stored).transform(X), encoder.transform(X)
    )
    _encoder._ready.cache_clear()
    torch.save({"state_dict": random_tensors(published_keys("clef-small"), 1)}, path)
    with pytest.raises(ValueError, match="not the file that was there"):
        encoder.transform(X)


def test_the_licence_is_shown_once(clef_file, X, monkeypatch):
    monkeypatch.setattr(_encoder, "_licences_shown", set())
    with pytest.warns(UserWarning, match="BSD-3-Clause-Clear. Cite Shu"):
        twin("clef-small", weights=clef_file).fit(X)
    twin("clef-small", weights=clef_file).fit(X)
    card = encoders.foundation_card("st-mem")
    with pytest.warns(UserWarning, match="NOT for commercial use"):
        _encoder._show_licence("st-mem", card)


def test_features_are_found_again_by_content(X, tmp_path, monkeypatch):
    encoder = twin("clef-small", cache=tmp_path, verbose=1).fit(X)
    first = encoder.transform(X[:2])
    (file,) = tmp_path.iterdir()
    assert load_file(file)["features"].shape == (2, 256)
    calls = []
    computed = encoders.FoundationEncoder._computed

    def counted(self, ecgs, rate, card):
        calls.append(len(ecgs))
        return computed(self, ecgs, rate, card)

    monkeypatch.setattr(encoders.FoundationEncoder, "_computed", counted)
    again = clone(encoder).fit(X).transform(X[::-1])
    assert calls == [1]
    np.testing.assert_array_equal(again[1:], first[::-1])
    twin("clef-small", cache=tmp_path, random_state=1).fit(X).transform(X)
    assert calls == [1, 3]


@pytest.mark.parametrize("name", ["ecg-cpc", "xecg"])
def test_models_that_are_left_out_say_why(name, X):
    with pytest.raises(ValueError, match=f"'{name}' is not here: its .*settings"):
        encoders.FoundationEncoder(name).fit(X)


def test_an_unknown_model_lists_the_known(X):
    with pytest.raises(ValueError, match="Known are clef-small, ecg-jepa"):
        twin("ptbxl-100hz").fit(X)


def test_a_file_of_another_model_is_told_by_its_keys(X, tmp_path):
    keys = published_keys("merl-resnet18", small_card("merl-resnet18"))
    save_file(random_tensors(keys), tmp_path / "other.safetensors")
    message = r"missing: first_conv.weight, .* more; unknown: bn1|unknown: conv1.weight"
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path / "other.safetensors").fit(X)
    state = random_tensors(published_keys("clef-small"))
    state["backbone.first_conv.conv.weight"] = torch.zeros(32, 12, 16)
    torch.save({"state_dict": state}, tmp_path / "leads.ckpt")
    with pytest.raises(ValueError, match=r"is \(32, 12, 16\), expected \(32, 1, 16\)"):
        loaded(tmp_path / "leads.ckpt").fit(X)


@pytest.mark.parametrize("ending", ["ckpt", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(clef_file, X, tmp_path, ending, share):
    path = tmp_path / f"cut.{ending}"
    if ending == "ckpt":
        content = clef_file.read_bytes()
    else:
        save_file(random_tensors(published_keys("clef-small")), path)
        content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="truncated, or something else"):
        loaded(path).fit(X)


def test_a_file_that_would_run_code_is_refused_with_the_way_out(X, tmp_path, clef_file):
    state = random_tensors(published_keys("clef-small"))
    path = tmp_path / "more.ckpt"
    torch.save({"state_dict": state, "options": argparse.Namespace(lr=1)}, path)
    with pytest.raises(ValueError, match="could run code: it is refused") as caught:
        loaded(path).fit(X)
    # What it tells to do makes a file that is taken.
    exec(re.search('python -c "(.*)"', str(caught.value))[1], {})
    found = loaded(tmp_path / "more.safetensors").fit_transform(X)
    np.testing.assert_array_equal(found, loaded(clef_file).fit_transform(X))


def test_a_missing_file_and_a_hub_out_of_reach_say_where_weights_are(X, monkeypatch):
    with pytest.raises(FileNotFoundError, match="weights='hf:PKUDigitalHealth/ECGF"):
        twin("ecgfounder", weights="nowhere.pth").fit(X)
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(*arguments):
        raise ConnectionError("no network")

    monkeypatch.setattr(hub, "hf_hub_download", unreachable)
    with pytest.raises(OSError, match=r"nor within reach: no network"):
        twin("ecgfounder", weights="hf:PKUDigitalHealth/ECGFounder").fit(X)

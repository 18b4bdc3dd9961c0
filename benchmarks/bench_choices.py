"""Components that the compact network leaves out, and their effect.

Run `OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_choices.py
--n-jobs 2` (some 20 minutes). Simulated cohorts of 1,000 ECGs with 100 events and
`risk="both"`, in two halves: one network is trained on either and tested on the other.
Every choice is compared with the default on the same halves.
"""

import argparse
import time

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import nn

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.architectures import Architecture
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import compare_models
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.network import ECGEncoder, Encoder, ResidualBlock, Trunk
from ecgdan_sk.preprocessing import LeadScaler, MedianBeat
from ecgdan_sk.records import ECGRecords

RATE = 100


class SelfAttentionPooling(nn.Module):
    """Moments of a lead attend to each other, with weights per lead; then their mean.

    Its cost grows with the square of the length.
    """

    def __init__(self, n_leads, n_channels, n_heads=4):
        super().__init__()
        self.n_heads = n_heads
        self.to_qkv = nn.Parameter(torch.empty(n_leads, n_channels, 3 * n_channels))
        nn.init.normal_(self.to_qkv, std=n_channels**-0.5)

    def forward(self, x):
        """(B, C, L, S) to (B, L, C)."""
        qkv = torch.einsum("bcls,lcd->blsd", x, self.to_qkv)
        q, k, v = qkv.unflatten(-1, (3, self.n_heads, -1)).permute(3, 0, 1, 4, 2, 5)
        out = nn.functional.scaled_dot_product_attention(q, k, v)
        return out.mean(3).flatten(2)


class AttentionPooledLeads(Encoder):
    """Latent features from a weighted mean of the leads and their plain mean."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.to_weight = nn.Linear(self.to_latent.in_features // 2, 1)

    def parts(self, x, present=None):
        """Latent (B, Z), lead tokens (B, L, C), features over time (B, C, L, S)."""
        _, tokens, features = super().parts(x, present)
        absent = ~present.unsqueeze(-1)
        weights = self.to_weight(tokens).masked_fill(absent, -torch.inf).softmax(1)
        mean = tokens.masked_fill(absent, 0).sum(1) / present.sum(1, keepdim=True)
        pooled = torch.cat([mean, (weights * tokens).sum(1)], dim=1)
        return self.to_latent(pooled), tokens, features


class StateSpace(nn.Module):
    """A diagonal state-space layer over time with a shortcut (Gu et al., 2022, S4D)."""

    def __init__(self, n_channels, n_states=16):
        super().__init__()
        self.log_step = nn.Parameter(torch.empty(n_channels).uniform_(-5.0, -1.0))
        self.log_decay = nn.Parameter(torch.full((n_channels, n_states), 0.5).log())
        self.frequency = nn.Parameter(
            torch.pi * torch.arange(n_states).float().repeat(n_channels, 1)
        )
        self.weights = nn.Parameter(torch.randn(n_channels, n_states, 2) * 0.5)
        self.norm = nn.BatchNorm2d(n_channels)

    def forward(self, x):
        """(B, C, L, S) to the same."""
        n_steps = x.shape[-1]
        y = torch.fft.rfft(x, 2 * n_steps)
        y = y * torch.fft.rfft(self._kernel(n_steps), 2 * n_steps)[:, None]
        y = torch.fft.irfft(y, 2 * n_steps)[..., :n_steps]
        return x + nn.functional.gelu(self.norm(y))

    def _kernel(self, n_steps):
        step = self.log_step.exp().unsqueeze(-1)
        rate = torch.complex(-self.log_decay.exp(), self.frequency) * step
        # How a state answers to an impulse, sampled; discretised by zero-order hold.
        weights = torch.view_as_complex(self.weights) * torch.expm1(rate) / rate * step
        at = torch.arange(n_steps, device=rate.device)
        return (
            2 * torch.einsum("cn,cnt->ct", weights, (rate[..., None] * at).exp()).real
        )


class BeatAndRhythm(ECGEncoder):
    """The twelve leads of a median beat, and all ten seconds of lead II alone."""

    def __init__(self, n_leads, n_beat, scale):
        super().__init__(scale)
        self.n_beat = n_beat
        self.beat = Encoder(n_leads, scale=scale)
        self.rhythm = Trunk(32)
        self.from_rhythm = nn.Linear(64, 64)
        self.to_latent = self.beat.to_latent

    def forward(self, x, present):
        """Lead II before, the beat after: (B, L, T + n_beat) to (B, Z)."""
        beat, lead_ii = x[..., -self.n_beat :], x[:, 1:2, : -self.n_beat]
        features = self.rhythm(self.beat.scaled(lead_ii)).squeeze(2)
        pooled = torch.cat([features.mean(2), features.amax(2)], dim=1)
        return self.beat(beat, present) + self.from_rhythm(pooled)


def pool_by_self_attention(encoder):
    encoder.temporal = SelfAttentionPooling(12, 32)
    return encoder


def pool_leads_by_attention(encoder):
    return AttentionPooledLeads(12, scale=float(encoder.scale))


def add_state_space(encoder):
    encoder.trunk = nn.Sequential(encoder.trunk, StateSpace(32))
    return encoder


def without_compressed(encoder):
    weight = encoder.trunk.stem.weight
    weight.data[:, 1] = 0
    weight.register_hook(lambda g: g * torch.tensor([1.0, 0.0])[:, None, None])
    return encoder


def stride_four(encoder):
    encoder.trunk.stem.stride = (1, 4)
    return encoder


def second_block(encoder):
    encoder.trunk = nn.Sequential(encoder.trunk, ResidualBlock(32, 32, 5, 1))
    return encoder


def beat_and_rhythm(encoder):
    return BeatAndRhythm(12, 600, float(encoder.scale))


def raw(X):
    return X


def z_scored(X):
    # in the range of millivolts that the estimator expects
    return 0.2 * LeadScaler("zscore").fit_transform(X)


def median_beat(X):
    return MedianBeat().fit_transform(ECGRecords(X, RATE)).signals


def with_median_beat(X):
    return np.concatenate([X, median_beat(X)], axis=2)


def unchanged(encoder):
    return encoder


# What is done to the encoder, to the ECGs, and the parameters of the estimator.
CHOICES = {
    "default": (unchanged, raw, {}),
    "self-attention pools time": (pool_by_self_attention, raw, {}),
    "attention pools leads": (pool_leads_by_attention, raw, {}),
    "state-space layer": (add_state_space, raw, {}),
    "second residual block": (second_block, raw, {}),
    "stem of stride 4": (stride_four, raw, {}),
    "no compressed channel": (without_compressed, raw, {}),
    "z-score of each lead": (unchanged, z_scored, {}),
    "no crop": (unchanged, raw, {"crop": 1.0}),
    "no lead masking": (unchanged, raw, {"lead_masking": 0.0}),
    "median beat alone": (unchanged, median_beat, {"crop": 1.0}),
    "median beat and rhythm": (beat_and_rhythm, with_median_beat, {"crop": 1.0}),
}


class Changed(Architecture):
    """The compact network, whose encoder is changed after it was made."""

    latent_dim = 64

    def __init__(self, change):
        self.change = change

    def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
        """A new encoder."""
        return self.change(Encoder(n_leads, scale=scale))


def trial(name, seed, half, n_samples):
    """C-index on one half of a cohort, and seconds of processor time of the fit."""
    torch.set_num_threads(1)
    change, prepare, parameters = CHOICES[name]
    cohort = make_ecg_cohort(
        n_samples, sampling_rate=RATE, risk="both", random_state=seed
    )
    X = prepare(cohort.X)
    rows, test = list(EventKFold(2, random_state=seed).split(cohort.X, cohort.y))[half]
    model = DualAttentionSurvival(
        architecture=Changed(change), n_members=1, random_state=seed, **parameters
    )
    start = time.process_time()
    model.fit(X[rows], cohort.y[rows])
    seconds = time.process_time() - start
    return model.score(X[test], cohort.y[test]), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-cohorts", type=int, default=4)
    parser.add_argument("--n-samples", type=int, default=1000)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--choices", nargs="+", default=list(CHOICES))
    options = parser.parse_args()
    halves = [(s, h) for s in range(options.n_cohorts) for h in range(2)]
    base = None
    for name in options.choices:
        results = Parallel(n_jobs=options.n_jobs)(
            delayed(trial)(name, *half, options.n_samples) for half in halves
        )
        scores, seconds = np.transpose(results)
        if base is None:
            base = scores, seconds
        gain = compare_models(scores, base[0], n_splits=2) if name != "default" else ""
        gain = gain and f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
        print(
            f"{name:26} C-index {scores.mean():.3f}, {gain or 'reference':25} "
            f"time {np.median(seconds / base[1]):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

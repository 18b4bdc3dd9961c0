"""Networks of the study: with the package's recipe, and what they are held against."""

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk.architectures import Architecture
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.encoders import Prepare
from ecgdan_sk.network import ECGEncoder
from ecgdan_sk.study._methods import NETWORKS

# The paper's three, each beside the reconstruction, and the package's own default.
OBJECTIVES = {
    "reconstruction": {"alignment_weight": 0.0, "reconstruction_weight": 1.0},
    "classification": {
        "alignment_weight": 0.0,
        "reconstruction_weight": 1.0,
        "classification_weight": 1.0,
    },
    "reports": {"reconstruction_weight": 1.0},
    "alignment": {},
}


def pretrain(X, reports, objective, architecture, scale, path):
    """Pretrain an encoder and write it to a file, unless it is there."""
    if Path(path).exists():
        return
    settings = {**OBJECTIVES[objective], **scale.pretraining, "random_state": 0}
    if architecture == "paper":
        pretrainer = ECGReportPretrainer.paper(
            **{"text_encoder": None, "patience": 15, **settings}
        )
    else:
        pretrainer = ECGReportPretrainer(**settings)
    pretrainer.fit(X, reports)
    pretrainer.save_encoder(path)


def compact(job, **changes):
    """The package's network with the settings of the scale."""
    return DualAttentionSurvival(
        **{**job.scale.network, **changes},
        pretrained=job.encoder,
        checkpoint_dir=job.checkpoints,
        random_state=job.seed,
    )


def ready(name, job, **changes):
    """The package's network from an encoder of the package, with its own epochs."""
    job = replace(job, encoder=name)
    return make_pipeline(Prepare(name), compact(job, **{"max_epochs": None, **changes}))


def paper(job, **changes):
    """The published network with its recipe."""
    return DualAttentionSurvival.paper(
        job.n_train,
        pretrained=job.encoder,
        checkpoint_dir=job.checkpoints,
        random_state=job.seed,
        **changes,
    )


def frozen_cox(job):
    """Ridge Cox model of the features of an encoder that is not trained further."""
    encoder = compact(job, **NETWORKS["frozen"])
    return make_pipeline(encoder, StandardScaler(), PenalisedCox())


def residual(job):
    """A plain residual network with the same recipe."""
    return DualAttentionSurvival(
        architecture=Residual(), **job.scale.network, random_state=job.seed
    )


class Residual(Architecture):
    """A 1-D residual network over all leads at once, after He et al. (2016).

    Losses, batches, augmentation, early stopping and averaging are those of the
    package, so that the architecture alone differs; so is the size of the encoder.
    """

    latent_dim = 64

    def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
        """A new encoder."""
        return ResidualEncoder(n_leads, self.latent_dim, scale)


class ResidualEncoder(ECGEncoder):
    """ECGs (B, L, T) in mV to latent features (B, Z); absent leads are zeros."""

    def __init__(self, n_leads: int, latent_dim: int, scale: float) -> None:
        super().__init__(scale)
        widths = (n_leads, 16, 32, 32, 48)
        self.stem = nn.Conv1d(n_leads, widths[1], 15, 4, 7, bias=False)
        self.norm = nn.BatchNorm1d(widths[1])
        pairs = zip(widths[1:], widths[2:])
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairs))
        self.to_latent = nn.Linear(2 * widths[-1], latent_dim)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, L, T) to (B, Z)."""
        x = self.scaled(x)
        if present is not None:
            x = x * present.unsqueeze(-1)
        x = self.blocks(F.relu(self.norm(self.stem(x))))
        return self.to_latent(torch.cat([x.mean(2), x.amax(2)], dim=1))


class _Block(nn.Module):
    """Two convolutions over time with a shortcut, at half the rate."""

    def __init__(self, n_inputs: int, n_channels: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(n_inputs, n_channels, 5, 2, 2, bias=False)
        self.norm_1 = nn.BatchNorm1d(n_channels)
        self.conv_2 = nn.Conv1d(n_channels, n_channels, 5, 1, 2, bias=False)
        self.norm_2 = nn.BatchNorm1d(n_channels)
        self.widen = nn.Conv1d(n_inputs, n_channels, 1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm_1(self.conv_1(x)))
        return F.relu(self.norm_2(self.conv_2(out)) + self.widen(x))

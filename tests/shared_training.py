"""What several processes train together, and one alone.

`torchrun --nproc-per-node 2 shared_training.py FOLDER [JOB ...]` writes a file for each
process.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk._training import ECGDataset, ECGNet, seeded
from ecgdan_sk._training._batches import event_loader
from ecgdan_sk.architectures import Compact
from ecgdan_sk.augmentation import Augmentation
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.losses import cox_loss
from ecgdan_sk.losses._target import SurvivalLoss
from ecgdan_sk.survival._network import risk_net

QUICK = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
SMALL = Compact(n_channels=8, latent_dim=8)


def cohort():
    return make_ecg_cohort(
        61, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )


def gradient(dtype=torch.float32, training=True, **params):
    """Loss and gradient of a step, with crops, masks, dropout and a voltage token."""
    module = {"architecture": Compact(n_channels=8, latent_dim=8, voltage_token=True)}
    module |= {"n_leads": 12, "n_times": 120, "n_outputs": 1, "dropout": 0.3}
    module |= {"decoder": True, "zero_start": False, "scale": 1.0}
    generator = torch.Generator().manual_seed(0)
    x = 0.3 * torch.randn(37, 12, 120, generator=generator)
    x[3, 5] = torch.nan
    event = torch.rand(37, generator=generator) < 0.5
    time = torch.randint(9, (37,), generator=generator)
    target = torch.stack([event, time], 1).numpy().astype(np.float32)
    with seeded(1):
        net = ECGNet(
            risk_net,
            SurvivalLoss,
            criterion__function=cox_loss,
            callbacks=None,
            augmentation=Augmentation(0.5, 0.3, 0.2),
            reconstruction_weight=0.5,
            max_norm=1e9,
            **{f"module__{name}": value for name, value in module.items()} | params,
        ).initialize()
        net.module_.to(dtype)
        if not training:
            net._set_training = lambda _: net.module_.eval()
        (x, target), *_ = event_loader(ECGDataset(x.numpy(), target), 37)
        loss = net.train_step_single((x.to(dtype), torch.as_tensor(target)))["loss"]
        drawn = torch.rand(3)
    found = [p.grad.flatten() for p in net.module_.parameters()]
    statistics = [b.flatten().to(dtype) for b in net.module_.buffers()]
    return [torch.cat(part).numpy() for part in ([loss[None]], found, statistics)] + [
        drawn.numpy()
    ]


def rows():
    """ECGs of a batch of 37 that this process reads."""
    data = ECGDataset(np.zeros((37, 12, 50), np.float32), np.zeros((37, 2), np.float32))
    return [np.array(len(x)) for x, _ in event_loader(data, 37)]


def survival(data, **params):
    """Log risks, and the losses that chose the weights."""
    quick = {**QUICK, "n_members": 1, **params}
    model = DualAttentionSurvival(architecture=SMALL, batch_size=20, **quick)
    model.fit(data.X, data.y)
    return [model.predict(data.X), np.array(model.history_[:, "valid_loss"])]


def pretraining(data, **params):
    """Latent features, and the losses that chose the weights."""
    model = ECGReportPretrainer(architecture=SMALL, **QUICK, **params)
    model.fit(data.X, data.scp_codes)
    return [model.transform(data.X), np.array(model.history_[:, "valid_loss"])]


class BreakDown(Callback):
    """Ends a training after its first epoch, as if the machine went down."""

    def on_epoch_end(self, net, **kwargs):
        raise OSError("broken down")


def broken(data, folder):
    """A training that ends after one of its epochs, and leaves its checkpoint."""
    try:
        survival(data, checkpoint_dir=folder, callbacks=[BreakDown()])
    except OSError as error:
        return [np.array(str(error))]


def of_ranks(data):
    """A training for which each process was given another cohort."""
    rows = np.arange(len(data.y)) >= int(os.environ.get("RANK", 0))
    try:
        DualAttentionSurvival(**QUICK).fit(data.X[rows], data.y[rows])
    except ValueError as error:
        return [np.array(str(error))]
    return [np.array("")]


JOBS = {
    "rows": lambda data, _: rows(),
    "step in float64": lambda data, _: gradient(torch.float64),
    "step in float32": lambda data, _: gradient(),
    "step in bfloat16": lambda data, _: gradient(precision="bf16"),
    "step in pieces": lambda data, _: gradient(
        torch.float64, training=False, micro_batch_size=5
    ),
    "survival": lambda data, _: survival(data, n_members=2),
    "concordance": lambda data, _: survival(data, recipe="paper", lr=1e-3),
    "pretraining": lambda data, _: pretraining(data),
    "restored": lambda data, _: pretraining(
        data, alignment_weight=0.0, reconstruction_weight=1.0
    ),
    "broken": lambda data, folder: broken(data, folder / "begun"),
    "resumed": lambda data, folder: survival(data, checkpoint_dir=folder / "alone"),
    "other ECGs": lambda data, _: of_ranks(data),
}


def results(names, folder):
    """Arrays of each job, by its name and their number."""
    data = cohort()
    found = {name: JOBS[name](data, Path(folder)) for name in names}
    return {
        f"{name}/{i}": array
        for name, own in found.items()
        for i, array in enumerate(own)
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    _, folder, *names = sys.argv
    file = Path(folder, f"rank-{os.environ['RANK']}.npz")
    np.savez(file, **results(names or JOBS, folder))

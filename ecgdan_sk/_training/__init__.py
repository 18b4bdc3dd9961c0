"""The only folder that knows skorch: nets, batches with events, seeds and devices."""

from ._batches import ECGDataset, split_by_event
from ._net import ECGNet, in_pieces
from ._seeds import seeded
from ._train import (
    chosen_device,
    encode,
    load_weights,
    net_outputs,
    restored_net,
    train_net,
)

__all__ = [
    "ECGDataset",
    "ECGNet",
    "chosen_device",
    "encode",
    "in_pieces",
    "load_weights",
    "net_outputs",
    "restored_net",
    "seeded",
    "split_by_event",
    "train_net",
]

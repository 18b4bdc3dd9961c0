"""The only folder that knows skorch: nets, batches with events, seeds and devices."""

from ._batches import ECGDataset, check_batches
from ._files import not_finite, read_model, write_model
from ._fingerprint import checkpoint_folder
from ._finite import remedy
from ._net import ECGNet, in_pieces, keep_freed_memory
from ._outputs import encode, in_jobs, net_outputs
from ._seeds import seeded
from ._settings import shared_settings
from ._train import chosen_device, load_weights, restored_net, train_net

__all__ = [
    "ECGDataset",
    "ECGNet",
    "check_batches",
    "checkpoint_folder",
    "chosen_device",
    "encode",
    "in_jobs",
    "in_pieces",
    "keep_freed_memory",
    "load_weights",
    "net_outputs",
    "not_finite",
    "read_model",
    "remedy",
    "restored_net",
    "seeded",
    "shared_settings",
    "train_net",
    "write_model",
]

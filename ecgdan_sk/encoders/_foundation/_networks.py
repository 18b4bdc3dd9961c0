"""The networks of the foundation models, by the names that the cards use."""

import torch

from ._hubert import HuBERT
from ._net1d import Net1D
from ._resnet18 import ResNet18
from ._vision_transformers import JEPA, STMEM

_KINDS = {
    "net1d": Net1D,
    "resnet18": ResNet18,
    "jepa": JEPA,
    "st-mem": STMEM,
    "hubert": HuBERT,
}


def new_network(card, seed=0):
    """The network of a card with random weights; the caller's generator stays."""
    settings = dict(card["network"])
    kind = _KINDS[settings.pop("kind")]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(**settings).eval()

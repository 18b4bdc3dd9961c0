"""Pretrained encoders: from ECGs to features, learned from other ECGs.

Each is a folder of two files, weights as safetensors and a card as JSON. It holds no
ECG and no code. The encoders of `names` come with the package; others come from the
Hugging Face hub ("hf:owner/name") or from a folder. `FoundationEncoder` gives the
features of published foundation models; the package does not contain their weights.
"""

from ._encoder import Encoder, Prepare
from ._folders import card, load, names, save
from ._foundation._cards import foundation_card, foundation_names
from ._foundation._encoder import FoundationEncoder
from ._hub import push_to_hub

__all__ = [
    "Encoder",
    "FoundationEncoder",
    "Prepare",
    "card",
    "foundation_card",
    "foundation_names",
    "load",
    "names",
    "push_to_hub",
    "save",
]

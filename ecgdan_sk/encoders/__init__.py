"""Encoders that are ready: ECGs to features, learned from others' ECGs.

Each is a folder of two files, weights as safetensors and a card as JSON, and holds no
ECG and no code. Those of `names` come with the package; others from the Hugging Face
hub ("hf:owner/name") or from a folder. `FoundationEncoder` gives the features of
published foundation models, whose weights do not come along.
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

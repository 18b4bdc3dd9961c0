"""Text encoders as plain values and arrays, for files that hold no code."""

import json

import numpy as np

from ._sentence import SentenceEncoder
from ._tfidf import TfidfEncoder


def encoder_state(encoder):
    """State of a text encoder: its parameters and fitted attributes."""
    if encoder is None:
        return None
    # A subclass may do anything.
    if type(encoder) is SentenceEncoder:
        # The cache is a folder of this machine.
        params = {**encoder.get_params(), "cache": None}
        params["name_or_path"] = str(params["name_or_path"])
        return {"kind": "SentenceEncoder", "params": params}
    if type(encoder) is TfidfEncoder:
        params = encoder.get_params()
        if not isinstance(params["random_state"], int | np.integer):
            params["random_state"] = None
        learned = None
        if hasattr(encoder, "vectorizer_"):
            vocabularies, *others = encoder._learned()
            learned = [[text_bytes(terms) for terms in vocabularies], *others]
        return {"kind": "TfidfEncoder", "params": params, "learned": learned}
    raise TypeError(
        f"Cannot save {encoder!r} as a text encoder: a file holds no code. Use "
        "TfidfEncoder or SentenceEncoder, or give fit the embeddings as a matrix; "
        "save_encoder writes the encoder of ECGs alone."
    )


def restored_encoder(state):
    """Text encoder from its state."""
    if state is None:
        return None
    if state["kind"] == "SentenceEncoder":
        return SentenceEncoder(**state["params"])
    if state["kind"] != "TfidfEncoder":
        raise ValueError(f"{state['kind']!r} is no text encoder of ecgdan_sk")
    encoder = TfidfEncoder(**state["params"])
    if state["learned"] is not None:
        vocabularies, *others = state["learned"]
        encoder._relearn([texts_of(terms) for terms in vocabularies], *others)
    return encoder


def text_bytes(texts):
    """Texts as one array: there may be too many for the header of a file."""
    return np.frombuffer(json.dumps([*texts]).encode(), np.uint8)


def texts_of(array):
    """The list of texts that `text_bytes` was given."""
    return json.loads(array.tobytes())

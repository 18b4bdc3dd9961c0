"""Encoders as folders of two files: weights, and a card that describes them."""

import hashlib
import json
from os import PathLike
from pathlib import Path

from .._architectures._weights import read_encoder_weights, write_encoder_weights
from ._hub import PREFIX, downloaded

_SHIPPED = Path(__file__).parent / "files"
WEIGHTS, CARD = "encoder.safetensors", "card.json"
# What a card must say, so that an encoder can be used and credited.
_NEEDED = ("summary", "data", "licence", "attribution", "limits", "band", "digest")


def names():
    """Names of the encoders that come with the package.

    Returns
    -------
    tuple of str
        In alphabetical order.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> encoders.names()
    ('ptbxl-100hz', 'simulated-100hz')
    """
    return tuple(sorted(path.parent.name for path in _SHIPPED.glob(f"*/{CARD}")))


def card(name):
    """Card of an encoder: data, licence, recipe, results, limits, input.

    Parameters
    ----------
    name : str or path-like
        One of `names`, "hf:owner/name" of the Hugging Face hub, or a folder that `save`
        wrote.

    Returns
    -------
    dict
        summary : str
            Description in one sentence.
        data : list of dict
            Training data: `name`, `n_ecgs`, `licence` and `url` of each set.
        licence, attribution : str
            Licence of the weights, and the attribution that users must give.
        recipe : dict
            The training, and the command that repeats it.
        results : dict
            Results on ECGs outside the training data.
        limits : list of str
            Known limits.
        band : list of float
            Lower and upper edge, in Hz, of the filter of its training ECGs.
        sampling_rate, leads : float, list of str
            Sampling rate in Hz, and leads; a missing lead counts as absent.
        digest : str
            SHA-256 of the file of weights.

    Raises
    ------
    ValueError
        If there is no such encoder, or if its card is incomplete.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> encoders.card("simulated-100hz")["band"]
    [0.5, 40.0]
    """
    return _read_card(_folder(name))


def load(name):
    """Weights of an encoder, for `pretrained` of the estimators.

    Parameters
    ----------
    name : str or path-like
        One of `names`, "hf:owner/name" of the Hugging Face hub, or a folder that `save`
        wrote.

    Returns
    -------
    dict
        As `ECGReportPretrainer.encoder_weights_`: weights by name, and the
        architecture, leads, length and sampling rate that they are of.

    Raises
    ------
    ValueError
        If there is no such encoder, or if its weights do not match its card.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> encoders.load("simulated-100hz")["sampling_rate"]
    100.0
    """
    folder = _folder(name)
    _check_digest(folder, _read_card(folder)["digest"])
    return read_encoder_weights(folder / WEIGHTS)


def save(folder, weights, card):
    """Save your own encoder to a folder; its path is then the name of the encoder.

    Parameters
    ----------
    folder : str or path-like
        Folder, which is created if necessary. An encoder in it is replaced.
    weights : mapping
        `encoder_weights_` of a fitted `ECGReportPretrainer`. Their sampling rate must
        be known.
    card : mapping
        Card, with the entries of `encoders.card`. Rate, leads and digest are added.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the card is incomplete, or if the weights have no sampling rate.

    Examples
    --------
    >>> import tempfile
    >>> from ecgdan_sk import encoders
    >>> name = "simulated-100hz"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = encoders.save(folder, encoders.load(name), encoders.card(name))
    ...     encoders.load(folder)["leads"][:3]
    ('I', 'II', 'III')
    """
    if weights["sampling_rate"] is None:
        raise ValueError(
            "The weights tell no sampling rate: the pretrainer was fitted on an array. "
            "Fit it on ECGRecords(X, sampling_rate=...)."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_encoder_weights(folder / WEIGHTS, weights)
    complete = {
        **card,
        "sampling_rate": weights["sampling_rate"],
        "leads": list(weights["leads"]),
        "digest": _digest(folder),
    }
    _check_card(complete, "The card")
    text = json.dumps(complete, indent=2, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")
    return folder


def _folder(name):
    """Where the two files of an encoder lie."""
    if isinstance(name, str) and name in names():
        return _SHIPPED / name
    if isinstance(name, str) and name.startswith(PREFIX):
        return downloaded(name, (WEIGHTS, CARD))
    if isinstance(name, str | PathLike) and (Path(name) / CARD).is_file():
        return Path(name)
    raise ValueError(
        f"There is no encoder {name!r}. Those of the package are "
        f"{', '.join(map(repr, names()))}; others are 'hf:owner/name' on the Hugging "
        f"Face hub, or a folder with {WEIGHTS} and {CARD}."
    )


def _read_card(folder):
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no card of an encoder: {error}.") from error
    _check_card(card, path)
    return card


def _check_card(card, where):
    """Raise unless a card has all required entries."""
    keys = card.keys() if isinstance(card, dict) else ()
    missing = [name for name in _NEEDED if name not in keys]
    if missing:
        raise ValueError(
            f"{where} does not tell {', '.join(missing)}. A card needs "
            f"{', '.join(_NEEDED)}; see encoders.card('{names()[0]}')."
        )


def _check_digest(folder, expected):
    """Raise unless the weights match the digest in the card."""
    found = _digest(folder)
    if found != expected:
        raise ValueError(
            f"{folder / WEIGHTS} is not the file that {CARD} tells of: its SHA-256 is "
            f"{found[:12]}..., expected {str(expected)[:12]}.... Fetch it again, or "
            "install the package anew."
        )


def _digest(folder):
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()

"""Read files of weights without running code, and compare them with a network.

Keys are those of the publications. The cards translate them to names in this package.
"""

import hashlib
import pickle
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .._hub import PREFIX, downloaded

_N_NAMED = 4


def weights_path(weights, name, card):
    """The file that `weights` names: itself, in a folder, or from the hub."""
    file = card["weights"]["file"]
    if isinstance(weights, str) and weights.startswith(PREFIX):
        return downloaded(weights, (file,)) / file
    path = Path(weights)
    path = path / file if path.is_dir() else path
    if not path.is_file():
        hub = card["weights"]["hub"]
        remote = f", or give weights='{PREFIX}{hub}'" if hub else ""
        raise FileNotFoundError(
            f"There is no file {path} with the weights of {name!r}. They are not "
            f"shipped: get {file} from {card['source']}{remote}."
        )
    return path


def digest_of(path):
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def load_weights(network, path, name, card):
    """Load a file into a network; a ValueError names weights that do not fit."""
    under = card["weights"]["under"]
    found = state_of(_read(path, under), under, path)
    network.load_state_dict(matched(found, network.state_dict(), path, card))


def matched(found, expected, path, card):
    """Rename weights to the names of the network, and check that they are complete.

    `found` and `expected` are tensors by name, of a file and of a network.
    """
    rules = card["weights"]
    found = {
        _renamed(key, rules["renamed"]): value
        for key, value in found.items()
        if not any(re.search(pattern, key) for pattern in rules["ignored"])
    }
    wrong = [
        f"{key} is {tuple(found[key].shape)}, expected {tuple(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    missing = [key for key in expected if key not in found]
    others = [key for key in found if key not in expected]
    if wrong or missing or others:
        parts = (("of another shape", wrong), ("missing", missing), ("unknown", others))
        text = "; ".join(f"{what}: {_some(keys)}" for what, keys in parts if keys)
        raise ValueError(
            f"{path} does not hold the weights of this model ({len(expected)} "
            f"tensors): {text}. Expected {rules['file']} from {card['source']}."
        )
    return found


def _renamed(key, rules):
    for pattern, new in rules:
        key = re.sub(pattern, new, key, count=1)
    return key


def _some(keys):
    more = f" and {len(keys) - _N_NAMED} more" if len(keys) > _N_NAMED else ""
    return ", ".join(keys[:_N_NAMED]) + more


def _read(path, under):
    """Tensors in a file by name, read without running code."""
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} {_DAMAGED} ({error})") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" not in str(error).lower():
            raise ValueError(f"{path} {_DAMAGED}") from error
        paths = {"path": path.as_posix()}
        paths["out"] = path.with_suffix(".safetensors").as_posix()
        message = _CONVERSION.format(**paths, under=tuple(under))
        raise ValueError(message) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise ValueError(f"{path} {_DAMAGED} ({type(error).__name__})") from error


def state_of(found, under, path):
    """Tensors by name, from the content of a file that may hold more."""
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}, no weights by name.")
    for key in under:
        if isinstance(found.get(key), dict):
            found = found[key]
            break
    return {key: value for key, value in found.items() if torch.is_tensor(value)}


_DAMAGED = (
    "cannot be read as a file of weights: it is truncated, or something else. Fetch it "
    "again and compare its size with that at the source."
)
_CONVERSION = """\
{path} holds more than tensors, and reading that could run code: it is refused. In a \
container without network and without data of patients you can make a safe file of it:

python -c "import torch, safetensors.torch as st; d = torch.load('{path}', \
map_location='cpu', weights_only=False); d = next((d[k] for k in {under} if k in d), \
d); st.save_file({{k: v.clone() for k, v in d.items() if torch.is_tensor(v)}}, \
'{out}')"

Then give weights='{out}'."""

"""Foundation models in the study: a Cox model of their features, beside random twins.

`--methods foundation:NAME=PATH` runs two methods: "foundation-NAME" with the weights of
a file, and "foundation-NAME-random", the same network that has learned nothing. Without
`=PATH` the latter runs alone.
"""

import json
from hashlib import sha256
from pathlib import Path

from ecgdan_sk import encoders
from ecgdan_sk.study._store import write_text

_OPTION, _METHOD, _TWIN = "foundation:", "foundation-", "-random"
INPUTS = tuple(
    f"{_METHOD}{name}{twin}"
    for name in encoders.foundation_names()
    for twin in ("", _TWIN)
)


def is_option(text):
    """Whether the command line names a foundation model, and one that there is."""
    return text.startswith(_OPTION) and _parts(text)[0] in encoders.foundation_names()


def expanded(methods):
    """Names of methods for what the command line gave, and weights by model."""
    names, weights = [], {}
    for method in methods:
        if not method.startswith(_OPTION):
            names.append(method)
            continue
        name, path = _parts(method)
        names.append(f"{_METHOD}{name}{_TWIN}")
        if path:
            names.append(f"{_METHOD}{name}")
            weights[name] = path
    return names, weights


def check_same_weights(out, weights):
    """Refuse to mix features of different files in one folder."""
    file = Path(out, "foundation.json")
    before = json.loads(file.read_text("utf-8")) if file.exists() else {}
    now = {n: sha256(Path(p).read_bytes()).hexdigest() for n, p in weights.items()}
    changed = [name for name in now if before.get(name, now[name]) != now[name]]
    if changed:
        raise SystemExit(
            f"{out} holds features of another file of {', '.join(changed)}. Give the "
            "same file to go on, or another --out."
        )
    text = json.dumps({**before, **now}, indent=1)
    write_text(file, text)


def features(X, method, weights):
    """Features of some ECGs, by the method of that name."""
    name = method.removeprefix(_METHOD)
    if name.endswith(_TWIN):
        encoder = encoders.FoundationEncoder(name.removesuffix(_TWIN))
    else:
        encoder = encoders.FoundationEncoder(name, weights=weights[name])
    return encoder.fit_transform(X)


def _parts(option):
    """Name and path of "foundation:NAME=PATH"."""
    name, _, path = option.removeprefix(_OPTION).partition("=")
    return name, path

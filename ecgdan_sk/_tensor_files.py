"""Files of tensors and plain values: safetensors with JSON, without code.

Fitted models, encoder weights and checkpoints share this format. A file is replaced as
a whole or not at all, and is read only if its digest is intact. Fitted objects of named
classes are converted to such tensors and values and back.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import time
import uuid
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

_KEY, _FORMAT = "ecgdan_sk", 1
_STALE_AFTER = 86_400  # seconds, for what a process of another machine left


def write_tensors(path, kind, tensors, content):
    """Write arrays by name, and `content` that JSON can hold, in one step."""
    tensors = {name: np.array(value, order="C") for name, value in tensors.items()}
    header = {"format": _FORMAT, "kind": kind, "content": content}
    header["digest"] = _digest(tensors, header)
    data = save(tensors, {_KEY: json.dumps(header)})
    with replacing(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def replacing(path):
    """A name beside `path` for a file or folder that takes its place once it is whole.

    Nothing is left of one that fails, and of one whose process was killed nothing is
    left after the next. An OSError, as of a full disk, names the path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        if _is_stale(left, path.name):
            _remove(left)
    name = f".{path.name}.{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    temporary = path.with_name(name)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        if error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except BaseException:
        _remove(temporary)
        raise


def check_regular(path, follow=True):
    """Raise ValueError unless it is a plain file; a FIFO would be waited for.

    Without `follow` a link is refused too, wherever it leads.
    """
    mode = os.stat(path, follow_symlinks=follow).st_mode
    if not stat.S_ISREG(mode):
        kind = "link" if stat.S_ISLNK(mode) else "folder, device or pipe"
        raise ValueError(f"{path} is a {kind}; expected a plain file. Copy it there.")


def _is_stale(left, name):
    """Whether a temporary file belongs to no process that may still write it."""
    match = re.fullmatch(
        re.escape(f".{name}.") + r"([0-9a-f]{8})-(\d{1,9})-[0-9a-f]{8}\.tmp", left.name
    )
    if match is None:
        return False
    if match[1] != _host():
        return time.time() - left.lstat().st_mtime > _STALE_AFTER
    try:
        os.kill(int(match[2]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _host():
    """Eight letters that identify this machine."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _remove(path):
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def read_tensors(path, kind):
    """Arrays by name, and the content, of a file that `write_tensors` wrote.

    Raises
    ------
    ValueError
        If the file is damaged, altered, or of another kind or program.
    """
    tensors, header = _read(path)
    if header.get("kind") != kind:
        raise ValueError(
            f"{path} holds {header.get('kind')!r} of ecgdan_sk, but {kind!r} is "
            "expected here."
        )
    if header.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is written in format {header.get('format')!r}, this version of "
            f"ecgdan_sk reads {_FORMAT}. Install the version that wrote it."
        )
    if not _is_as_written(tensors, header):
        raise ValueError(
            f"{path} was altered after it was written: its digest does not match. "
            "Fetch it again, or write it anew."
        )
    return tensors, header["content"]


def kind_of(path):
    """Kind of content of a file of this package, such as the name of an estimator."""
    return str(_read(path)[1].get("kind"))


def _read(path):
    """Content of a file, if this package wrote it."""
    check_regular(path)
    try:
        with safe_open(path, "numpy") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # a damaged file raises whatever it likes
        raise ValueError(
            f"{path} is no file of ecgdan_sk, or it is truncated: its header cannot be "
            f"read ({type(error).__name__}). Give a file that the `save` of an "
            "estimator wrote."
        ) from error
    if not isinstance(header, dict):
        raise ValueError(f"{path} is no file of ecgdan_sk: its header is no object.")
    return tensors, header


def _is_as_written(tensors, header):
    """Whether the content of a file matches its digest."""
    digest = header.pop("digest", None)
    try:
        return "content" in header and digest == _digest(tensors, header)
    except RecursionError:
        return False


def _digest(tensors, header):
    """Digest of the content of a file."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype.str} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def to_plain(value, arrays, classes):
    """Convert `value` to JSON; numeric arrays go to `arrays`, by number.

    Instances of `classes` are converted to their attributes.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            return {"list": [str(item) for item in value], "dtype": "U"}
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, list | tuple):
        kind = type(value).__name__
        return {kind: [to_plain(item, arrays, classes) for item in value]}
    if isinstance(value, dict):
        pairs = [[to_plain(part, arrays, classes) for part in p] for p in value.items()]
        return {"dict": pairs}
    if type(value) in classes:
        state = to_plain(vars(value), arrays, classes)["dict"]
        return {"class": type(value).__name__, "state": state}
    raise TypeError(
        f"Cannot save a {type(value).__name__}: it is neither a number, a text, an "
        "array nor a list or dict of these."
    )


def from_plain(plain, arrays, classes):
    """Inverse of `to_plain`."""
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        array = arrays[plain["array"]]
        return array if array.ndim else array[()]
    if "dtype" in plain:
        return np.array(plain["list"], dtype=str)
    for kind in (list, tuple):
        if kind.__name__ in plain:
            return kind(from_plain(i, arrays, classes) for i in plain[kind.__name__])
    pairs = plain["dict"] if "dict" in plain else plain["state"]
    items = {
        from_plain(k, arrays, classes): from_plain(v, arrays, classes) for k, v in pairs
    }
    if "dict" in plain:
        return items
    by_name = {cls.__name__: cls for cls in classes}
    restored = object.__new__(by_name[plain["class"]])
    vars(restored).update(items)
    return restored

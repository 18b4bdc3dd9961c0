"""Fitted objects as arrays and plain values, and back, for those classes alone."""

import numpy as np


def to_plain(value, arrays, classes):
    """`value` as JSON can hold it; numeric arrays go to `arrays`, by number.

    `classes` are those whose instances are taken apart into their attributes.
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
    """What `to_plain` was given."""
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

"""Outcomes in words, such as yes and no or dead and alive."""

import numpy as np
import pandas as pd

from ._columns import as_causes, as_series

_KNOWN = {
    1: ("yes", "y", "true", "t", "1", "1.0", "dead", "died", "deceased", "event", "ja"),
    0: ("no", "n", "false", "f", "0", "0.0", "alive", "survived", "censored")
    + ("no event", "event-free", "nein"),
}
_CODES = {word: code for code, words in _KNOWN.items() for word in words}


def read_events(column, name, coding=None):
    """Causes of a column as float64, NaN where it is empty, and their coding.

    `coding` maps values of the column to True and False or to causes. None reads True,
    1 and words such as "yes" and "dead".
    """
    values = as_series(column)
    missing = values.isna().to_numpy()
    if values.dtype.kind in "biuf" and coding is None:
        causes = np.full(len(values), np.nan)
        causes[~missing] = as_causes(values[~missing], f"{name!r}")
        _check_codes(causes, name)
        return causes, _seen(values, causes)
    table = _CODES if coding is None else _checked(coding)
    words = values.map(_plain, na_action="ignore").astype(object)
    if coding is None:
        missing |= words.isin(["", "nan", "na", "n/a", "unknown", "."]).to_numpy()
    strange = ~missing & ~words.isin(list(table)).to_numpy()
    if strange.any():
        raise ValueError(
            f"{name!r} holds {str(values[strange].iloc[0])!r} in row "
            f"{column.index[strange.argmax()]!r}, which is neither "
            f"{', '.join(map(repr, list(table)[:3]))} nor the like. Say what each "
            "value means: coding={'dead': True, 'alive': False}."
        )
    causes = words.mask(missing).map(table, na_action="ignore").astype(np.float64)
    return causes.to_numpy(), _seen(values, causes.to_numpy())


def _checked(coding):
    """The coding by plain words; raise unless it maps to causes."""
    if not all(isinstance(code, (int, np.bool_)) for code in coding.values()):
        raise ValueError(
            f"coding must map values to True and False, or to causes 0, 1, 2, ..., got "
            f"{coding!r}."
        )
    return {_plain(word): code for word, code in coding.items()}


def _check_codes(causes, name):
    """Raise unless numbers are causes; 1 and 2 alone may be R's coding."""
    found = np.unique(causes[~np.isnan(causes)])
    if (found % 1 != 0).any() or (found < 0).any():
        raise ValueError(
            f"{name!r} holds {found[:5].tolist()}; expected 0 for censored and 1, 2, "
            "... for the causes. Is it the time?"
        )
    if len(found) and 0 not in found and found.max() > 1:
        raise ValueError(
            f"{name!r} holds {found[:5].astype(int).tolist()} but no 0, so nobody "
            "would be censored. If 1 is censored and 2 the event, as R codes them, say "
            "coding={1: False, 2: True}."
        )


def _plain(value):
    """A value as a word of small letters; 1.0 is 1."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).strip().lower()


def _seen(values, causes):
    """Distinct values of the column with their cause, or None where missing."""
    pairs = pd.Series(causes, index=values.to_numpy(object))
    pairs = pairs[~pairs.index.isna()]
    pairs = pairs[~pairs.index.duplicated()]
    return {
        key: None if np.isnan(cause) else int(cause) for key, cause in pairs.items()
    }

"""Tables of a cohort, read by stated types; identifiers that must fit each other."""

import zlib

import pandas as pd

from ...records._leads_and_ids import first_ten


def read_table(path, types, source, **options):
    """The columns named in `types` of a CSV file, as those types."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path.name} in {path.parent}; expected a local copy as it is "
            f"published at {source}."
        )
    try:
        found = pd.read_csv(path, nrows=0, **options).columns
        missing = [column for column in types if column not in found]
        if missing:
            raise ValueError(f"it lacks the columns {', '.join(missing)}")
        return pd.read_csv(path, usecols=list(types), dtype=types, **options)
    except (ValueError, OverflowError, EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path} cannot be read as the table that is published at {source}: "
            f"{error}."
        ) from error


def as_dates(written, what):
    """Dates, or dates and times of day, that a Series holds as ISO text."""
    dates = pd.to_datetime(written, errors="coerce", format="ISO8601")
    wrong = dates.isna() & written.notna()
    if wrong.any():
        raise ValueError(
            f"{what} must hold dates like 2014-05-02, but {wrong.sum()} values are "
            f"none; the first is {written[wrong].iloc[0]!r}."
        )
    return dates.astype("datetime64[ns]")


def check_distinct(ids, what):
    """Raise if an identifier occurs twice."""
    ids = pd.Series(ids)
    repeated = ids[ids.duplicated()].unique()
    if len(repeated):
        raise ValueError(
            f"{len(repeated)} {what} occur more than once: {first_ten(repeated)}. "
            "Each must stand for one row; remove the copies."
        )


def check_matched(named, names, there, theres, remedy):
    """Raise unless two lists hold the same identifiers, in any order.

    `names` and `theres` describe the owners of the identifiers, for the message.
    """
    named, there = pd.Index(named), pd.Index(there)
    only_named, only_there = named.difference(there), there.difference(named)
    if len(only_named) or len(only_there):
        raise ValueError(
            f"{len(only_named)} of {len(named)} {names} have no counterpart"
            f"{_listed(only_named)}, nor have {len(only_there)} of {len(there)} "
            f"{theres}{_listed(only_there)}. {remedy}"
        )


def _listed(ids):
    """The first ten identifiers in brackets, or nothing."""
    return f" ({first_ten(ids)})" if len(ids) else ""

"""SCP-ECG statements of PTB-XL: the meaning and kind of each code."""

from importlib.resources import files
from pathlib import Path

import pandas as pd

_KINDS = ["diagnostic", "form", "rhythm"]
_COLUMNS = ["category", "description", *_KINDS, "superclass"]
_PTBXL_COLUMNS = {
    "Statement Category": "category",
    "SCP-ECG Statement Description": "description",
    "diagnostic_class": "superclass",
}


def load_statements(source=None):
    """Table of the SCP-ECG statements: category, description, kinds and superclass.

    Parameters
    ----------
    source : DataFrame, str, path-like or None, default=None
        None is the package's own table: the 71 statements of PTB-XL (Wagner et al.,
        2020) reworded. Otherwise a table, or the path of a CSV file, with the code as
        first column or index. It has the columns named below, or is
        `scp_statements.csv` of PTB-XL.

    Returns
    -------
    DataFrame of shape (n_statements, 6)
        Indexed by code. `category` and `description`, words; `diagnostic`, `form` and
        `rhythm`, bool, of which some statements have two; `superclass`, one of NORM,
        MI, STTC, CD and HYP for diagnostic statements, empty for others.

    Raises
    ------
    ValueError
        If columns are missing, or codes or descriptions are not one for each statement.

    References
    ----------
    Wagner et al. (2020), PTB-XL, a large publicly available electrocardiography
    dataset, Scientific Data 7:154.

    Examples
    --------
    >>> from ecgdan_sk.reports import load_statements
    >>> load_statements().loc["CLBBB", "description"]
    'complete left bundle branch block'
    """
    if source is None:
        source = files(__package__) / "scp_statements.csv"
    if not isinstance(source, pd.DataFrame):
        if isinstance(source, str):
            source = Path(source)
        with source.open(encoding="utf-8") as file:
            source = pd.read_csv(file, index_col=0)
    table = source.drop(columns="description", errors="ignore")
    # In the layout of PTB-XL the shorter of two descriptions has this name.
    table = table if "SCP-ECG Statement Description" in table else source
    return _checked(table.rename(columns=_PTBXL_COLUMNS))


def statement_texts(table):
    """Text that is embedded for each statement: "category: description"."""
    return [f"{row.category}: {row.description}" for row in table.itertuples()]


def _checked(table):
    """The columns that are used, in their types."""
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        raise ValueError(
            f"The table of statements lacks the columns {', '.join(missing)}; expected "
            f"{', '.join(_COLUMNS)}, or scp_statements.csv as PTB-XL has it."
        )
    table = table[_COLUMNS].copy()
    table.index = table.index.astype(str).rename("code")
    unclear = table.index.duplicated() | table["description"].isna()
    if unclear.any():
        raise ValueError(
            "Each statement must have one code and a description; see the code "
            f"{table.index[unclear][0]!r}."
        )
    table[_KINDS] = table[_KINDS].fillna(0).astype(bool)
    # PTB-XL names a class for diagnostic statements alone.
    table["superclass"] = table["superclass"].where(table["diagnostic"]).fillna("")
    return table

"""Tables of outcomes from spreadsheets: separators, decimal commas, encodings."""

import csv
import re
from pathlib import Path

import pandas as pd

_EXCEL = {".xlsx", ".xlsm", ".xls", ".ods"}
_ENCODINGS = ("utf-8-sig", "cp1252")
_SEPARATORS = ",;\t|"
_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d*,\d+")
_CODE = re.compile(r"[+-]?0\d")  # of an identifier such as 007, which is no number
_NOTHING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]


def read_table(path):
    r"""Read a table with one row per ECG or per patient, whichever program wrote it.

    Of text files the separator (comma, semicolon, tab, bar), the encoding (UTF-8 or
    that of Windows) and the sign of decimals are found out. Columns of numbers become
    numbers; identifiers with leading zeros and dates stay text.

    Parameters
    ----------
    path : str or path-like
        CSV or TSV, Excel or OpenDocument (these need openpyxl or odfpy), or Parquet.

    Returns
    -------
    DataFrame
        As the file has it, without rows and columns that are empty.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, holds no row, or names a column twice.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ecgdan_sk.study import read_table
    >>> path = Path(tempfile.mkdtemp(), "patients.csv")
    >>> _ = path.write_text("Nummer;Alter;Datum\n007;61,5;03.01.2015\n", "cp1252")
    >>> read_table(path).to_numpy().tolist()
    [['007', 61.5, '03.01.2015']]
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no table {path}. Give a CSV, Excel or Parquet file."
        )
    try:
        table = _read(path)
    except (OSError, ImportError):
        raise
    except Exception as error:  # each reader has errors of its own
        raise ValueError(
            f"{path} cannot be read as a table ({type(error).__name__}: {error}). "
            "Save it as CSV."
        ) from error
    table.columns = [str(name).strip() for name in table.columns]
    table = table.dropna(how="all").reset_index(drop=True)
    unnamed = table.columns.str.fullmatch(r"(Unnamed: \d+)?") & table.isna().all()
    table = table.loc[:, ~unnamed.to_numpy()]
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise ValueError(f"{path} names the column {twice[0]!r} twice. Rename one.")
    if table.empty:
        raise ValueError(f"{path} holds no row. Expected one for each ECG or patient.")
    return table


def _read(path):
    """Table from a file, by its suffix."""
    if path.suffix.lower() in _EXCEL:
        return pd.read_excel(path)
    if path.suffix.lower() == ".parquet":
        return pd.read_parquet(path)
    encoding, text = _decoded(path)
    options = {"na_values": _NOTHING, "keep_default_na": False}
    table = pd.read_csv(
        path, sep=_separator(text), dtype=str, encoding=encoding, **options
    )
    return table.apply(_as_numbers)


def _decoded(path):
    """Encoding and text of a file."""
    data = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return encoding, data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError("it is no text in UTF-8 or in the encoding of Windows")


def _separator(text):
    """Most frequent separator in the header line, outside of quotes."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    counts = {s: len(next(csv.reader([head], delimiter=s), [])) for s in _SEPARATORS}
    return max(counts, key=counts.get)


def _as_numbers(column):
    """A column of text as numbers, if all of it is numbers."""
    text = column.str.strip()
    known = text.dropna()
    if known.empty or known.str.match(_CODE).any():
        return text
    if known.str.fullmatch(_POINT).all():
        return pd.to_numeric(text)
    either = known.str.fullmatch(_POINT) | known.str.fullmatch(_COMMA)
    if either.all() and not known.str.contains(".", regex=False).any():
        return pd.to_numeric(text.str.replace(",", ".", regex=False))
    return text

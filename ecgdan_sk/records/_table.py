"""Covariates and identifiers of ECGRecords as a Parquet file."""

import pandas as pd

from ._manifest import COLUMNS, verified_bytes

# Parquet repeats values in next to no space: what a table may take in memory, and for
# each byte of signals. More than this is no table of recordings.
_MOST_BYTES, _PER_SIGNAL_BYTE = 2**26, 10
_ROWS_AT_A_TIME = 64
# These cannot be packed by more than some twenty times.
_CODECS = {"SNAPPY", "UNCOMPRESSED"}


def write_table(records, folder):
    """Write covariates and identifiers, if there are any, and return their names."""
    names = [
        name for name in ("covariates", *COLUMNS) if getattr(records, name) is not None
    ]
    if not names:
        return names
    pyarrow, parquet = _pyarrow()
    table = pd.DataFrame(index=pd.RangeIndex(len(records)))
    if "covariates" in names:
        table = records.covariates.copy()
        table.columns = table.columns.map(str)
    for name in names[names[0] == "covariates" :]:
        table[COLUMNS[name]] = getattr(records, name)
    try:
        table = pyarrow.Table.from_pandas(table)
        parquet.write_table(table, folder / "table.parquet", compression="snappy")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The covariates or ids cannot be written as a table: {error}. Give each "
            "column values of one type."
        ) from error
    return names


def read_table(folder, manifest, signal_bytes):
    """Covariates and identifiers, as arguments of ECGRecords."""
    names = manifest["table"]
    if not names:
        return {}
    file, n_samples = folder / "table.parquet", manifest["shape"][0]
    content = verified_bytes(file, manifest)
    try:
        table, n_rows = _read(content, n_samples, signal_bytes)
        found = {
            name: table.pop(COLUMNS[name]).to_numpy()
            for name in names
            if name in COLUMNS and table is not None
        }
    except ImportError:
        raise
    except Exception as error:  # a damaged file raises whatever it likes
        raise ValueError(f"{file} is missing or damaged: {error}.") from error
    if table is None:
        raise ValueError(
            f"{file} has {n_rows} rows, but there are {n_samples} recordings. The "
            "folder was changed after it was saved."
        )
    return {**found, "covariates": table} if "covariates" in names else found


def _read(content, n_samples, signal_bytes):
    """The table, unless it has another number of rows, and that number."""
    pyarrow, parquet = _pyarrow()
    stored = parquet.ParquetFile(pyarrow.BufferReader(content))
    told = stored.metadata
    if told.num_rows != n_samples:
        return None, told.num_rows
    codecs = {
        told.row_group(i).column(k).compression
        for i in range(told.num_row_groups)
        for k in range(told.num_columns)
    }
    if not codecs <= _CODECS:
        raise ValueError(f"it is packed by {', '.join(sorted(codecs - _CODECS))}")
    parts, left = [], _MOST_BYTES + _PER_SIGNAL_BYTE * signal_bytes
    for part in stored.iter_batches(_ROWS_AT_A_TIME, use_threads=False):
        left -= part.nbytes
        if left < 0:
            raise ValueError("it takes far more memory than the recordings do")
        parts.append(part)
    return pyarrow.Table.from_batches(parts, stored.schema_arrow).to_pandas(), n_samples


def _pyarrow():
    """The package that reads and writes Parquet, and its part that does."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError(
            "The table of ECGRecords is Parquet, which needs pyarrow: "
            "pip install ecgdan-sk[storage]."
        ) from None
    return pyarrow, parquet

"""ECGs in CSV and NumPy files, which state neither type nor sampling rate."""

import io
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd

from ...records import LEADS
from ...records._signal_checks import check_amplitude
from ._recording import (
    ECGFileError,
    Recording,
    lead_name,
    mv_per,
    number,
    text_in,
    waveform,
)

_LARGEST = 200_000_000  # bytes, of text or unpacked
_DELIMITERS = (";", "\t", ",")
# aVR (mV), aVR [mV], aVR/mV, aVR_mV, aVR in mV.
_WITH_UNIT = re.compile(
    r"(?P<name>.+?)\s*(?:\((?P<a>[^()]*)\)|\[(?P<b>[^][]*)\]|"
    r"(?:/|_|\s+in\s+|\s+)(?P<c>\w{0,6}v))",
    re.IGNORECASE,
)


def csv(data, sampling_rate):
    """Recording of a table with one column for each lead, in mV or the unit beside."""
    _check_size(len(data))
    text = _text_of(data)
    header = text[: text.find("\n")].strip()
    delimiter = max(_DELIMITERS, key=header.count)
    named = [_column(name.strip(" \"'\r")) for name in header.split(delimiter)]
    chosen = [i for i, (lead, _) in enumerate(named) if lead in LEADS]
    if not chosen:
        raise ECGFileError(
            f"its first line is {header[:100]!r}; expected the names of leads, such as "
            f"{','.join(LEADS)}."
        )
    table = pd.read_csv(
        io.StringIO(text),
        sep=delimiter,
        header=0,
        names=range(len(named)),
        index_col=False,
        decimal="," if delimiter != "," and "," in text else ".",
    )[chosen]
    leads = [named[i][0] for i in chosen]
    wrong = [lead for lead, kind in zip(leads, table.dtypes) if kind.kind not in "fi"]
    if wrong:
        raise ECGFileError(
            f"the columns {', '.join(wrong)} hold what is no number; expected mV."
        )
    units = [named[i][1] for i in chosen]
    signals = table.to_numpy(np.float64).T
    # Divided, so that whole microvolts come back as written.
    signals = np.array([row / (1 / mv_per(unit)) for row, unit in zip(signals, units)])
    return _in_mv(signals, sampling_rate, leads, units)


def _text_of(data):
    """Text of a table, which programs also write in UTF-16."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    return text_in(data)


def _column(title):
    """Lead and unit of a column by its title."""
    found = None if lead_name(title) in LEADS else _WITH_UNIT.fullmatch(title)
    if found is None:
        return lead_name(title), "mV"
    unit = next(part for part in found.group("a", "b", "c") if part is not None)
    return lead_name(found["name"]), unit.strip() or "mV"


def npy(path, sampling_rate):
    """Recording of a .npy file: the twelve leads in the order of LEADS, in mV."""
    # A memory map is never larger than its file, and never unpickles.
    signals = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_size(signals.nbytes)
    return _in_mv(_leads_first(signals), sampling_rate, LEADS)


def npz(data, sampling_rate):
    """Recording of a .npz file with `signals`, and if need be `leads` and the rate."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        held = {info.filename.removesuffix(".npy") for info in archive.infolist()}
        if "signals" not in held:
            raise ECGFileError(
                f"it holds the arrays {', '.join(sorted(held))[:200]}; expected "
                "`signals`, and with it `leads` and `sampling_rate`."
            )
        signals = _member(archive, "signals")
        leads, told = (
            _member(archive, name).ravel() if name in held else np.empty(0)
            for name in ("leads", "sampling_rate")
        )
    if told.size:
        rate = number(told[0]) if told.size == 1 else np.nan
        sampling_rate = rate
    if leads.size:
        leads = [text_in(x) if isinstance(x, bytes) else str(x) for x in leads.tolist()]
        signals = np.atleast_2d(np.squeeze(signals))
    else:
        leads, signals = LEADS, _leads_first(signals)
    return replace(_in_mv(signals, sampling_rate, leads), rate_told=told.size > 0)


def _member(archive, name):
    """Array of an archive, after checks of its size and that it holds no objects."""
    info = archive.getinfo(f"{name}.npy")
    _check_size(info.file_size)
    with archive.open(info) as file:
        content = io.BytesIO(file.read(info.file_size))
    version = np.lib.format.read_magic(content)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ECGFileError(
            f"{name} has the NPY version {version}; expected 1.0 or 2.0."
        )
    shape, fortran, dtype = read_header(content)
    if dtype.hasobject:
        raise ECGFileError(
            f"{name} holds pickled objects, which could run code; expected numbers."
        )
    values = np.frombuffer(content.read(), dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _leads_first(signals):
    """An array of one ECG as (12, n_times)."""
    if signals.ndim == 3 and len(signals) == 1:
        signals = signals[0]
    n_leads = len(LEADS)
    if signals.ndim != 2 or (signals.shape[0] == n_leads) == (
        signals.shape[1] == n_leads
    ):
        raise ECGFileError(
            f"it holds an array of shape {signals.shape}; expected one ECG of shape "
            f"({n_leads}, n_times), leads in the order {', '.join(LEADS)}. Of other "
            "leads, write a .npz with `signals`, `leads` and `sampling_rate`."
        )
    return signals if signals.shape[0] == n_leads else signals.T


def _in_mv(signals, sampling_rate, leads, units=("mV",)):
    """Recording of signals that claim to be in mV."""
    if sampling_rate is None:
        raise ECGFileError(
            "it does not say its sampling rate; give it in Hz, as in "
            "read_ecg(path, sampling_rate=500)."
        )
    if signals.dtype.kind not in "fiu":
        raise ECGFileError(f"its samples are of type {signals.dtype}; expected mV.")
    ecg = waveform(np.asarray(signals), sampling_rate, leads, units)
    try:
        check_amplitude(ecg.signals[None])
    except ValueError as error:
        raise ECGFileError(str(error)) from error
    return Recording(rhythm=ecg, rate_told=False)


def _check_size(size):
    """Raise if the content is too large for a single ECG."""
    if size > _LARGEST:
        raise ECGFileError(
            f"it holds {size} bytes; expected one ECG of at most {_LARGEST}."
        )

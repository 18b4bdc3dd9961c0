"""ECGs in CSV and NumPy files, which say neither what they are nor how fast."""

import io
import zipfile

import numpy as np
import pandas as pd

from ...records import LEADS
from ...records._signal_checks import check_amplitude
from ._recording import ECGFileError, Recording, lead_name, number, waveform

_LARGEST = 200_000_000  # bytes, of text or unpacked
_DELIMITERS = (";", "\t", ",")


def csv(data, sampling_rate):
    """Recording of a table with one column for each lead, in mV."""
    _check_size(len(data))
    header = data[: data.find(b"\n")].decode("utf-8-sig").strip()
    delimiter = max(_DELIMITERS, key=header.count)
    names = [lead_name(name.strip(" \"'\r")) for name in header.split(delimiter)]
    leads = [name for name in names if name in LEADS]
    if not leads:
        raise ECGFileError(
            f"its first line is {header[:100]!r}; expected the names of leads, such as "
            f"{','.join(LEADS)}."
        )
    table = pd.read_csv(
        io.BytesIO(data),
        sep=delimiter,
        header=0,
        names=range(len(names)),
        index_col=False,
        decimal="," if delimiter != "," and b"," in data else ".",
        encoding="utf-8-sig",
    )
    chosen = table[[i for i, name in enumerate(names) if name in LEADS]]
    wrong = [leads[i] for i, kind in enumerate(chosen.dtypes) if kind.kind not in "fi"]
    if wrong:
        raise ECGFileError(
            f"the columns {', '.join(wrong)} hold what is no number; expected mV."
        )
    return _in_mv(chosen.to_numpy(np.float64).T, sampling_rate, leads)


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
        leads = _member(archive, "leads") if "leads" in held else None
        if "sampling_rate" in held:
            told = number(_member(archive, "sampling_rate"))
            sampling_rate = agreed(told, sampling_rate)
    if leads is None:
        return _in_mv(_leads_first(signals), sampling_rate, LEADS)
    return _in_mv(np.atleast_2d(np.squeeze(signals)), sampling_rate, leads.ravel())


def agreed(told, sampling_rate):
    """The sampling rate that a file tells, unless the caller gave another."""
    if sampling_rate is not None and sampling_rate != told:
        raise ECGFileError(
            f"it is sampled at {told:g} Hz, not at sampling_rate={sampling_rate:g}; "
            "leave that out, it is for files that do not say."
        )
    return told


def _member(archive, name):
    """One array of an archive, which unpacks to what it claims and to no object."""
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


def _in_mv(signals, sampling_rate, leads):
    """Recording of signals that claim to be in mV."""
    if sampling_rate is None:
        raise ECGFileError(
            "it does not say its sampling rate; give it in Hz, as in "
            "read_ecg(path, sampling_rate=500)."
        )
    if signals.dtype.kind not in "fiu":
        raise ECGFileError(f"its samples are of type {signals.dtype}; expected mV.")
    ecg = waveform(np.asarray(signals), sampling_rate, leads)
    try:
        check_amplitude(ecg.signals[None])
    except ValueError as error:
        raise ECGFileError(str(error)) from error
    return Recording(rhythm=ecg)


def _check_size(size):
    """Refuse what no single ECG takes."""
    if size > _LARGEST:
        raise ECGFileError(
            f"it holds {size} bytes; expected one ECG of at most {_LARGEST}."
        )

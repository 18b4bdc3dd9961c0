"""Sources of ECGs that are not in memory: functions, arrays and files.

A source has the `shape` (n_leads, n_times) and the `dtype` of a recording. Its method
``read(keys)`` returns recordings of shape (n, n_leads, n_times). `chunk` is the number
of recordings per stored chunk, if neighbours should be read together.
"""

import hashlib

import numpy as np

N_DIGEST = 16  # bytes for each recording


def row_digest(row):
    """BLAKE2 of the bytes of a recording."""
    return hashlib.blake2b(row.tobytes(), digest_size=N_DIGEST).digest()


class ReadOneByOne:
    """Recordings that a function reads, one at a time."""

    def __init__(self, function, shape, dtype):
        self.function, self.shape, self.dtype = function, shape, dtype

    def read(self, keys):
        """Recordings of these keys."""
        signals = np.empty((len(keys), *self.shape), self.dtype)
        for row, key in zip(signals, keys):
            ecg = np.asarray(self.function(key))
            if ecg.shape != self.shape:
                raise ValueError(
                    f"The recording {key} has the shape {ecg.shape}, but "
                    f"(n_leads, n_times) = {self.shape} was expected. Crop or pad the "
                    "recordings to one length where they are read."
                )
            row[:] = ecg
        return signals


class StoredRows:
    """Rows of an array, such as Zarr or HDF5, by their positions."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype = tuple(array.shape[1:]), np.dtype(array.dtype)
        chunks = getattr(array, "chunks", None)
        self.chunk = int(chunks[0]) if chunks and np.ndim(chunks[0]) == 0 else None

    def read(self, keys):
        """The rows at these positions, as an ndarray of their own."""
        if isinstance(self.array, np.ndarray):
            return np.asarray(self.array)[keys]
        if len(keys) and (np.diff(keys) == 1).all():
            return np.asarray(self.array[int(keys[0]) : int(keys[-1]) + 1])
        if hasattr(self.array, "oindex"):
            return np.asarray(self.array.oindex[keys, :, :])
        rows = np.empty((len(keys), *self.shape), self.dtype)
        for row, key in zip(rows, keys):
            row[:] = self.array[int(key)]
        return rows


class FileRows:
    """Rows of a memory map, read from its file.

    Reading through the map itself would count as memory of the process, and a truncated
    file would crash the process.
    """

    def __init__(self, mapped):
        first, last = np.lib.array_utils.byte_bounds(mapped[0])
        self.path, self.n_bytes = mapped.filename, last - first
        self.first, self.step = _offset(mapped, first), mapped.strides[0]
        self.start, self.strides = mapped[0].ctypes.data - first, mapped.strides[1:]
        self.shape, self.dtype = mapped.shape[1:], mapped.dtype

    def read(self, keys):
        """The rows at these positions."""
        raw = np.empty((len(keys), self.n_bytes), np.uint8)
        with open(self.path, "rb", buffering=0) as file:
            for row, key in zip(raw, keys):
                file.seek(self.first + int(key) * self.step)
                if file.readinto(row) != self.n_bytes:
                    raise ValueError(
                        f"{self.path} ends within recording {key}: it was cut short "
                        "or replaced after it had been opened. Open it again."
                    )
        strides = (self.n_bytes, *self.strides)
        return np.ndarray(
            (len(keys), *self.shape), self.dtype, raw, self.start, strides
        )


class Verified:
    """Recordings of a file, each held against its digest when it is first read."""

    def __init__(self, source, path, digests):
        self.source, self.path, self.digests = source, path, digests
        self.shape, self.dtype = source.shape, source.dtype
        self.seen = np.zeros(len(digests), bool)

    def read(self, keys):
        """The recordings at these positions."""
        rows = self.source.read(keys)
        for i in np.flatnonzero(~self.seen[keys]):
            if row_digest(rows[i]) != self.digests[keys[i]].tobytes():
                raise ValueError(
                    f"Recording {keys[i]} in {self.path} is not as it was saved: its "
                    "digest differs, the file is damaged or was altered. Copy it "
                    "again, or leave this recording out."
                )
            self.seen[keys[i]] = True
        return rows


class InMillivolts:
    """Recordings of another source times the mV of its unit, in float32.

    The least value of a signed integer stands for NaN.
    """

    def __init__(self, source, scale):
        self.source, self.scale = source, scale
        self.shape, self.dtype = source.shape, np.dtype(np.float32)
        self.chunk = chunk_of(source)

    def read(self, keys):
        """The recordings at these positions, in mV."""
        rows = self.source.read(keys)
        scale = self.scale[keys, None, None] if self.scale.ndim else self.scale
        signals = np.multiply(rows, scale, dtype=np.float32)
        if np.issubdtype(rows.dtype, np.signedinteger):
            missing = rows == np.iinfo(rows.dtype).min
            if missing.any():
                signals[missing] = np.nan
        return signals


class Derived:
    """Output of a function for each batch of another view."""

    def __init__(self, signals, function):
        self.signals, self.function = signals, function
        # The first recording tells the shape.
        first = function(np.asarray(signals[:1]))
        self.shape, self.dtype = first.shape[1:], first.dtype
        self.chunk = chunk_of(signals)

    def read(self, keys):
        """Output for the recordings at these positions; an error names them."""
        batch = self.signals[keys]
        try:
            return self.function(np.asarray(batch))
        except ValueError as error:
            names = ", ".join(map(str, batch.keys[:10]))
            more = ", ..." if len(batch) > 10 else ""
            raise ValueError(
                f"{error} Here X is a batch of the recordings {names}{more}."
            ) from error


def chunk_of(source):
    """Number of recordings per chunk of a source; None if chunks do not matter."""
    return getattr(source, "chunk", None)


def source_of(array):
    """Source that reads rows of `array`, which may be a memory map."""
    mapped = isinstance(array, np.memmap) and array.filename and array.mode != "c"
    if mapped and array.size:
        row = array[0]
        # Rows that lie among each other cannot be read one by one.
        if np.ptp(np.lib.array_utils.byte_bounds(row)) <= 4 * row.nbytes:
            return FileRows(array)
    return StoredRows(array)


def _offset(mapped, address):
    """Where in its file an address of a memory map lies."""
    # Slices keep the offset of the whole map, so that addresses tell theirs.
    whole = mapped
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    return whole.offset + address - whole.ctypes.data


class SideBySide:
    """Recordings of several collections, by position in their concatenation."""

    def __init__(self, collections):
        self.collections = collections
        self.first = np.cumsum([0, *map(len, collections)])
        self.shape, self.dtype = collections[0].shape[1:], np.dtype(np.float32)
        self.chunk = max((chunk_of(c) or 0 for c in collections), default=0) or None

    def read(self, keys):
        """The recordings at these positions."""
        signals = np.empty((len(keys), *self.shape), self.dtype)
        owner = np.searchsorted(self.first, keys, side="right") - 1
        for number in np.unique(owner):
            own = owner == number
            rows = self.collections[number][keys[own] - self.first[number]]
            signals[own] = np.asarray(rows)
        return signals

"""Lazy views of stored ECGs, which are read batch by batch."""

from operator import index as as_position

import numpy as np

from ._sources import (
    Derived,
    InMillivolts,
    ReadOneByOne,
    SideBySide,
    chunk_of,
    source_of,
)

# Samples read at a time where all are gone through: 32 MB of float32.
_PART = 2**23
_ABSENT = -1


class SignalView:
    """Chosen recordings and leads of stored ECGs, of shape (n, n_leads, n_times).

    It is indexed only along recordings. A slice, a mask or positions give another view.
    A single position reads that recording, and `np.asarray` reads all of them.
    """

    ndim = 3

    def __init__(self, source, keys, leads=None):
        self._source, self._keys, self._leads = source, keys, leads

    @property
    def shape(self):
        """(n_samples, n_leads, n_times)."""
        n_leads, n_times = self._source.shape
        return len(self), n_leads if self._leads is None else len(self._leads), n_times

    @property
    def dtype(self):
        """Type of the samples once they are read."""
        return self._source.dtype

    @property
    def keys(self):
        """Key of each recording: a path, or a position in the store."""
        return self._keys

    @property
    def chunk(self):
        """Number of recordings per stored chunk; None if chunks do not matter."""
        return chunk_of(self._source)

    def __len__(self):
        return len(self._keys)

    def __repr__(self):
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, index):
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]
        if isinstance(index, tuple):
            raise IndexError(
                "Signals that are not in memory are indexed along recordings only, "
                f"got {index!r}. Read some recordings first, as in "
                "np.asarray(signals[rows])[:, leads]."
            )
        if isinstance(index, slice):
            return SignalView(self._source, self._keys[index], self._leads)
        if np.ndim(index) == 0:
            return self._read(self._keys[[as_position(index)]])[0]
        return SignalView(self._source, self._keys[np.asarray(index)], self._leads)

    def __iter__(self):
        for part in self.parts():
            yield from part

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError(
                "Signals that are not in memory cannot be read without a copy. Use "
                "np.asarray(signals)."
            )
        slices = self._row_slices()
        if len(slices) == 1:
            return np.asarray(self._read(self._keys), dtype)
        whole = np.empty(self.shape, self.dtype if dtype is None else dtype)
        for rows in slices:
            whole[rows] = self._read(self._keys[rows])
        return whole

    def parts(self):
        """All recordings in their order, as arrays of some 32 MB."""
        for rows in self._row_slices():
            yield self._read(self._keys[rows])

    def _row_slices(self):
        """Slices that read some 32 MB each, whichever leads are chosen."""
        return row_slices((len(self), *self._source.shape))

    def _read(self, keys):
        """The chosen leads of the recordings of these keys."""
        # However they are stored: in another order of axes, sums differ in a last bit.
        signals = np.ascontiguousarray(self._source.read(keys))
        if self._leads is None:
            return signals
        chosen = signals[:, self._leads]
        chosen[:, self._leads == _ABSENT] = np.nan
        return chosen


class LazySignals(SignalView):
    """ECGs in files, or wherever else, that are read when a batch is asked for.

    Parameters
    ----------
    read : callable
        ``read(key)`` returns one recording of shape (n_leads, n_times) in mV, with
        absent leads as NaN. To go to other processes it must be a function of a module.
    keys : sequence of length n_samples
        What `read` is given for each recording, such as its path.
    shape : tuple of int
        (n_leads, n_times) of every recording.
    dtype : dtype, default="float32"
        Type of the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.records import LazySignals
    >>> def read(key):
    ...     return np.full((12, 1000), key, np.float32)
    >>> signals = LazySignals(read, [0.1, 0.2, 0.3], (12, 1000))
    >>> signals[1:]
    SignalView(shape=(2, 12, 1000), dtype=float32)
    >>> np.asarray(signals[[2, 0]])[:, 0, 0].tolist() == np.float32([0.3, 0.1]).tolist()
    True
    """

    def __init__(self, read, keys, shape, dtype="float32"):
        if len(shape) != 2:
            raise ValueError(
                "Expected the shape (n_leads, n_times) of one recording, got "
                f"{tuple(shape)}."
            )
        keys = list(keys)
        # Keys may be tuples, which np.asarray would turn into a second axis.
        keys = np.fromiter(keys, dtype=object, count=len(keys))
        super().__init__(ReadOneByOne(read, tuple(shape), np.dtype(dtype)), keys)


def n_bytes(part):
    """Number of bytes of signals in memory, of keys of lazy signals, or of a table."""
    if part is None:
        return 0
    if isinstance(part, SignalView):
        return part.keys.nbytes
    if hasattr(part, "memory_usage"):
        return int(part.memory_usage(deep=True).sum())
    return part.nbytes


def row_slices(shape):
    """Slices of the rows of an array of that shape, some 8 million samples each."""
    n_rows = max(1, _PART // max(1, shape[1] * shape[2]))
    return [slice(first, first + n_rows) for first in range(0, shape[0], n_rows)]


def derived(signals, function):
    """Apply `function` to an array now, or to each batch of a view later."""
    if not isinstance(signals, SignalView):
        return function(signals)
    return SignalView(Derived(signals, function), np.arange(len(signals)))


def side_by_side(collections):
    """Recordings of several collections of one shape, as one view."""
    return SignalView(SideBySide(collections), np.arange(sum(map(len, collections))))


def select_leads(signals, leads):
    """View or copy of the leads at these positions; None gives an absent lead (NaN)."""
    if not isinstance(signals, SignalView):
        shape = signals.shape[0], len(leads), signals.shape[2]
        chosen = np.full(shape, np.nan, np.float32)
        for i, lead in enumerate(leads):
            if lead is not None:
                chosen[:, i] = signals[:, lead]
        return chosen
    own = np.arange(signals.shape[1]) if signals._leads is None else signals._leads
    chosen = [_ABSENT if lead is None else own[lead] for lead in leads]
    return SignalView(signals._source, signals._keys, np.array(chosen))


def as_signals(array, scale=None):
    """`array` itself if it is in memory or a view already, else a view of it.

    `scale` is the size in mV of one unit of `array`, one for all or one for each
    recording; the array is then a view in any case.
    """
    if isinstance(array, SignalView):
        if scale is None:
            return array
        raise ValueError("scale is for stored arrays; lazy signals are read in mV.")
    if not isinstance(array.dtype, np.dtype):
        array = np.asarray(array)
    if type(array) is np.ndarray and scale is None:
        return array
    source = source_of(array)
    if scale is None and not np.issubdtype(array.dtype, np.floating):
        # An absent lead needs NaN.
        scale = 1.0
    if scale is not None:
        source = InMillivolts(source, checked_scale(scale, array.shape[0]))
    return SignalView(source, np.arange(array.shape[0]))


def checked_scale(scale, n_samples):
    """One positive number, or one for each recording, in float32."""
    scale = np.asarray(scale, np.float32)
    if scale.shape not in ((), (n_samples,)) or not (
        np.isfinite(scale).all() and (scale > 0).all()
    ):
        raise ValueError(
            "Expected scale as the mV of one unit of the signals, a positive number or "
            f"one for each of the {n_samples} recordings, got {scale}."
        )
    return scale

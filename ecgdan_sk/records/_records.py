"""ECGs with their leads, sampling rate and covariates, usable like an array."""

from copy import copy

import numpy as np

from ._folder import open_records, save_records
from ._glance import glance
from ._lazy import as_signals, n_bytes, select_leads
from ._leads_and_ids import (
    aligned,
    as_table,
    check_distinct,
    checked_leads,
    checked_rate,
    column,
    lead_names,
    matched,
)
from ._parts import are_parts, open_parts, save_parts


class ECGRecords:
    """ECGs of a cohort: signals with leads, sampling rate, covariates and identifiers.

    For scikit-learn it is an array of shape (n_samples, n_leads, n_times): it can be
    indexed, split and cross-validated, and covariates and identifiers stay with their
    recordings. Signals that are not in memory are read only when a batch is needed.

    Parameters
    ----------
    signals : array-like of shape (n_samples, n_leads, n_times)
        ECGs in mV: an ndarray, a memory map, a Zarr array, or lazy signals from a
        reader of `ecgdan_sk.datasets`. An absent lead is all NaN.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None means unknown; the rate is then not checked.
    leads : sequence of str or None, default=None
        Name of each lead, in the order of `signals`, in any case: "AVR" is aVR. None
        means the twelve of `LEADS`.
    covariates : DataFrame or mapping of columns, or None, default=None
        Covariates of each recording, such as age and sex. With `ids`, the index puts
        the rows in their order; a plain range leaves the order unchanged.
    ids : array-like of shape (n_samples,) or None, default=None
        Identifier of each recording, all different. None means no identifiers.
    patient_ids : array-like of shape (n_samples,) or None, default=None
        Identifier of the patient of each recording; None and NaN are missing values. A
        Series is put in the order of `ids`. None means that each recording is a
        patient.
    scale : float, array-like of shape (n_samples,) or None, default=None
        mV of one unit of `signals`, such as 0.001 for microvolts, for all or for each
        recording. Signals are scaled when they are read; the lowest value of a signed
        integer stands for NaN. None means that they are in mV.

    Attributes
    ----------
    signals : ndarray or lazy signals of shape (n_samples, n_leads, n_times)
        ECGs in mV. ``np.asarray(signals[rows])`` reads signals that are not in memory.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.records import ECGRecords
    >>> limb = ("I", "II", "III", "aVR", "aVL", "aVF")
    >>> records = ECGRecords(np.zeros((5, 6, 1000)), sampling_rate=100, leads=limb)
    >>> records[1:3].shape
    (2, 6, 1000)
    """

    def __init__(
        self,
        signals,
        sampling_rate=None,
        leads=None,
        covariates=None,
        ids=None,
        patient_ids=None,
        scale=None,
    ):
        if getattr(signals, "ndim", None) != 3:
            raise ValueError(
                "Expected signals as an array of shape (n_samples, n_leads, n_times), "
                f"got {type(signals).__name__} of shape {np.shape(signals)}. "
                "Add the sample axis to a single recording with signals[None]."
            )
        self.signals = as_signals(signals, scale)
        self.sampling_rate = checked_rate(sampling_rate)
        self.leads = checked_leads(leads, signals.shape[1])
        self.ids = aligned(column(ids), len(self), "ids")
        check_distinct(self.ids)
        table = as_table(covariates)
        self.covariates = aligned(table, len(self), "covariates", self.ids)
        patient_ids = aligned(patient_ids, len(self), "patient_ids", self.ids)
        self.patient_ids = column(patient_ids)

    @property
    def shape(self):
        """(n_samples, n_leads, n_times)."""
        return self.signals.shape

    @property
    def ndim(self):
        """Always 3."""
        return self.signals.ndim

    @property
    def dtype(self):
        """Type of the samples, once they are read."""
        return self.signals.dtype

    def __len__(self):
        return len(self.signals)

    def __repr__(self):
        n_samples, n_leads, n_times = self.shape
        rate = (
            "unknown rate"
            if self.sampling_rate is None
            else f"{self.sampling_rate:g} Hz"
        )
        return (
            f"ECGRecords({n_samples} ECGs, {n_leads} leads, {n_times} samples, {rate})"
        )

    def _repr_html_(self):
        return glance(self)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.signals, dtype=dtype, copy=copy)

    def __iter__(self):
        """Signals (n_leads, n_times) of each recording, read one after another."""
        for i in range(len(self)):
            yield np.asarray(self.signals[i : i + 1])[0]

    def __getitem__(self, index):
        """Recordings chosen by a slice, a mask or an array of positions."""
        # scikit-learn indexes with (rows, Ellipsis).
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.ndim != 1:
                raise IndexError(
                    "ECGRecords are indexed along recordings alone, by a slice, a mask "
                    f"or positions, got {index!r}. Write records[[i]] for one "
                    "recording, and index records.signals for leads and times."
                )
        part = copy(self)
        part.signals = self.signals[index]
        if self.covariates is not None:
            part.covariates = self.covariates.iloc[index]
        for name in ("ids", "patient_ids"):
            values = getattr(self, name)
            setattr(part, name, None if values is None else values[index])
        return part

    def __sizeof__(self):
        """Bytes that go along when it is sent, by which Dask and Ray plan."""
        known = (self.signals, self.covariates, self.ids, self.patient_ids)
        return object.__sizeof__(self) + sum(n_bytes(part) for part in known)

    def __setstate__(self, state):
        self.__dict__.update(state)
        # What joblib sends to a process arrives as a memory map.
        self.signals = as_signals(self.signals)

    def select_leads(self, leads):
        """The same recordings with the named leads, in that order.

        Parameters
        ----------
        leads : sequence of str
            Names of the leads. A lead that was not recorded becomes NaN, that is,
            absent.

        Returns
        -------
        ECGRecords
            Recordings with these leads. Signals in memory are copied if something
            changes.
        """
        leads = lead_names(leads)
        if leads == self.leads:
            return self
        if not set(leads) & set(self.leads):
            raise ValueError(
                f"None of the leads {', '.join(leads)} is recorded; the recordings "
                f"hold {', '.join(self.leads)}."
            )
        found = [self.leads.index(x) if x in self.leads else None for x in leads]
        chosen = copy(self)
        chosen.leads, chosen.signals = leads, select_leads(self.signals, found)
        return chosen

    def with_signals(self, signals, sampling_rate=None):
        """The same recordings with other signals, such as filtered signals.

        Parameters
        ----------
        signals : array-like of shape (n_samples, n_leads, n_times)
            ECGs in mV, of the same leads.
        sampling_rate : float or None, default=None
            Samples per second of `signals`, in Hz. None means unknown.

        Returns
        -------
        ECGRecords
            Recordings with `signals`; all else is unchanged.
        """
        if signals.shape[:2] != self.shape[:2]:
            raise ValueError(
                f"Expected signals of {len(self)} recordings and {self.shape[1]} "
                f"leads, got the shape {signals.shape}."
            )
        other = copy(self)
        other.signals, other.sampling_rate = as_signals(signals), sampling_rate
        return other

    def match(self, table):
        """Rows of a table that belong to the recordings, in their order.

        Parameters
        ----------
        table : DataFrame
            Indexed by the `ids` of the recordings, in any order.

        Returns
        -------
        DataFrame
            One row for each recording.

        Raises
        ------
        ValueError
            If a recording has no row or several rows, or if a row has no recording. The
            message names their number and the first ten.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from ecgdan_sk.records import ECGRecords
        >>> records = ECGRecords(np.zeros((2, 12, 1000)), ids=["a", "b"])
        >>> table = pd.DataFrame({"event": [True, False]}, index=["b", "a"])
        >>> records.match(table)["event"].tolist()
        [False, True]
        """
        return matched(table, self.ids)

    def save(self, path, dtype="int16", *, part_size=None):
        """Save the recordings to a folder, a part at a time, and return its path.

        Parameters
        ----------
        path : str or path-like
            Folder to create; it must not exist. It appears when all is written. With
            `part_size` it appears earlier, but cannot be opened before.
        dtype : {"int16", "float16", "float32"}, default="int16"
            Type of the stored samples. "int16" stores whole microvolts exactly, and
            other values up to 32 mV with an error below 0.5 microvolts. "float32" is
            exact.
        part_size : int or None, default=None
            Number of recordings in one part, such as 10,000. The folder then holds one
            folder per part, written in parallel as set by `joblib.parallel_config`. If
            a `save` was killed, call it again to continue. None makes no parts.

        Returns
        -------
        Path
            The folder. It holds `signals.npy` with a digest of each recording, and a
            scale for int16; `table.parquet` with covariates and identifiers, if any;
            and `manifest.json` with the digests of the other files.
        """
        if part_size is None:
            return save_records(self, path, dtype)
        if part_size < 1 or not len(self):
            raise ValueError(
                f"Expected part_size of 1 or more, and recordings to save, got "
                f"part_size={part_size} and {len(self)} recordings."
            )
        return save_parts(self, path, dtype, part_size)

    @classmethod
    def open(cls, path, *, verify="on-read"):
        """Open the recordings of a folder from `save`; their signals stay in the file.

        Parameters
        ----------
        path : str or path-like
            The folder.
        verify : {"on-read", "at-once", "never"}, default="on-read"
            When the samples are held against the digests they were saved with: each
            recording when it is first read, all of them now, or not at all. All else in
            the folder is verified in any case.

        Returns
        -------
        ECGRecords
            Recordings; their signals are read in batches.

        Raises
        ------
        ValueError
            If the folder is not one of `save`, or not as it was saved; where samples
            are not, when they are verified.
        """
        if are_parts(path):
            return cls(**open_parts(path, verify))
        return cls(**open_records(path, verify))


def as_records(X):
    """ECGRecords of whatever an estimator is given.

    Parameters
    ----------
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs; an array must hold the twelve leads of `LEADS`.

    Returns
    -------
    ECGRecords
        `X` itself if it is one, else the array with its leads named.

    Raises
    ------
    ValueError
        If `X` is not three-dimensional, or has another number of leads without names.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.records._records import as_records
    >>> as_records(np.zeros((2, 12, 1000))).leads[:3]
    ('I', 'II', 'III')
    """
    if isinstance(X, ECGRecords):
        return X
    return ECGRecords(X if hasattr(X, "ndim") else np.asarray(X))

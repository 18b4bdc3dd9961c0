"""ECGs with their leads, sampling rate and covariates; an array to scikit-learn."""

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


class ECGRecords:
    """ECGs of a cohort: signals, and what is needed to read them.

    scikit-learn sees an array of shape (n_samples, n_leads, n_times): it can be
    indexed, split and cross-validated, and what belongs to a recording travels along.

    Parameters
    ----------
    signals : ndarray of shape (n_samples, n_leads, n_times)
        ECGs in mV. An absent lead is NaN throughout.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None means unknown: it is then not compared.
    leads : sequence of str or None, default=None
        Name of each lead, in the order of `signals`. None means the twelve of `LEADS`.
    covariates : DataFrame of shape (n_samples, n_covariates) or None, default=None
        What else is known of each recording, such as age and sex; row-aligned.
    ids : array-like of shape (n_samples,) or None, default=None
        Identifier of each recording. None numbers them from 0.
    patient_ids : array-like of shape (n_samples,) or None, default=None
        Identifier of the patient of each recording. None means one patient each.

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
    ):
        if getattr(signals, "ndim", None) != 3:
            raise ValueError(
                "Expected signals as an array of shape (n_samples, n_leads, n_times), "
                f"got {type(signals).__name__} of shape {np.shape(signals)}. "
                "Add the sample axis to a single recording with signals[None]."
            )
        self.signals = signals
        self.sampling_rate = _checked_rate(sampling_rate)
        self.leads = _checked_leads(leads, signals.shape[1])
        self.covariates = _aligned(covariates, len(signals), "covariates")
        self.ids = _aligned(_column(ids), len(signals), "ids")
        self.patient_ids = _aligned(_column(patient_ids), len(signals), "patient_ids")

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
        """Type of the stored samples."""
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

    def __array__(self, dtype=None, copy=None):
        return np.array(self.signals, dtype=dtype, copy=copy)

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
        return ECGRecords(
            self.signals[index],
            self.sampling_rate,
            self.leads,
            None if self.covariates is None else self.covariates.iloc[index],
            None if self.ids is None else self.ids[index],
            None if self.patient_ids is None else self.patient_ids[index],
        )

    def select_leads(self, leads):
        """The same recordings with the named leads, in that order.

        Parameters
        ----------
        leads : sequence of str
            Wanted leads. One that is not recorded becomes NaN, that is, absent.

        Returns
        -------
        ECGRecords
            With `leads` as asked. The signals are copied only where something changes.
        """
        leads = tuple(leads)
        if leads == self.leads:
            return self
        if not set(leads) & set(self.leads):
            raise ValueError(
                f"None of the leads {', '.join(leads)} is recorded; the recordings "
                f"hold {', '.join(self.leads)}."
            )
        signals = np.full((len(self), len(leads), self.shape[2]), np.nan, np.float32)
        for i, lead in enumerate(leads):
            if lead in self.leads:
                signals[:, i] = self.signals[:, self.leads.index(lead)]
        return ECGRecords(
            signals,
            self.sampling_rate,
            leads,
            self.covariates,
            self.ids,
            self.patient_ids,
        )


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
    >>> from ecgdan_sk.records import as_records
    >>> as_records(np.zeros((2, 12, 1000))).leads[:3]
    ('I', 'II', 'III')
    """
    if isinstance(X, ECGRecords):
        return X
    return ECGRecords(X if hasattr(X, "ndim") else np.asarray(X))


def _checked_rate(sampling_rate):
    """A positive number of Hz, or None."""
    if sampling_rate is None:
        return None
    if not (np.isfinite(sampling_rate) and sampling_rate > 0):
        raise ValueError(
            f"Expected a positive sampling rate in Hz, got {sampling_rate!r}. "
            "Leave it None where it is unknown."
        )
    return float(sampling_rate)


def _checked_leads(leads, n_leads):
    """Distinct names, one for each lead of the signals."""
    if leads is None and n_leads != len(LEADS):
        raise ValueError(
            f"X has {n_leads} leads without names; an array is expected to hold the "
            f"twelve leads {', '.join(LEADS)} on its second axis. Name other leads "
            "with ECGRecords(X, sampling_rate=..., leads=[...])."
        )
    leads = LEADS if leads is None else tuple(str(lead) for lead in leads)
    if len(leads) != n_leads or len(set(leads)) != n_leads:
        raise ValueError(
            f"Expected {n_leads} distinct lead names, one for each lead of the "
            f"signals, got {len(leads)}: {', '.join(leads)}."
        )
    return leads


def _column(values):
    """A one-dimensional array, or None."""
    return None if values is None else np.asarray(values)


def _aligned(values, n_samples, name):
    """`values`, once it is certain that they hold one row for each recording."""
    if values is not None and len(values) != n_samples:
        raise ValueError(
            f"{name} has {len(values)} rows, but there are {n_samples} recordings; "
            "give one row for each recording, in the same order."
        )
    return values

"""Recordings of cohorts in their published layout, for the tests of their loaders."""

import numpy as np
import wfdb

from ecgdan_sk.records import LEADS


def write_record(folder, name, counts, *, leads=LEADS, rate=500, units="mV"):
    """A WFDB record of format 16, 200 counts per unit; returns its header's path."""
    wfdb.wrsamp(
        name,
        fs=rate,
        units=[units] * len(leads),
        sig_name=list(leads),
        d_signal=np.ascontiguousarray(counts.T.astype(np.int64)),
        fmt=["16"] * len(leads),
        adc_gain=[200.0] * len(leads),
        baseline=[0] * len(leads),
        write_dir=str(folder),
    )
    return folder / f"{name}.hea"

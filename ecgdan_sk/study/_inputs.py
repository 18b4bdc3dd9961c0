"""What the models of a study read, made once for all folds."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from ..encoders import Prepare, card
from ..measurements import ECGMeasurements
from ..records import ECGRecords
from ._checks import without_gaps
from ._methods import known_of, prevent_columns

# ECGs that are brought to the encoder and measured at a time, and stored together.
_AT_ONCE = 200


@dataclass(frozen=True)
class Inputs:
    """What the models read, by its name.

    Attributes
    ----------
    ecgs : ECGRecords
        At the rate and in the band of the encoder, in memory.
    tables : dict
        Of measurements and of covariates.
    names : ndarray of str
        Names of the measurements.
    """

    ecgs: ECGRecords
    tables: dict
    names: np.ndarray

    def rows(self, source, rows):
        """What a model reads of some patients."""
        if source == "ecgs":
            return self.ecgs[rows]
        table = self.tables[source]
        return table.iloc[rows] if isinstance(table, pd.DataFrame) else table[rows]


def make_inputs(records, methods, encoder, store, n_jobs, verbose):
    """Prepare and measure the ECGs, a part at a time; what is measured is stored."""
    starts = range(0, len(records), _AT_ONCE)
    parts = (records[start : start + _AT_ONCE] for start in starts)
    jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_of_part)(_in_memory(part), encoder, store, f"measurements-{start:07d}")
        for start, part in zip(starts, parts)
    )
    found = list(tqdm(jobs, "Measuring", len(starts), disable=not verbose, unit="part"))
    signals, table = (np.concatenate(columns) for columns in zip(*found))
    ecgs = records.with_signals(signals, card(encoder)["sampling_rate"])
    tables = {"measurements": table}
    covariates = records.covariates
    if "age_sex" in methods:
        columns = known_of(covariates, ("age", "sex"))
        tables["age_sex"] = covariates[columns].to_numpy(np.float64, na_value=np.nan)
    if "prevent" in methods:
        tables["prevent"] = prevent_columns(covariates).reset_index(drop=True)
    return Inputs(ecgs, tables, ECGMeasurements().get_feature_names_out())


def measured(records, n_jobs, verbose):
    """Measurements (n_samples, n_measurements) of ECGs, and why some are missing.

    A part of the ECGs is in memory at a time.
    """
    starts = range(0, len(records), _AT_ONCE)
    jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_with_reasons)(_in_memory(records[start : start + _AT_ONCE]))
        for start in starts
    )
    bar = {"disable": not verbose, "unit": "part"}
    parts = zip(*tqdm(jobs, "Measuring", len(starts), **bar))
    return tuple(np.concatenate(part) for part in parts)


def usable(records):
    """Which ECGs have a lead without gaps that is not flat."""
    found = []
    for start in range(0, len(records), _AT_ONCE):
        signals = without_gaps(records.signals[start : start + _AT_ONCE])
        found.append((np.fmax.reduce(signals, 2) > np.fmin.reduce(signals, 2)).any(1))
    return np.concatenate(found)


def _in_memory(part):
    """The part with its signals read, and leads with gaps absent."""
    return part.with_signals(without_gaps(part.signals), part.sampling_rate)


def _measured(part):
    """Measurements of some ECGs."""
    return ECGMeasurements().fit(part).transform(part)


def _with_reasons(part):
    """Measurements of some ECGs, and the reasons of `ECGMeasurements.quality`."""
    return _measured(part), ECGMeasurements().fit(part).quality(part)["reasons"]


def _of_part(part, encoder, store, name):
    """Prepared signals, and measurements, which are stored."""
    if name not in store:
        store.save(name, measured=_measured(part))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of single ECGs, which the checks tell
        prepared = Prepare(encoder).fit_transform(part)
    return np.asarray(prepared.signals, np.float32), store.load(name)["measured"]

"""Numeric targets beside the reports: measurements, age and sex."""

import numpy as np

from ..measurements import ECGMeasurements

# Geometric mean of the leads' standard deviations above which ECGs are not in mV:
# about 0.2 mV is usual, and z-scored leads have 1.
_HIGHEST_SPREAD = 0.6
# Spreads from the centre beyond which a number tells no more.
_FARTHEST = 5.0
# Measurements that compare leads, or voltages with a limit in mV.
_OF_VOLTAGES = ("_mv", "axis", "angle", "q_duration", "score", "singular", "complexity")


def measured(records, weight):
    """Standardised measurements (n, n_columns) of ECGs, NaN where not to be had."""
    if not weight:
        return np.empty((len(records), 0), np.float32)
    if records.sampling_rate is None:
        raise ValueError(
            "measurement_weight needs the sampling rate, which an array does not "
            "carry. Give X as ECGRecords(X, sampling_rate=...)."
        )
    measurements = ECGMeasurements()
    table = measurements.fit_transform(records)
    names = measurements.get_feature_names_out()
    of_voltages = [any(part in name for part in _OF_VOLTAGES) for name in names]
    table[np.ix_(_without_voltage(records), of_voltages)] = np.nan
    return standardised(table, "measurements, with measurement_weight,")


def described(records, weight):
    """Standardised covariates (n, n_columns) of some ECGs, NaN where unknown."""
    if not weight:
        return np.empty((len(records), 0), np.float32)
    table = records.covariates
    if table is None or not table.select_dtypes(["number", "bool"]).shape[1]:
        raise ValueError(
            "covariate_weight needs numbers in the covariates of X, such as age and "
            "sex. Give X as ECGRecords(X, sampling_rate=..., covariates=table), or set "
            "covariate_weight=0."
        )
    numbers = table.select_dtypes(["number", "bool"]).to_numpy(np.float64)
    return standardised(numbers, "covariates, with covariate_weight,")


def standardised(table, what):
    """Standardise columns by median and spread, clip them, drop constant ones."""
    low, centre, high = _quantiles(table)
    spread = (high - low) / 2
    # Flags and rare findings have no spread between quantiles.
    deviation = np.zeros(table.shape[1])
    some = ~np.isnan(centre)
    deviation[some] = np.nanstd(table[:, some], axis=0)
    spread = np.where(spread > 0, spread, deviation)
    # The deviation of equal numbers is a rounding error, not always 0.
    useful = spread > 1e-9 * np.abs(np.nan_to_num(centre))
    if not useful.any():
        raise ValueError(
            f"The {what} are all NaN or constant, so nothing can be learned of them. "
            "Look at the ECGs and at their sampling rate, or set that weight to 0."
        )
    table = (table[:, useful] - centre[useful]) / spread[useful]
    return np.clip(table, -_FARTHEST, _FARTHEST).astype(np.float32)


def _quantiles(table):
    """16, 50 and 84 per cent of each column; NaN of one without a number."""
    result = np.full((3, table.shape[1]), np.nan)
    some = ~np.isnan(table).all(axis=0)
    if some.any():
        result[:, some] = np.nanquantile(table[:, some], (0.16, 0.5, 0.84), axis=0)
    return result


def _without_voltage(records):
    """Rows of normalised ECGs, whose voltages carry no information."""
    rows = []
    for first in range(0, len(records), 256):
        signals = np.asarray(records.signals[first : first + 256])
        spread = signals.std(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_spread = np.where(spread > 0, np.log(spread), np.nan)
            there = np.isfinite(log_spread)
            total = np.where(there, log_spread, 0.0).sum(axis=1)
            mean = total / np.maximum(there.sum(axis=1), 1)
        rows.append(there.any(axis=1) & (mean > np.log(_HIGHEST_SPREAD)))
    return np.flatnonzero(np.concatenate(rows))

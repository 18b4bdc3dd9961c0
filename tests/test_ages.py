"""Ages however they are written."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ecgdan_sk.datasets._ages import age_in_years, ages_of

AT = datetime(2020, 6, 15, 12)


@pytest.mark.parametrize(
    ("told", "age"),
    [
        (74, 74),
        (np.float32(74.5), 74.5),
        (np.int64(0), 0),
        ("74", 74),
        ("74,5", 74.5),
        ("074Y", 74),
        ("018M", 1.5),
        ("10D", 10 / 365.25),
        ("74 years", 74),
        ("74 yrs old", 74),
        ("74 Jahre", 74),
        ("18 months", 1.5),
        ("89+", 89),
        ("89 +", 89),
        (">89", 90),
        ("> 89 years", 90),
        (">=90", 90),
        ("≥ 90", 90),
        (1946, 74),
        ("1946", 74),
        (date(1946, 6, 15), 74),
        (pd.Timestamp("1946-06-16"), 73),
    ],
)
def test_ages_are_read_however_they_are_written(told, age):
    assert age_in_years(told, AT) == age


@pytest.mark.parametrize(
    "told",
    [None, "", "unknown", "nan", np.nan, np.inf, pd.NaT, -1, 131, 300, "-5", "<18"]
    + [2021, 1700, 1946.5, "1946 years", Decimal("NaN"), pd.NA, "7 4", "1e2"],
)
def test_what_tells_no_age_is_missing(told):
    assert np.isnan(age_in_years(told, AT))


@pytest.mark.parametrize("told", [1946, "1946", date(1946, 6, 15)])
def test_a_birth_without_a_recording_tells_no_age(told):
    assert np.isnan(age_in_years(told))
    assert np.isnan(age_in_years(date(1946, 6, 15), pd.NaT))


@pytest.mark.parametrize("dtype", [object, "string"])
def test_a_column_of_ages_is_read_as_a_whole(dtype):
    written = pd.Series(["74", ">89", "89+", "300", None, "18 months"], dtype=dtype)
    ages = ages_of(written, "Age", over_89=300)
    np.testing.assert_array_equal(ages, [74, 90, 89, 90, np.nan, 1.5])
    with pytest.raises(ValueError, match="Age must hold.*1 values.*'300'"):
        ages_of(written, "Age")
    with pytest.raises(ValueError, match="1 values.*'old'"):
        ages_of(pd.Series(["74", "old", None], dtype=dtype), "Age")

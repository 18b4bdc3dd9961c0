"""Published normal limits: whom they hold for, and what is not known."""

import numpy as np
import pandas as pd
import pytest

from ecgdan_sk.measurements import ECGMeasurements, normal_limits
from ecgdan_sk.measurements._normal_limits import _published

DERIVED = {"qrs_axis_deg", "qtc_rautaharju_ms"}


def limits(name, *person):
    return tuple(normal_limits(*person).loc[name, ["low", "high"]])


def test_limits_are_those_of_the_narrowest_group():
    assert limits("heart_rate_bpm") == (48, 98)
    assert limits("heart_rate_bpm", 63, 1) == (49, 88)
    assert limits("heart_rate_bpm", 49.9, 1) == limits("heart_rate_bpm", 80, 1)
    assert limits("heart_rate_bpm", 63, 0) == limits("heart_rate_bpm", 63) == (48, 98)


@pytest.mark.parametrize(
    ("age", "sex", "high"),
    [
        (25, 0, 430),
        (39.9, 1, 440),
        (40, 0, 440),
        (69, 1, 450),
        (70, 0, 455),
        (85, 1, 460),
    ],
)
def test_the_upper_limit_of_qtc_depends_on_age_and_sex(age, sex, high):
    assert normal_limits(age, sex).loc["qtc_rautaharju_ms", "high"] == high


def test_what_needs_age_or_sex_is_left_out_where_they_are_unknown():
    for unknown in (None, np.nan):
        table = normal_limits(unknown, unknown)
        assert not {"qtc_rautaharju_ms", "cornell_voltage_mv"} & set(table.index)
        assert set(table["sex"]) == {""}
        pd.testing.assert_frame_equal(table, normal_limits())
    assert limits("cornell_voltage_mv", None, 0)[1] == 2.8
    assert limits("cornell_voltage_mv", None, 1)[1] == 2.0
    assert len(normal_limits(17.9, 1)) == 0


@pytest.mark.parametrize("person", [(-1, 0), ("old", 0), (50, 2), (50, "F")])
def test_wrong_ages_and_sexes_are_named(person):
    with pytest.raises(ValueError, match="got (-1|'old'|2|'F')"):
        normal_limits(*person)


def test_the_table_is_whole():
    table = _published()
    names = set(ECGMeasurements().get_feature_names_out()) | DERIVED
    assert set(table["measurement"]) <= names
    assert set(table["sex"]) == {"", "male", "female"}
    assert table["source"].str.contains(r"\d{4}").all()
    assert not (table["low"] >= table["high"]).any()
    assert table["high"].notna().all()
    # Of a measurement the groups grow narrower from row to row, or are apart.
    for _, own in table.groupby("measurement", sort=False):
        wide = own["sex"].eq("") & own["age_to"].isna()
        assert not wide.iloc[1:].any()
        assert not own.duplicated(["sex", "age_from"]).any()

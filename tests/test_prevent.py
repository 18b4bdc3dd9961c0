"""The PREVENT equation: its published results, and people it is not for."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from ecgdan_sk.baselines import PreventHF
from ecgdan_sk.records import ECGRecords

COLUMNS = [
    "sex",
    "age",
    "systolic_bp",
    "diabetes",
    "smoking",
    "bmi",
    "egfr",
    "bp_treated",
]
# Results of the R package preventr, in per cent.
PEOPLE = [
    (1, 45, 120, 1, 0, 25, 95, 0),
    (0, 75, 130, 0, 0, 30, 105, 1),
    (0, 58, 150, 0, 0, 35, 45, 1),
    (1, 50, 160, 1, 0, 35, 90, 1),
    (0, 66, 148, 1, 1, 30, 67, 0),
    (1, 66, 148, 1, 1, 30, 67, 0),
]
PER_CENT = [
    1.69813841006346,
    12.7023425493465,
    11.0185644608283,
    8.05609677791426,
    13.7948077945273,
    12.8594983239187,
]


@pytest.fixture
def people():
    return pd.DataFrame(PEOPLE, columns=COLUMNS)


def as_records(people):
    return ECGRecords(np.zeros((len(people), 12, 10)), covariates=people)


def test_risks_are_those_of_the_reference(people):
    risk = PreventHF().fit(as_records(people)).predict_risk(as_records(people))
    np.testing.assert_allclose(100 * risk, PER_CENT, rtol=0, atol=1e-8)


def test_log_odds_survival_and_risk_agree(people):
    model = clone(PreventHF())
    risk = model.predict_risk(people)
    np.testing.assert_allclose(np.log(risk / (1 - risk)), model.predict(people))
    np.testing.assert_allclose(model.predict_survival_at(people, 3652.5), 1 - risk)
    assert model.predict_survival_at(people, [3652.5]).shape == (6, 1)


def test_columns_may_have_other_names(people):
    renamed = people.rename(columns={"systolic_bp": "sbp"})
    model = PreventHF(columns={"systolic_bp": "sbp"})
    np.testing.assert_array_equal(
        model.predict(renamed), PreventHF().predict(people[COLUMNS[::-1]])
    )


def test_people_the_equation_is_not_for_are_named(people):
    people.loc[1, "age"], people.loc[2, "bmi"] = 85, np.nan
    message = "Of 6 people 1 are younger than 30 or older than 79 and 1 miss a value"
    with pytest.raises(ValueError, match=message):
        PreventHF().predict(people)
    with pytest.warns(UserWarning, match=message):
        risk = PreventHF(outside="nan").predict_risk(people)
    assert np.isnan(risk).tolist() == [False, True, True, False, False, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"systolic_bp": 17.0}, "median of systolic_bp is 17, but in mmHg"),
        ({"egfr": 0.9}, "median of egfr is 0.9.*CKD-EPI"),
        ({"bmi": 80.0}, "median of bmi is 80, but in kg/m2"),
        ({"sex": 2}, "Expected sex as 0 .male. and 1 .female., got the values .2.0"),
        ({"smoking": "yes"}, "column smoking does not hold numbers"),
    ],
)
def test_columns_in_other_units_are_refused(people, changes, message):
    with pytest.raises(ValueError, match=message):
        PreventHF().predict(people.assign(**changes))


def test_missing_columns_and_other_horizons_are_named(people):
    with pytest.raises(ValueError, match="needs the column egfr; X has sex, age"):
        PreventHF().fit(people.drop(columns="egfr"))
    with pytest.raises(ValueError, match="X has no covariates"):
        PreventHF().fit(np.zeros((2, 12, 10)))
    with pytest.raises(ValueError, match="within ten years .3652.5 days., not within"):
        PreventHF().predict_risk(people, 1826)
    with pytest.raises(ValueError, match="columns names sbp, but the equation knows"):
        PreventHF(columns={"sbp": "systolic_bp"}).predict(people)


def test_a_million_people_take_less_than_two_seconds(people):
    many = pd.concat([people] * 166_667, ignore_index=True)
    start = time.process_time()
    PreventHF().predict_risk(many)
    assert time.process_time() - start < 2

"""What a fitted model tells of itself: its summary, and its card."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sksurv.datasets import load_whas500
from sksurv.linear_model import CoxPHSurvivalAnalysis

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.survival._fitting import validation_part
from ecgdan_sk.validation import (
    age_dependence,
    model_card,
    subgroups,
    validate,
)


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        80, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )


@pytest.fixture(scope="module")
def model(cohort):
    model = DualAttentionSurvival(n_members=2, max_epochs=2, random_state=0)
    return model.fit(_records(cohort), cohort.y)


def _records(cohort):
    ids = [f"patient {i // 2}" for i in range(80)]
    covariates = pd.DataFrame({"age": np.arange(80) + 10.0})
    return ECGRecords(cohort.X, 100, patient_ids=ids, covariates=covariates)


def test_a_summary_tells_the_data_and_what_was_changed(cohort, model):
    found = model.summary()
    assert found.settings == {"n_members": 2, "max_epochs": 2, "random_state": 0}
    assert (found.data["ECGs"], found.data["patients"]) == (80, 40)
    assert found.data["events"] == cohort.y["event"].sum()
    assert found.data["layout"] == "12 leads of 250 samples at 100 Hz"
    assert "c_index" in str(found)
    assert "patient 3" not in str(found)


def test_a_network_is_judged_on_the_ecgs_it_was_not_trained_on(cohort, model):
    causes = cohort.y["event"].astype(int)
    patients = model._patients(_records(cohort), None)
    outputs = model._outputs(cohort.X, _records(cohort))
    table = model.summary().networks
    for i, row in enumerate(table.itertuples()):
        _, unseen = validation_part(model, model.split_seeds_[i], causes, patients)
        expected = concordance_index(cohort.y[unseen], outputs[i, unseen, 0])
        assert (row.n_validation, row.epochs) == (len(unseen), 2)
        assert row.c_index == pytest.approx(expected)
        assert 0 < row.observed_expected < 5


def test_a_file_keeps_the_summary(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    again = DualAttentionSurvival.load(tmp_path / "model.safetensors").summary()
    assert str(again) == str(model.summary())


def test_only_what_was_fitted_has_a_summary():
    with pytest.raises(NotFittedError):
        DualAttentionSurvival().summary()


def test_a_card_tells_what_is_known_and_marks_what_is_not(cohort, model):
    X = _records(cohort)
    groups = subgroups(
        model, X, cohort.y, by=np.arange(80) % 2, times=900, n_bootstrap=20
    )
    report = validate(model, X, cohort.y, times=900, n_bootstrap=0)
    ages = age_dependence(model, X, cohort.y)
    card = model_card(model, report, groups, ages, name='My "model"', license="mit")
    assert card.startswith('---\nlibrary_name: "ecgdan_sk"\nlicense: "mit"\n')
    for heading in (
        "# My",
        "## Validation",
        "## Subgroups",
        "## How much of it is age",
    ):
        assert f"\n{heading}" in card
    assert "To be written by you" in card
    assert "| ECGs | 80 |" in card


def test_a_card_of_another_librarys_model_and_of_no_result():
    X, y = load_whas500()
    cox = CoxPHSurvivalAnalysis(alpha=1).fit(X.astype(float).to_numpy(), y)
    assert "A fitted `CoxPHSurvivalAnalysis`" in model_card(cox, name="Cox")
    with pytest.raises(TypeError, match="Expected results of ecgdan_sk.validation"):
        model_card(cox, {"C": 0.7}, name="Cox")

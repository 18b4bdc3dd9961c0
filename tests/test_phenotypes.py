"""The list of diagnosis codes that the package ships."""

import pandas as pd
import pytest

from ecgdan_sk.datasets._cohorts._phenotypes import is_code_of, phenotype_codes


def test_every_code_is_listed_once_with_its_source():
    codes = phenotype_codes()
    assert not codes.isna().any().any()
    assert not codes.duplicated(["phenotype", "coding", "code"]).any()
    assert set(codes["coding"]) == {"ICD10", "ICD9", "ICD10CM", "ICD9CM"}


@pytest.mark.parametrize(
    ("coding", "failing", "other"),
    [
        ("ICD10", ["I50", "I500", "I50.9", "i110", "I13.2"], ["I5", "I131", "Z501"]),
        ("ICD9", ["428", "4289", "428.0"], ["42", "4270", "1428"]),
        ("ICD10CM", ["I5023", "I0981", "I130"], ["I255", "I4201", "I098"]),
        ("ICD9CM", ["4280", "39891", "40493"], ["40490", "4254", "3989"]),
    ],
)
def test_codes_of_heart_failure(coding, failing, other):
    for codes, expected in [(failing, True), (other, False), ([None], False)]:
        found = is_code_of(pd.Series(codes, dtype="string"), "heart-failure", coding)
        assert (found == expected).all(), codes


@pytest.mark.realdata
def test_the_list_is_that_of_caliber(ecgdan_data):
    """ICD-10 of UK Biobank are those of the chronological map, no more and no less."""
    codes = phenotype_codes().query("coding == 'ICD10'")
    folder = ecgdan_data / "ukb_definitions/caliber/secondary_care"
    for phenotype, name in [
        ("heart-failure", "hf"),
        ("hypertension", "hypertension"),
        ("myocardial-infarction", "myocardial_infarction"),
    ]:
        published = pd.read_csv(folder / f"ICD_{name}.csv")["ICD10code"]
        ours = codes.loc[codes["phenotype"] == phenotype, "code"]
        plain = [set(some.str.replace(".", "")) for some in (published, ours)]
        assert plain[0] == plain[1]

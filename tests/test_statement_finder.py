"""Free text to SCP statements: words, doubt, denial, places, damage, learning."""

import ast
import csv
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score

from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.reports import StatementFinder, load_statements

MACHINE_LINES = Path(__file__).parent / "golden" / "machine_report_lines.csv"


def found(text, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StatementFinder(**parameters).transform([text])[0]


def presence(statements):
    """Which of the 71 statements are given (n_reports, 71)."""
    table = load_statements().index
    return np.array([[code in one for code in table] for one in statements])


# --- doubt, denial and lists


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("Possible inferior infarct - age undetermined", {"IMI": 50}),
        ("Consider left ventricular hypertrophy", {"LVH": 50}),
        ("Probable left atrial enlargement", {"LAO/LAE": 80}),
        ("Cannot rule out septal infarct", {"ASMI": 15}),
        ("Old inferior infarct cannot be excluded.", {"IMI": 15}),
        ("Borderline prolonged QT interval", {"LNGQT": 50}),
        ("V.a. Linkshypertrophie", {"LVH": 50}),
        ("Linkshypertrophie möglich", {"LVH": 50}),
        ("anteroseptaler Infarkt nicht auszuschließen", {"ASMI": 15}),
        ("fraglicher inferiorer Infarkt", {"IMI": 35}),
        ("misstänkt vänster kammarhypertrofi", {"LVH": 50}),
        ("inferior infarkt bör övervägas", {"IMI": 50}),
        ("LVH, possible.", {"LVH": 50}),
        # The age is in doubt, not the infarct.
        ("inferiorer infarkt wahrscheinlich alt", {"IMI": 100}),
        # Each has its own.
        (
            "linkshypertrophie möglich inferiorer infarkt",
            {"LVH": 50, "IMI": 100},
        ),
        (
            "possible LAE or LVH, atrial fibrillation",
            {"LAO/LAE": 50, "LVH": 50, "AFIB": 100},
        ),
    ],
)
def test_doubt_becomes_a_likelihood(text, statements):
    assert found(text) == statements


@pytest.mark.parametrize(
    "text",
    [
        "No ST changes.",
        "no evidence of ischemia, infarct or left bundle branch block",
        "There is no ECG evidence to suggest hypertrophy",
        "LVH is unlikely",
        "atrial fibrillation is no longer present",
        "The rhythm was previously atrial fibrillation.",
        "T waves are no longer inverted in chest leads",
        "kein Hinweis auf Ischämie",
        "kein Anhalt für einen Infarkt oder Linkshypertrophie",
        "ohne Vorhofflimmern",
        "keine ST-Senkung",
        "Linksschenkelblock ausgeschlossen",
        "inga tecken på ischemi",
        "ingen vänster kammarhypertrofi",
        "utan tecken på hjärtinfarkt",
    ],
)
def test_what_is_denied_is_not_found(text):
    assert found(text) == {}


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("No ischemia, right bundle branch block", {"CRBBB"}),
        ("no infarct but LVH", {"LVH"}),
        ("ohne Infarkt, Vorhofflimmern", {"AFIB"}),
        ("regelmässiger rhythmus, keine p-welle erkannt linksschenkelblock", {"CLBBB"}),
    ],
)
def test_denial_ends_where_it_should(text, statements):
    assert statements <= set(found(text))


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("myocardial infarction in II, III, aVF", "IMI"),
        ("infarkt anteroseptal", "ASMI"),
        ("q waves in v1-v3 consistent with old myocardial infarction", "ASMI"),
        ("infarct in V3, V4", "AMI"),
        ("Hinterwandinfarkt", "IMI"),
        ("hoch-lateraler Infarkt", "LMI"),
        ("ischemia in anterolateral leads", "ISCAL"),
        ("Lateral ST-T changes may be due to myocardial ischemia", "ISCLA"),
    ],
)
def test_the_place_decides_the_statement(text, statement):
    assert statement in found(text)


def test_a_finding_at_two_places_is_two_statements():
    assert found("old anterior and inferolateral myocardial infarction") == {
        "AMI": 100,
        "ILMI": 100,
    }


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("Linksschenkelblok", "CLBBB"),
        ("sinus tachycradia", "STACH"),
        ("ventrikul\x84re extrasystole(n)", "PVC"),
        ("ventrikul?re Extrasystolen", "PVC"),
        ("unspezifische intraventrikul\ufffdre leitungsst\ufffdrung", "IVCD"),
        ("vÄnster kammarhypertrofi", "LVH"),
        ("ueberdrehter linkstyp vorhofflimmern", "AFIB"),
        ("hypertrophie linksventrikul#re hypertrophie", "LVH"),
        ("A-V block I", "1AVB"),
        ("AV-Block 1. Grades", "1AVB"),
    ],
)
def test_typing_errors_and_damage_are_forgiven(text, statement):
    assert statement in found(text)


def test_opposites_of_one_letter_stay_apart():
    assert found("hypokalaemia") == found("hyperkalaemia") == {"EL": 35}
    assert "NORM" not in found("abnormal ecg")
    assert found("unregelmässiger rhythmus, keine p-welle erkannt") == {}
    assert found("inferior infarct").keys() != found("anterior infarct").keys()


def test_codes_in_the_text_are_read():
    assert found("Edit: IMI 15, CRBBB, LVH 50") == {"IMI": 15, "CRBBB": 100, "LVH": 50}


# --- statements of one report together


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("Anterior ischemia. Lateral ischemia, possible.", {"ISCAL": 100}),
        ("Inferior ischemia. Lateral ischemia.", {"ISCIL": 100}),
        ("anteriore Ischämie, inferiore Ischämie", {"ISC_": 100}),
        ("Inferior ischemia. No lateral ischemia.", {"ISCIN": 100}),
    ],
)
def test_ischemia_of_several_walls_is_one(text, statements):
    assert found(text) == statements


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("ST elevation.", True),
        ("Inferior infarct. ST elevation.", False),
        ("Left bundle branch block. ST elevation.", False),
        ("No inferior infarct. ST elevation.", True),
        # What may be there explains nothing that surely is.
        ("Possible inferior infarct. ST elevation.", True),
    ],
)
def test_st_elevation_belongs_to_its_cause(text, counts):
    assert ("STE_" in found(text)) == counts


@pytest.mark.parametrize(
    ("text", "likelihood"),
    [
        ("überdrehter Linkstyp", 50),
        ("überdrehter Linkstyp, Linksschenkelblock", None),
        ("überdrehter Linkstyp, inferiorer Infarkt", None),
        ("Linkstyp", None),
        ("überdrehter Linkstyp, linksanteriorer Hemiblock, inferiorer Infarkt", 100),
    ],
)
def test_a_left_axis_without_another_cause_may_be_a_block(text, likelihood):
    assert found(text).get("LAFB") == likelihood


def test_explain_says_what_the_words_count_for():
    finder = StatementFinder()
    text = "Inferior infarct. ST elevation. Anterior ischemia. Lateral ischemia."
    table = finder.explain(text).set_index("words")
    assert table.loc["st elevation", "code"] == "IMI"
    assert set(table["code"]) == set(finder.transform([text])[0]) == {"IMI", "ISCAL"}


# --- whole collections


def test_every_line_of_the_machines_is_read():
    with MACHINE_LINES.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 200
    wrong = {}
    for row in rows:
        pairs = (part.partition(":") for part in row["statements"].split())
        expected = {code: float(value or 100) for code, _, value in pairs}
        got = found(row["line"])
        if got != expected:
            wrong[row["line"]] = got
    assert not wrong


@pytest.mark.parametrize("language", ["en", "de"])
def test_simulated_reports_are_understood(language):
    cohort = make_ecg_cohort(300, sampling_rate=100, duration=2.5, random_state=1)
    rows = np.flatnonzero(np.asarray(cohort.report_language) == language)
    got = StatementFinder().transform([cohort.reports[i] for i in rows])
    given = presence([cohort.scp_codes[i] for i in rows])
    assert f1_score(given, presence(got), average="micro") >= 0.95


@pytest.mark.realdata
def test_fit_learns_the_habits_of_ptbxl(ecgdan_data):
    folder = ecgdan_data / "ptbxl"
    tables = [pd.read_csv(path) for path in sorted(folder.glob("*.csv"))]
    tables = [table for table in tables if "strat_fold" in table]
    table = pd.concat(tables).dropna(subset="report").drop_duplicates("ecg_id")
    codes = table["scp_codes"].map(ast.literal_eval)
    train, test = table["strat_fold"] <= 8, table["strat_fold"] == 9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        finder = StatementFinder()
        ruled = finder.transform(list(table["report"][test]))
        finder.fit(list(table["report"][train]), list(codes[train]))
        learned = finder.transform(list(table["report"][test]))
    given = presence(codes[test])
    scores = [
        f1_score(given, presence(got), average="micro") for got in (ruled, learned)
    ]
    assert scores[0] > 0.74
    assert scores[1] > 0.79


# --- explanation, learning, the estimator


def test_explain_names_the_words_and_the_cues():
    table = (
        StatementFinder().explain("Possible anterior infarct, no LVH").set_index("code")
    )
    assert table.loc["AMI", ["likelihood", "words", "cues"]].tolist() == [
        50.0,
        "anterior infarct",
        "possible",
    ]
    assert table.loc["LVH", "likelihood"] == 0
    assert table.loc["LVH", "cues"] == "no"


REPORTS = ["linksbelastung", "normales ekg"] * 10
HABIT = [{"ISC_": 80}, {"NORM": 100}] * 10


def test_fit_learns_words_that_no_rule_knows():
    finder = StatementFinder().fit(REPORTS, HABIT)
    assert finder.transform(REPORTS[:2]) == [{"ISC_": 80}, {"NORM": 100}]
    assert set(finder.codes_) == {"ISC_", "NORM"}
    shares = finder.explain("linksbelastung").set_index("words")["share"]
    assert shares["linksbelastung"] > 0
    # The words were seen with it, but here it is denied.
    assert finder.transform(["kein normales ekg, Vorhofflimmern"]) == [{"AFIB": 100}]


def test_a_fit_without_statements_leaves_the_rules():
    text = ["Vorhofflimmern", "Sinusrhythmus"]
    finder = StatementFinder().fit(text)
    assert finder.transform(text) == StatementFinder().transform(text)
    relearned = clone(finder).fit(REPORTS, HABIT).fit(text)
    assert relearned.transform(text) == finder.transform(text)


def test_a_lexicon_of_ones_own(tmp_path):
    path = tmp_path / "finnish.csv"
    path.write_text("language,phrase,means\nfi,eteisvärinä,AFIB\nfi,ei,!>\n")
    finder = StatementFinder(path, languages=("fi",))
    assert finder.transform(["Eteisvarina"]) == [{"AFIB": 100}]
    path.with_name("odd.csv").write_text("language,phrase,means\nfi,x,%\n")
    with pytest.raises(ValueError, match="odd.csv, line 2: the meaning '%'"):
        StatementFinder(path.with_name("odd.csv"), languages=("fi",)).transform(["x"])


# --- bad input


def test_silent_reports_are_counted_in_one_warning():
    reports = ["", "  \n", "Sinusrhythmus", "nichts davon"]
    with pytest.warns(UserWarning, match="3 of 4 reports, 2 of which hold no") as seen:
        assert StatementFinder().transform(reports) == [{}, {}, {"SR": 100}, {}]
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("reports", "error", "match"),
    [
        (["sinus rhythm", None], TypeError, "got None as report 1"),
        ([float("nan")], TypeError, "got nan as report 0"),
        ("sinus rhythm", TypeError, "single str"),
        (["12.5"], ValueError, "the number '12.5'"),
        (["/home/me/report.txt"], ValueError, "looks like a file"),
        (["report_17.pdf"], ValueError, "looks like a file"),
        ([{"SR": 100}], TypeError, "statements already"),
    ],
)
def test_what_is_no_report_is_refused(reports, error, match):
    with pytest.raises(error, match=match):
        StatementFinder().transform(reports)


def test_a_language_without_phrases_is_named():
    with pytest.raises(ValueError, match="language 'fr'"):
        StatementFinder(languages=("de", "fr")).transform(["rythme sinusal"])


def test_statements_of_another_number_are_refused():
    with pytest.raises(ValueError, match="2 ECGs"):
        StatementFinder().fit(["a", "b"], [{"SR": 0}])

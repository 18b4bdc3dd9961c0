"""ukb_cohort against a count that follows each synthetic participant by hand."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from ecgdan_sk.datasets import ukb_cohort
from ecgdan_sk.records import ECGRecords

N = 5000
END = dt.date(2022, 10, 31)
VISITED = dt.date(2016, 5, 10)
HF = ["I500", "I501", "I509", "I110", "I130", "I132"]
HF9 = ["428", "4280", "4289"]
LISTED = {
    "hypertension": (["I10", "I119", "I120", "I139", "I151"], ["4019", "4020", "405"]),
    "myocardial-infarction": (["I210", "I229", "I231", "I241", "I252"], ["4109"]),
}
OTHERS = ["I119", "I251", "J459", "I259", "E119", "I249", "I421", "Z501", "I131"]
OTHERS9 = ["4109", "493", "42", "4270", "250"]


class Person:
    """One participant: dates and coded diagnoses, without any table."""

    def __init__(self, eid):
        self.eid, self.visit, self.death, self.lost = eid, None, None, None
        self.icd10, self.icd9, self.causes = [], [], []


def some_day(rng, first, last):
    return first + dt.timedelta(days=int(rng.integers(0, (last - first).days + 1)))


def draw_people():
    """Participants at random, with the edge cases put in by name."""
    rng = np.random.default_rng(0)
    people = []
    for eid in range(1_000_001, 1_000_001 + N):
        person = Person(eid)
        people.append(person)
        if rng.random() < 0.8:
            person.visit = some_day(rng, dt.date(2014, 5, 1), dt.date(2020, 3, 1))
        start, stop = dt.date(1997, 1, 1), dt.date(2022, 12, 31)
        for pool, chance in [
            (LISTED["hypertension"][0], 0.5),
            (LISTED["myocardial-infarction"][0], 0.15),
            (HF, 0.15),
            (OTHERS, 0.7),
        ]:
            while rng.random() < chance:
                person.icd10.append((str(rng.choice(pool)), some_day(rng, start, stop)))
        for pool in (LISTED["hypertension"][1], HF9, OTHERS9):
            if rng.random() < 0.03:
                day = some_day(rng, dt.date(1981, 1, 1), dt.date(1996, 12, 31))
                person.icd9.append((str(rng.choice(pool)), day))
        if rng.random() < 0.1:
            person.death = some_day(rng, person.visit or start, stop)
            person.causes = [str(rng.choice(["C349", "I219", *HF]))]
            if rng.random() < 0.5:
                person.causes.append(str(rng.choice([*HF, "J189"])))
        if rng.random() < 0.02:
            person.lost = some_day(rng, dt.date(2012, 1, 1), END)
        if rng.random() < 0.02 and person.icd10:
            person.icd10[0] = (person.icd10[0][0], None)
    return people


def edge(person, *, icd10=(), icd9=(), death=None, causes=(), lost=None):
    person.visit = VISITED
    person.icd10 = [("I10", dt.date(2010, 1, 1)), ("I252", dt.date(2010, 1, 1))]
    person.icd10 += icd10
    person.icd9, person.causes = list(icd9), list(causes)
    person.death, person.lost = death, lost


def day(offset):
    return VISITED + dt.timedelta(days=offset)


# name -> what happens, and the outcome (cause, days), or None for left out.
EDGES = {
    "event on the day of the ECG": ({"icd10": [("I500", day(0))]}, None),
    "event on the day after": ({"icd10": [("I500", day(1))]}, (1, 1)),
    "prevalent": ({"icd10": [("I501", day(-9)), ("I500", day(9))]}, None),
    "prevalent in ICD-9": ({"icd9": [("4280", dt.date(1990, 1, 1))]}, None),
    "first event in ICD-9": ({"icd9": [("428", day(30))]}, (1, 30)),
    "death before event": (
        {"icd10": [("I500", day(200))], "death": day(100), "causes": ["C349"]},
        (2, 100),
    ),
    "only in the primary death code": (
        {"death": day(50), "causes": ["I500"]},
        (1, 50),
    ),
    "only in a secondary death code": (
        {"death": day(51), "causes": ["J189", "I110"]},
        (1, 51),
    ),
    "event on the day of death": (
        {"icd10": [("I509", day(70))], "death": day(70), "causes": ["C349"]},
        (1, 70),
    ),
    "lost before event": ({"icd10": [("I500", day(90))], "lost": day(60)}, (0, 60)),
    "lost before death": (
        {"death": day(90), "causes": ["I500"], "lost": day(61)},
        (0, 61),
    ),
    "lost on the day of the ECG": ({"lost": day(0)}, None),
    "lost before the ECG": ({"lost": day(-300)}, None),
    "dead on the day of the ECG": ({"death": day(0), "causes": ["C349"]}, None),
    "event after the data's end": (
        {"icd10": [("I500", END + dt.timedelta(days=1))]},
        (0, (END - VISITED).days),
    ),
    "event on the last day": ({"icd10": [("I500", END)]}, (1, (END - VISITED).days)),
    "death after the data's end": (
        {"death": END + dt.timedelta(days=3), "causes": ["I500"]},
        (0, (END - VISITED).days),
    ),
    "without a date": ({"icd10": [("I500", None), ("I500", day(5))]}, None),
    "other heart disease": (
        {"icd10": [("I421", day(5)), ("I131", day(6)), ("Z501", day(7))]},
        (0, (END - VISITED).days),
    ),
}


@pytest.fixture(scope="module")
def people():
    people = draw_people()
    for person, (happens, _) in zip(people, EDGES.values()):
        edge(person, **happens)
    return people


def table_of(people, name):
    """The participants as a table, columns named by `name(field, instance, array)`."""
    columns = {"eid": [person.eid for person in people]}

    def add(field, instance, array, values):
        columns[name(field, instance, array)] = [
            str(value) if value is not None else None for value in values
        ]

    add(53, 0, 0, ["2008-01-01"] * len(people))
    add(53, 2, 0, [person.visit for person in people])
    add(191, 0, 0, [person.lost for person in people])
    add(40000, 0, 0, [person.death for person in people])
    add(40000, 1, 0, [None] * len(people))
    for field, position in [(40001, 0), (40002, 1)]:
        codes = [(p.causes + [None, None])[position] for p in people]
        add(field, 0, max(0, position - 1), codes)
    for codes_field, dates_field, kind in [
        (41270, 41280, "icd10"),
        (41271, 41281, "icd9"),
    ]:
        longest = max(len(getattr(person, kind)) for person in people)
        for array in range(longest):
            pairs = [
                (getattr(p, kind) + [(None, None)] * longest)[array] for p in people
            ]
            add(codes_field, 0, array, [code for code, _ in pairs])
            add(dates_field, 0, array, [date for _, date in pairs])
    return pd.DataFrame(columns)


def showcase(field, instance, array):
    return f"{field}-{instance}.{array}"


@pytest.fixture(scope="module")
def table(people):
    return table_of(people, showcase)


@pytest.fixture(scope="module")
def built(table):
    """Both cohorts with death as a competing cause."""
    return {
        cohort: ukb_cohort(table, cohort, end_of_data=END, competing_death=True)
        for cohort in LISTED
    }


def by_hand(people, cohort):
    """Outcome (cause, days) by eid, and how many were left out at each step."""
    codes10, codes9 = LISTED[cohort]
    starts10 = {"hypertension": ("I10", "I11", "I12", "I13", "I15")}.get(cohort)
    left = {"visit": 0, "cohort": 0, "prevalent": 0, "undated": 0, "unobserved": 0}
    outcomes = {}
    for person in people:
        if person.visit is None:
            left["visit"] += 1
            continue
        member, failing, undated = False, [], False
        for code, when in person.icd10:
            listed = code in codes10 or (starts10 and code[:3] in starts10)
            if listed and when is not None and when <= person.visit:
                member = True
            if code in HF and when is None:
                undated = True
            elif code in HF:
                failing.append(when)
        for code, when in person.icd9:
            member = member or (code in codes9 and when <= person.visit)
            if code in HF9:
                failing.append(when)
        if set(person.causes) & set(HF):
            failing.append(person.death)
        last = min(d for d in (END, person.lost, person.death) if d is not None)
        if not member:
            left["cohort"] += 1
        elif failing and min(failing) <= person.visit:
            left["prevalent"] += 1
        elif undated:
            left["undated"] += 1
        elif last <= person.visit:
            left["unobserved"] += 1
        elif failing and min(failing) <= last:
            outcomes[person.eid] = (1, (min(failing) - person.visit).days)
        else:
            cause = 2 if person.death == last else 0
            outcomes[person.eid] = (cause, (last - person.visit).days)
    return outcomes, list(left.values())


@pytest.mark.parametrize("cohort", LISTED)
def test_the_cohort_is_the_one_counted_by_hand(people, built, cohort):
    expected, left_out = by_hand(people, cohort)
    ukb = built[cohort]
    assert ukb.eid.tolist() == list(expected)
    assert ukb.y.tolist() == [(c, float(d)) for c, d in expected.values()]
    assert ukb.flow["left_out"].tolist() == [0, *left_out]
    assert ukb.flow["remaining"].tolist() == (N - np.cumsum([0, *left_out])).tolist()
    assert ukb.flow["remaining"].iloc[-1] == len(ukb.y)
    # Every way out and every outcome occurs, so that all of them are compared.
    assert min(left_out) > 0
    assert set(ukb.y["event"]) == {0, 1, 2}


def test_without_competing_death_the_dead_are_censored(table, built):
    y = ukb_cohort(table, "hypertension", end_of_data=END).y
    causes = built["hypertension"].y
    assert y["event"].dtype == bool
    assert (y["event"] == (causes["event"] == 1)).all()
    assert (y["time"] == causes["time"]).all()


@pytest.mark.parametrize("cohort", LISTED)
@pytest.mark.parametrize("case", EDGES)
def test_edge_case(people, built, cohort, case):
    position = list(EDGES).index(case)
    found = dict(zip(built[cohort].eid, built[cohort].y.tolist()))
    assert found.get(people[position].eid) == EDGES[case][1]


def rap(field, instance, array):
    return {
        53: f"p53_i{instance}",
        191: "p191",
        40000: f"p40000_i{instance}",
        40001: f"p40001_i{instance}",
        40002: f"p40002_i{instance}_a{array}",
        41270: f"p41270_a{array}",
        41271: f"p41271_a{array}",
        41280: f"p41280_a{array}",
        41281: f"p41281_a{array}",
    }[field]


def in_one_cell(table, written):
    """RAP's table, whose codes of a participant stand in one cell."""
    table = table.rename(columns={"eid": "participant.eid"})
    for field in (41270, 41271):
        columns = [c for c in table if c.startswith(f"p{field}_")]
        lists = [[c for c in row if c is not None] for row in table[columns].to_numpy()]
        cells = [written(codes) if codes else None for codes in lists]
        table = table.drop(columns=columns).assign(**{f"p{field}": cells})
    return table


@pytest.mark.parametrize(
    "variant",
    [
        lambda people: table_of(people, lambda *at: "f.{}.{}.{}".format(*at)),
        lambda people: table_of(people, rap),
        lambda people: in_one_cell(table_of(people, rap), "|".join),
        lambda people: in_one_cell(table_of(people, rap), str),
        lambda people: in_one_cell(table_of(people, rap), list),
    ],
    ids=["R", "RAP", "RAP with bars", "RAP with brackets", "RAP with lists"],
)
def test_other_names_of_columns_give_the_same(people, table, variant):
    one, two = (
        ukb_cohort(some, "hypertension", end_of_data=END)
        for some in (table, variant(people))
    )
    assert one.eid.tolist() == two.eid.tolist()
    assert (one.y == two.y).all()
    pd.testing.assert_frame_equal(one.table, two.table)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_file_gives_the_same(table, tmp_path, separator):
    path = tmp_path / "ukb.csv"
    table.assign(**{"31-0.0": "x"}).to_csv(path, index=False, sep=separator)
    one, two = (
        ukb_cohort(some, "myocardial-infarction", end_of_data=END)
        for some in (table, path)
    )
    assert one.eid.tolist() == two.eid.tolist()
    assert (one.y == two.y).all()


def test_codes_may_be_numbers_and_dates_may_be_dates(table):
    typed = table.copy()
    for column in typed:
        if column.startswith("41271"):
            typed[column] = pd.to_numeric(typed[column])
        elif column.split("-")[0] in ("53", "191", "40000", "41280", "41281"):
            typed[column] = pd.to_datetime(typed[column])
    one, two = (
        ukb_cohort(some, "hypertension", end_of_data=pd.Timestamp(END))
        for some in (table, typed)
    )
    assert one.eid.tolist() == two.eid.tolist()
    assert (one.y == two.y).all()


def test_the_data_end_with_their_last_date(table):
    ukb = ukb_cohort(table, "hypertension")
    dates = table[[c for c in table if c.startswith(("41280", "40000"))]]
    last = pd.to_datetime(pd.Series(dates.to_numpy().ravel())).max()
    assert ukb.table["last_contact"].max() <= last
    assert (last - ukb.table["last_contact"].max()).days < 60


def test_ecgs_are_joined_by_participant(people, table):
    visited = [person.eid for person in people if person.visit]
    rng = np.random.default_rng(1)
    owners = rng.permutation(visited)[:1500]
    owners = np.concatenate([owners, owners[:10], [42]])
    signals = np.broadcast_to(np.arange(len(owners))[:, None, None], (1511, 12, 8))
    ecgs = ECGRecords(signals.astype(np.float32), 500, patient_ids=owners)
    ukb = ukb_cohort(table, "hypertension", ecgs=ecgs, end_of_data=END)
    assert ukb.X.patient_ids.tolist() == ukb.eid.tolist()
    assert ukb.X.signals[:, 0, 0].max() < 1500
    assert ukb.flow.loc[2, ["step", "remaining"]].tolist() == ["no ECG", 1500]
    whole = ukb_cohort(table, "hypertension", end_of_data=END)
    kept = np.isin(whole.eid, owners)
    assert ukb.eid.tolist() == whole.eid[kept].tolist()
    assert (ukb.y == whole.y[kept]).all()


def test_outcome_may_be_another_disease(table):
    ukb = ukb_cohort(table, "hypertension", "myocardial-infarction", end_of_data=END)
    assert 0 < ukb.y["event"].sum() < len(ukb.y)
    assert (
        ukb.table["outcome"].dropna()
        > ukb.table["visit"].loc[ukb.table["outcome"].notna()]
    ).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="191-0.0"), "lacks the fields 191 .*'191-0.0'"),
        (lambda t: t.drop(columns="eid"), "no column eid"),
        (
            lambda t: pd.concat([t, t[:12]]),
            r"12 values of eid occur more than once: .*, \.\.\.",
        ),
        (lambda t: t.assign(**{"40000-0.0": "soon"}), "dates like .* 4002 .*'soon'"),
        (lambda t: t.drop(columns="53-2.0"), "no instance 2 of field 53"),
        (lambda t: t.assign(**{"53-2.0": None}), "Nobody remains"),
    ],
)
def test_a_wrong_table_is_named(table, change, message):
    with pytest.raises(ValueError, match=message):
        ukb_cohort(change(table), "hypertension")


def test_wrong_arguments_are_named(table, tmp_path):
    with pytest.raises(ValueError, match="cohort must be one of heart-failure, "):
        ukb_cohort(table, "diabetes")
    with pytest.raises(ValueError, match="are both 'heart-failure'"):
        ukb_cohort(table, "heart-failure")
    with pytest.raises(FileNotFoundError, match="no file .*ukb.csv"):
        ukb_cohort(tmp_path / "ukb.csv", "hypertension")
    ecgs = ECGRecords(np.zeros((2, 12, 8)), patient_ids=[1, 2])
    with pytest.raises(ValueError, match="None of the 2 patient_ids .*1, 2"):
        ukb_cohort(table, "hypertension", ecgs=ecgs)
    with pytest.raises(ValueError, match="has no patient_ids"):
        ukb_cohort(table, "hypertension", ecgs=ECGRecords(np.zeros((2, 12, 8))))


def few(**changed):
    """A table of four participants with hypertension, one of whom has died."""
    empty = ["191-0.0", "41271-0.0", "41281-0.0", "40001-0.0", "40002-0.0"]
    table = {
        "eid": [1, 2, 3, 4],
        "53-2.0": "2015-01-01",
        "41270-0.0": "I10",
        "41280-0.0": "2010-01-01",
        "41270-0.1": [None, None, None, "I500"],
        "41280-0.1": [None, None, None, "2016-01-01"],
        "40000-0.0": [None, "2017-01-01", None, None],
    }
    return pd.DataFrame(table | dict.fromkeys(empty) | changed)


FEW = [(1, False, 731), (2, False, 731), (3, False, 731), (4, True, 365)]
PLACEHOLDERS = ["1900-01-01", "1901-01-01", "1902-02-02", "1903-03-03", "1909-09-09"]


def followed(ukb):
    return [(eid, *row) for eid, row in zip(ukb.eid.tolist(), ukb.y.tolist())]


@pytest.mark.parametrize("date", [*PLACEHOLDERS, "2037-07-07", "2150-01-01"])
def test_a_placeholder_is_no_date(date):
    dates = ["2010-01-01"] * 3
    for column, changed, expected in [
        ("41280-0.0", [*dates[:2], date, dates[0]], [*FEW[:2], FEW[3]]),
        ("41280-0.1", [None, None, None, date], FEW[:3]),
        ("191-0.0", [date, None, None, None], FEW),
        ("40000-0.0", [date, "2017-01-01", None, None], FEW),
        ("53-2.0", [date, *["2015-01-01"] * 3], FEW[1:]),
    ]:
        ukb = ukb_cohort(few(**{column: changed}), "hypertension")
        assert followed(ukb) == expected, column
        note = "1 dates taken as missing: placeholders, or to come"
        assert note in ukb.flow["step"].tolist()
    assert followed(ukb_cohort(few(), "hypertension")) == FEW


def test_a_date_that_stands_alone_is_not_the_end_of_the_data(table):
    expected = ukb_cohort(table, "hypertension")
    stranger = {"eid": 999, "53-2.0": "2015-01-01", "40000-0.0": "2025-06-01"}
    stranger = pd.DataFrame([stranger])
    with pytest.warns(UserWarning, match="1 dates lie more than a year behind"):
        ukb = ukb_cohort(pd.concat([table, stranger]), "hypertension")
    assert followed(ukb) == followed(expected)


ENDS = {"England": "2017-01-01", "Scotland": "2016-06-30", "Wales": "2015-12-31"}


@pytest.mark.parametrize(
    "centres",
    [
        [11010, 11001, 11004, 11022],
        ["11010", "11001", "11005", "11003"],
        ["Leeds", "Manchester", "Glasgow", "Swansea (Wales)"],
    ],
)
def test_the_data_end_by_country(centres):
    table = few(**{"54-0.0": centres, "54-2.0": 11025})
    ukb = ukb_cohort(table, "hypertension", end_of_data=ENDS)
    assert followed(ukb) == [*FEW[:2], (3, False, 546), (4, False, 364)]


@pytest.mark.parametrize(
    ("changed", "ends", "message"),
    [
        ({}, ENDS, "needs field 54"),
        ({"54-0.0": 11004}, {"England": "2017-01-01"}, "4 .*recruited in Scotland"),
        ({"54-0.0": [11004, None, 11004, 11004]}, ENDS, "1 .*recruited in nan"),
    ],
)
def test_an_end_by_country_needs_the_countries(changed, ends, message):
    with pytest.raises(ValueError, match=message):
        ukb_cohort(few(**changed), "hypertension", end_of_data=ends)

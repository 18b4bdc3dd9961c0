"""From reports, SCP codes or a matrix to one embedding per ECG."""

import ast
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.reports import (
    ReportEmbedder,
    TfidfEncoder,
    clean_report,
    load_statements,
)
from ecgdan_sk.reports._statements import statement_texts

SUPERCLASSES = ["NORM", "MI", "STTC", "CD", "HYP"]
TEXTS = [
    "Sinus rhythm. Normal ECG.",
    "sinusrhythmus   normales ekg",
    "sinus rhythm. normal ecg.",
    "vorhofflimmern linkstyp",
]
CODES = [
    {"NORM": 100.0, "SR": 0.0},
    {"IMI": 15.0, "LNGQT": 100.0},
    {"SR": 0.0, "NORM": 100.0},
    {"AFIB": 0.0, "IMI": 50.0},
]
MATRIX = np.random.default_rng(0).normal(size=(4, 3))


def length(texts):
    """An encoder of one's own: how long a text is, and how many words it has."""
    return [[len(text), len(text.split())] for text in texts]


def cosines(a, b):
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b)]
    return unit[0] @ unit[1].T


# --- statements


def test_table_has_the_71_statements():
    table = load_statements()
    assert len(table) == 71
    assert table.index.is_unique
    assert table["description"].is_unique
    assert table[["diagnostic", "form", "rhythm"]].sum().tolist() == [44, 19, 12]
    assert set(table["superclass"]) == {*SUPERCLASSES, ""}
    assert ((table["superclass"] != "") == table["diagnostic"]).all()


@pytest.mark.realdata
def test_table_agrees_with_that_of_ptbxl(ecgdan_data):
    ours = load_statements()
    theirs = load_statements(ecgdan_data / "ptbxl" / "scp_statements.csv").loc[
        ours.index
    ]
    assert len(theirs) == 71
    kinds = ["diagnostic", "form", "rhythm", "superclass"]
    pd.testing.assert_frame_equal(ours[kinds], theirs[kinds])
    assert theirs.loc["ISCAL", "category"] == "ischemic ST-T changes"
    assert theirs.loc["ISCAL", "description"] == "in anterolateral leads"


def test_a_table_of_ones_own_by_path_or_frame(tmp_path):
    table = load_statements().loc[["NORM", "AFIB"]].rename(index={"AFIB": "VHF"})
    table.to_csv(tmp_path / "own.csv")
    for source in (table, tmp_path / "own.csv", str(tmp_path / "own.csv")):
        pd.testing.assert_frame_equal(load_statements(source), table)
        embedder = ReportEmbedder(statements=source)
        assert embedder.fit([{"NORM": 100}, {"VHF": 0}]).codes_ == ("NORM", "VHF")


def test_a_table_without_its_columns_is_refused():
    with pytest.raises(ValueError, match="lacks the columns category, superclass"):
        load_statements(load_statements().drop(columns=["category", "superclass"]))


def test_a_table_with_a_code_twice_is_refused():
    table = load_statements()
    with pytest.raises(ValueError, match="one code.*'NORM'"):
        load_statements(pd.concat([table, table.loc[["NORM"]]]))


# --- cleaning


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (" sinusrytm  ,\tfÖrlopp\n", "sinusrytm , förlopp"),
        ("r-s #bergang, f#r lvh", "r-s übergang, für lvh"),
        ("f\x81r, st\x84lld, schwei\xe1ausbruch", "für, ställd, schweißausbruch"),
        ("lvh\x00\x1f\x9d suspected", "lvh suspected"),
        ("a\u0308rztlich", "ärztlich"),
        ("ÄNDERUNG. Normales EKG", "ÄNDERUNG. Normales EKG"),
        ("diástole, coágulo, elevação", "diástole, coágulo, elevação"),
        ("lead #2, bpm > 100", "lead #2, bpm > 100"),
        (" \n", ""),
    ],
)
def test_reports_are_cleaned(written, meant):
    assert clean_report(written) == meant
    assert clean_report(meant) == meant


def test_a_report_in_bytes_is_refused():
    with pytest.raises(TypeError, match="got b'sr'. Decode it first"):
        clean_report(b"sr")


@pytest.mark.realdata
def test_no_damage_is_left_in_real_reports(ecgdan_data):
    reports = real_table(ecgdan_data)["report"]
    cleaned = [clean_report(report) for report in reports]
    letters = set("".join(cleaned)) - set(map(chr, range(32, 127)))
    assert letters <= set("äöüåßÄÖÜÅ")
    assert not any("#" in report for report in cleaned)
    assert sum(a != b for a, b in zip(cleaned, reports)) > 1000


# --- free text


def test_equal_reports_share_key_and_embedding():
    encoded = ReportEmbedder().fit_transform(TEXTS, 4)
    assert encoded.keys.tolist() == [0, 1, 0, 2]
    assert encoded.texts[1] == "sinusrhythmus normales ekg"
    assert encoded.codes is None
    assert encoded.likelihoods is None
    assert len(encoded) == 4
    assert encoded.embeddings.dtype == np.float32
    np.testing.assert_array_equal(encoded.embeddings[0], encoded.embeddings[2])


@pytest.mark.parametrize("as_what", [tuple, np.array, pd.Series])
def test_whatever_holds_the_reports(as_what):
    expected = ReportEmbedder().fit_transform(TEXTS).embeddings
    encoded = ReportEmbedder().fit_transform(as_what(TEXTS))
    np.testing.assert_array_equal(encoded.embeddings, expected)


def test_each_distinct_text_is_embedded_once():
    seen = []

    def encoder(texts):
        seen.extend(texts)
        return length(texts)

    encoded = ReportEmbedder(encoder).fit_transform(TEXTS)
    assert seen == [clean_report(TEXTS[i]) for i in (0, 1, 3)]
    assert encoded.embeddings.tolist() == length(
        [clean_report(TEXTS[i]) for i in (0, 1, 0, 3)]
    )


def test_new_reports_use_what_fit_learned():
    embedder = ReportEmbedder().fit(TEXTS)
    both = embedder.transform(TEXTS[:2]).embeddings
    np.testing.assert_allclose(
        both, ReportEmbedder().fit_transform(TEXTS).embeddings[:2]
    )
    assert embedder.transform(TEXTS[3:]).embeddings.shape == (1, embedder.n_dims_)


def test_nothing_is_written_to_the_parameters():
    encoder = TfidfEncoder(2)
    embedder = ReportEmbedder(encoder).fit(TEXTS)
    assert embedder.encoder is encoder
    assert not hasattr(encoder, "svd_")
    again = clone(pickle.loads(pickle.dumps(embedder))).fit(TEXTS)
    np.testing.assert_array_equal(again.encode(["ekg"]), embedder.encode(["ekg"]))


# --- SCP codes


def test_an_ecg_has_the_weighted_mean_of_its_statements():
    def one_hot(texts):
        return np.eye(len(texts))

    encoded = ReportEmbedder(one_hot).fit_transform(CODES)
    table = load_statements()
    row = dict(zip(table.index, encoded.embeddings[1]))
    assert row["IMI"] == pytest.approx(15 / 115)  # the paper's own example
    assert row["LNGQT"] == pytest.approx(100 / 115)
    np.testing.assert_allclose(encoded.embeddings.sum(axis=1), 1, rtol=1e-6)


def test_statements_read_category_and_description():
    seen = []

    def encoder(texts):
        seen.extend(texts)
        return length(texts)

    ReportEmbedder(encoder).fit(CODES)
    assert len(seen) == len(set(seen)) == 71
    assert "conduction disturbance: complete left bundle branch block" in seen


def test_likelihoods_are_soft_targets():
    encoded = ReportEmbedder().fit_transform(CODES)
    assert encoded.codes == ("NORM", "IMI", "LNGQT", "SR", "AFIB")
    np.testing.assert_allclose(
        encoded.likelihoods,
        [[1, 0, 0, 1, 0], [0, 0.15, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0.5, 0, 0, 1]],
    )
    assert encoded.keys.tolist() == [0, 1, 0, 2]
    assert encoded.texts[1] == (
        "prolonged QT interval; inferior myocardial infarction (15 %)"
    )


def test_zero_likelihood_is_dropped_if_asked():
    codes = [{"NORM": 100, "SR": 0}, {"IMI": 50, "AFIB": 0}]
    encoded = ReportEmbedder(zero_likelihood="drop").fit_transform(codes)
    assert encoded.codes == ("NORM", "IMI")
    np.testing.assert_allclose(encoded.likelihoods, [[1, 0], [0, 0.5]])


def test_a_diagnosis_of_zero_likelihood_is_never_counted():
    encoded = ReportEmbedder().fit_transform([{"IMI": 0, "SR": 0}, {"NORM": 100}])
    assert encoded.codes == ("NORM", "SR")


def test_new_codes_are_embedded_but_are_no_target():
    embedder = ReportEmbedder().fit(CODES)
    encoded = embedder.transform([{"LVH": 100}, {"LVH": 100, "SR": 0}])
    assert encoded.codes == embedder.codes_
    np.testing.assert_array_equal(encoded.likelihoods, [[0] * 5, [0, 0, 0, 1, 0]])
    assert encoded.texts[0] == "left ventricular hypertrophy"


def test_simulated_cohorts_are_read_either_way():
    cohort = make_ecg_cohort(30, duration=2, sampling_rate=100, random_state=0)
    for reports, kind in ((cohort.scp_codes, "codes"), (cohort.reports, "text")):
        embedder = ReportEmbedder()
        assert len(embedder.fit_transform(reports, 30)) == 30
        assert embedder.kind_ == kind


# --- matrices


def test_a_matrix_is_taken_as_it_is():
    for matrix in (MATRIX, pd.DataFrame(MATRIX)):
        encoded = ReportEmbedder().fit_transform(matrix, 4)
        np.testing.assert_array_equal(encoded.embeddings, MATRIX.astype(np.float32))
        assert encoded.keys.tolist() == [0, 1, 2, 3]
        assert encoded.texts is None


def test_prompts_for_a_matrix():
    embedder = ReportEmbedder().fit(MATRIX)
    assert embedder.encode(MATRIX[:2]).shape == (2, 3)
    with pytest.raises(ValueError, match="there is no encoder for prompts"):
        embedder.encode(["normal"])
    with pytest.raises(ValueError, match=r"\(n_samples, 3\), got \(2, 2\)"):
        embedder.encode(MATRIX[:2, :2])
    with pytest.raises(ValueError, match=r"\(n_samples, 3\), got \(1, 2\)"):
        ReportEmbedder(length).fit(MATRIX).encode(["normal"])
    assert ReportEmbedder(length).fit(MATRIX[:, :2]).encode(["sr"]).tolist() == [[2, 1]]


# --- prompts


def test_prompts_are_codes_superclasses_or_words():
    embedder = ReportEmbedder().fit(CODES)
    words = "hypertrophy: left ventricular hypertrophy"
    prompts = embedder.encode(["LVH", words, {"LVH": 100}, "HYP"])
    np.testing.assert_allclose(prompts[1:3], prompts[[0, 0]], atol=1e-6)
    members = embedder.encode(["LVH", "RVH", "SEHYP", "LAO/LAE", "RAO/RAE"])
    np.testing.assert_allclose(prompts[3], members.mean(axis=0), atol=1e-6)


def test_prompts_find_the_ecgs_that_have_what_they_say():
    embedder = ReportEmbedder().fit(CODES)
    prompts = embedder.encode(["atrial fibrillation", "normal", "inferior infarction"])
    similarity = cosines(embedder.transform(CODES).embeddings, prompts)
    assert similarity.argmax(axis=0)[0] == 3
    assert similarity.argmax(axis=1)[[0, 2]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("prompts", "error", "message"),
    [
        ("NORM", TypeError, "the single 'NORM'. Write .prompt."),
        ([], ValueError, "at least one prompt"),
        (["NORM", "?"], ValueError, "no word"),
        (["NORM", None], ValueError, "missing"),
        (["日本語"], ValueError, "zeros for '日本語': .* no word in common"),
        ([{"NROM": 100}], ValueError, "nearest: 'NORM'"),
    ],
)
def test_prompts_that_cannot_be_embedded(prompts, error, message):
    with pytest.raises(error, match=message):
        ReportEmbedder().fit(CODES).encode(prompts)


# --- bad input


@pytest.mark.parametrize(
    ("reports", "error", "message"),
    [
        (TEXTS[:3], ValueError, "X holds 4 ECGs, but there are 3 reports"),
        (MATRIX[:3], ValueError, "X holds 4 ECGs, but there are 3 reports"),
        (["a", None, "b", np.nan], ValueError, "2 of 4 reports are missing.*number 1"),
        ([*CODES[:3], None], ValueError, "1 of 4 reports are missing.*number 3"),
        (["sinus", " ", "a", "b"], ValueError, "1 of 4 reports hold no word.*number 1"),
        (["a", {"SR": 0}, "b", "c"], TypeError, "got str first and dict as number 1"),
        ([["SR"]] * 4, TypeError, "got list first and list as number 0"),
        ("sinus rhythm", TypeError, "got a single str"),
        (CODES[0], TypeError, "got a single dict"),
        (MATRIX[:, 0], TypeError, "got float64 first"),
        (np.zeros((4, 3, 2)), ValueError, r"got an array of shape \(4, 3, 2\)"),
        ([str(codes) for codes in CODES], ValueError, "ast.literal_eval"),
        (["sinus rhythm", "Sinus  rhythm"] * 2, ValueError, "All 4 reports say"),
        ([{"AFIB": 0}] * 4, ValueError, "All 4 reports say the same"),
        ([*CODES[:3], {}], ValueError, "no statement.*reports.3. = .*Leave these"),
        ([*CODES[:3], {"IMI": 0}], ValueError, "1 of 4 ECGs have no statement"),
        ([*CODES[:3], {"IMI": 101}], ValueError, r"reports\[3\] has 'IMI': 101"),
        ([*CODES[:3], {"IMI": -1}], ValueError, "from 0 to 100"),
        ([*CODES[:3], {"IMI": np.nan}], ValueError, "'IMI': nan"),
        ([*CODES[:3], {"IMI": "50"}], ValueError, "'IMI': '50'"),
        (np.where(MATRIX > 1, np.nan, MATRIX), ValueError, "hold NaN or infinity"),
        (MATRIX * [1, 0, 1], ValueError, "constant in 1 of 3 columns.*column 1"),
        (MATRIX * [[1], [0], [1], [0]], ValueError, "2 of 4 embeddings are zero"),
        (np.ones((4, 3)), ValueError, "All 4 reports say the same"),
    ],
)
def test_reports_that_cannot_be_used(reports, error, message):
    with pytest.raises(error, match=message):
        ReportEmbedder().fit(reports, 4)


def test_unknown_codes_are_named_with_the_nearest():
    codes = [{"NORM": 100}, {"LVHH": 100, "SR": 0}, {"AFLB": 0}]
    with pytest.raises(ValueError, match="2 SCP codes are not in the table") as error:
        ReportEmbedder().fit(codes)
    assert "'LVHH' (nearest: 'LVH')" in str(error.value)
    assert "'AFLB' (nearest: 'LAFB')" in str(error.value)
    assert "reports[1]" in str(error.value)


def test_dropping_says_how_to_keep_rhythms():
    codes = [{"NORM": 100}, {"AFIB": 0}, {"IMI": 50}]
    with pytest.raises(ValueError, match="1 of 3 ECGs.*zero_likelihood='present'"):
        ReportEmbedder(zero_likelihood="drop").fit(codes)


def test_reports_of_another_kind_than_in_fit():
    with pytest.raises(
        TypeError, match="Expected SCP codes.* as in fit, got free text"
    ):
        ReportEmbedder().fit(CODES).transform(TEXTS)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="'present' or 'drop', got 'keep'"):
        ReportEmbedder(zero_likelihood="keep").fit(CODES)
    for encoder in ("bert", 3, TfidfEncoder):
        with pytest.raises(TypeError, match="callable or an object with `encode`"):
            ReportEmbedder(encoder).fit(TEXTS)


def test_encoders_are_checked():
    for encoder, message in [
        (lambda texts: np.ones(len(texts)), r"shape \(3, n_dims\) for 3 texts"),
        (lambda texts: np.ones((1, 4)), r"got \(1, 4\)"),
        (lambda texts: np.full((len(texts), 2), np.nan), "hold NaN"),
        (lambda texts: np.zeros((len(texts), 2)), "gives zeros for"),
    ]:
        with pytest.raises(ValueError, match=message):
            ReportEmbedder(encoder).fit(TEXTS)


# --- real reports


def real_table(root):
    names = ("ptbxl_database.csv", "reports_without_waveforms.csv")
    table = pd.concat([pd.read_csv(root / "ptbxl" / name) for name in names])
    return table.assign(scp_codes=table["scp_codes"].map(ast.literal_eval))


def superclasses(scp_codes):
    """Whether each ECG has a diagnosis of each superclass (n_samples, 5)."""
    classes = load_statements()["superclass"]
    return np.array(
        [
            [name in {classes[c] for c in codes} for name in SUPERCLASSES]
            for codes in scp_codes
        ]
    )


@pytest.mark.realdata
@pytest.mark.parametrize("part", [slice(343), slice(343, None)])
def test_nearest_real_reports_share_superclasses(ecgdan_data, part):
    table = real_table(ecgdan_data).iloc[part]
    encoded = ReportEmbedder().fit_transform(table["report"])
    similarity = cosines(encoded.embeddings, encoded.embeddings)
    # The nearest among reports in other words.
    similarity[encoded.keys[:, None] == encoded.keys] = -1
    has = superclasses(table["scp_codes"]).astype(int)
    shares = has @ has.T > 0
    nearest = shares[np.arange(len(has)), similarity.argmax(axis=1)].mean()
    assert nearest > shares.mean() + 0.3
    assert nearest > 0.75


@pytest.mark.realdata
def test_real_codes_are_all_read(ecgdan_data):
    codes = real_table(ecgdan_data)["scp_codes"]
    embedder = ReportEmbedder()
    encoded = embedder.fit_transform(codes, 3058)
    has = superclasses(codes)
    similarity = cosines(encoded.embeddings, embedder.encode(SUPERCLASSES))
    best = similarity.argmax(axis=1)
    diagnosed = has.any(axis=1)
    assert has[np.arange(len(has)), best][diagnosed].mean() > 0.9
    assert (encoded.likelihoods[:, encoded.codes.index("AFIB")] > 0).sum() == 1359


# --- free text as statements


def letters(texts):
    """A language model of sorts: what a text is made of."""
    return np.array([[text.count(c) + 1 for c in "aeinrst"] for text in texts], float)


FREE = [
    "Sinusrhythmus, Linksschenkelblock",
    "sinus rhythm. left bundle branch block.",
    "atrial fibrillation, possible inferior infarct",
    "trace only requested",
]


def test_text_read_for_statements_is_like_codes():
    codes = [{"SR": 100, "CLBBB": 100}] * 2 + [{"AFIB": 100, "IMI": 50}]
    read = ReportEmbedder(reports_as="statements")
    encoded = read.fit_transform(FREE[:3])
    given = ReportEmbedder().fit_transform(codes)
    np.testing.assert_allclose(encoded.embeddings, given.embeddings, atol=1e-6)
    assert encoded.keys.tolist() == [0, 0, 1]
    assert encoded.codes == given.codes
    np.testing.assert_array_equal(encoded.likelihoods, given.likelihoods)
    # What was written stays, for those who ask which report fits best.
    assert encoded.texts == tuple(FREE[:3])
    # A prompt in another language is the same statement.
    german, english = read.encode(["Linksschenkelblock", "left bundle branch block"])
    np.testing.assert_array_equal(german, english)
    np.testing.assert_array_equal(german, read.encode(["CLBBB"])[0])


def test_a_report_without_a_statement_is_the_mean_of_all():
    read = ReportEmbedder(reports_as="statements")
    encoded = read.fit_transform(FREE)
    assert not encoded.likelihoods[3].any()
    everything = read._embed(statement_texts(read.statements_)).mean(axis=0)
    np.testing.assert_allclose(encoded.embeddings[3], everything, atol=1e-6)


def test_both_are_the_sum_of_centred_statements_and_words():
    texts = FREE[:3]
    reader = ReportEmbedder(letters, reports_as="both")
    both = reader.fit_transform(texts)
    expected = 0.0
    for one in ("statements", "text"):
        part = ReportEmbedder(letters, reports_as=one).fit_transform(texts).embeddings
        away = part - part.mean(axis=0)
        expected = expected + away / np.linalg.norm(away, axis=1, keepdims=True)
    np.testing.assert_allclose(both.embeddings, expected, rtol=1e-4, atol=1e-5)
    assert both.keys.tolist() == [0, 1, 2]
    assert both.codes is not None
    # New reports and prompts have the centres of `fit`.
    again = reader.transform(texts[:2]).embeddings
    np.testing.assert_allclose(again, both.embeddings[:2], rtol=1e-4, atol=1e-5)
    code, words = reader.encode(["CLBBB", "nothing that is a statement"])
    assert np.linalg.norm([code, words], axis=1) == pytest.approx(1)
    alike = ReportEmbedder(letters, reports_as="statements").fit(texts)
    away = alike.encode(["CLBBB"])[0] - reader.centres_[0]
    assert code @ away == pytest.approx(np.linalg.norm(away), rel=1e-4)


def test_both_lets_words_differ_where_statements_do_not():
    texts = FREE[:2]
    both = ReportEmbedder(letters, reports_as="both").fit_transform(texts)
    assert both.likelihoods[0].tolist() == both.likelihoods[1].tolist()
    assert both.embeddings[0] @ both.embeddings[1] == pytest.approx(-1, abs=1e-4)


@pytest.mark.parametrize(
    ("encoder", "reads"),
    [(None, "statements"), (TfidfEncoder(), "statements"), (length, "statements")],
)
def test_auto_takes_the_statements_whatever_encodes_them(encoder, reads):
    assert ReportEmbedder(encoder, reports_as="auto").fit(FREE).reads_ == reads


def test_reports_of_which_none_has_a_statement():
    texts = ["nichts davon", "ni l'un ni l'autre"]
    with pytest.raises(ValueError, match="None of the 2 reports has a statement"):
        ReportEmbedder(reports_as="statements").fit(texts)
    with pytest.warns(UserWarning, match="No statement was found in any of 2"):
        assert ReportEmbedder(reports_as="auto").fit(texts).reads_ == "text"
    with pytest.raises(ValueError, match="reports_as must be one of"):
        ReportEmbedder(reports_as="words").fit(texts)


def test_codes_are_codes_however_text_would_be_read():
    encoded = ReportEmbedder(reports_as="both").fit_transform(CODES)
    plain = ReportEmbedder().fit_transform(CODES)
    np.testing.assert_array_equal(encoded.embeddings, plain.embeddings)


def test_a_prompt_is_the_mean_of_wordings_in_two_languages():
    asked = []

    def remember(texts):
        asked.extend(texts)
        return length(texts)

    embedder = ReportEmbedder(remember).fit(TEXTS)
    asked.clear()
    (prompt,) = embedder.encode(["CLBBB"])
    assert {"left bundle branch block", "linksschenkelblock"} <= set(asked)
    np.testing.assert_allclose(prompt, np.mean(length(asked), axis=0), rtol=1e-6)


def test_wordings_that_the_encoder_does_not_know_are_left_out():
    embedder = ReportEmbedder().fit(TEXTS)
    # English statements have no word in common with a German report.
    fibrillation = embedder.encode(["AFIB"])
    assert cosines(fibrillation, embedder.encode(["vorhofflimmern"]))[0, 0] > 0.5

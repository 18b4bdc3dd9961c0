"""Statements found in free text: on PTB-XL by fold and language, denied, and how fast.

`OMP_NUM_THREADS=1 python benchmarks/bench_statements.py PART`

ptbxl   rules alone, and with what folds 1 to 8 teach, on folds 9 and 10, beside a text
        classifier without rules and what equal texts were given (--tables FILES)
denied  every phrase of the lexicon that says a statement, denied in its language
speed   reports of two to six machine lines, drawn by rank: read, then embedded
"""

import argparse
import ast
import csv
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from ecgdan_sk import reports as reports_module
from ecgdan_sk.reports import (
    ReportEmbedder,
    SentenceEncoder,
    StatementFinder,
    clean_report,
    load_statements,
)

TABLE = load_statements()
LINES = Path(__file__).parents[1] / "tests" / "golden" / "machine_report_lines.csv"
LANGUAGES = {
    "sv": r"rytm\b|förmak|skänkel|kammar|el-axel|normalt ekg",
    "de": r"rhythmus|vorhof|bericht|lagetyp|ekg|rdie\b|typ\b|schrittmacher|schenkel",
}
DENIALS = {
    "en": ["No {}.", "No evidence of {}.", "Without {}.", "{} is no longer present."],
    "de": ["Kein {}.", "Kein Hinweis auf {}.", "Ohne {}.", "{} nicht nachweisbar."],
    "sv": ["Ingen {}.", "Inga tecken på {}.", "Utan {}."],
}


# --- ptbxl ---------------------------------------------------------------------------


def ptbxl(options):
    """Print F1, and rank correlation of likelihoods where both give a statement."""
    table = _reports(options.tables)
    train = table[table["strat_fold"] <= 8]
    finders = {
        "rules": StatementFinder(),
        "fitted": StatementFinder().fit(list(train["text"]), list(train["codes"])),
    }
    for fold in (9, 10):
        test = table[table["strat_fold"] == fold]
        given = _likelihoods(test["codes"])
        answers = {
            name: _likelihoods(finder.transform(list(test["text"])))
            for name, finder in finders.items()
        }
        answers["words, no rules"] = _classified(train, test)
        for language in ("all", "de", "en", "sv"):
            rows = np.full(len(test), True)
            if language != "all":
                rows = (test["language"] == language).to_numpy()
            for name, found in answers.items():
                print(f"fold {fold}", language, rows.sum(), f"{name:16}", end=" ")
                print(_agreement(given[rows], found[rows]))
    print("equal texts, from the others' statements:", _equal_texts(table))


def _reports(paths):
    """Rows of tables in the layout of PTB-XL, each ECG once."""
    table = pd.concat([pd.read_csv(path) for path in paths])
    table = table.dropna(subset="report").drop_duplicates("ecg_id")
    table["text"] = table["report"].map(clean_report)
    table["codes"] = table["scp_codes"].map(ast.literal_eval)
    table["language"] = "en"
    for name, words in reversed(LANGUAGES.items()):
        table.loc[table["text"].str.lower().str.contains(words), "language"] = name
    return table


def _likelihoods(statements):
    """Likelihoods in percent; a form or rhythm statement of 0 counts as certain."""
    rows = np.zeros((len(statements), len(TABLE)))
    unrated = (TABLE["form"] | TABLE["rhythm"]).to_numpy()
    for row, codes in zip(rows, statements):
        for code, likelihood in codes.items():
            column = TABLE.index.get_loc(code)
            row[column] = likelihood or 100.0 * unrated[column]
    return rows


def _agreement(given, found):
    """Figures of one group as text."""
    a, b = given > 0, found > 0
    kinds = TABLE["superclass"].to_numpy()
    classes = [
        np.stack([side[:, kinds == c].any(1) for c in sorted({*kinds} - {""})], 1)
        for side in (a, b)
    ]
    both = a & b
    rank = spearmanr(given[both], found[both]).statistic
    return (
        f"F1 {f1_score(a, b, average='micro'):.3f} "
        f"superclasses {f1_score(*classes, average='micro'):.3f} rank {rank:.2f}"
    )


def _classified(train, test):
    """Probabilities, in percent, of a logistic regression on words and their runs."""
    words = TfidfVectorizer(
        ngram_range=(1, 4), token_pattern=r"\w+", min_df=2, sublinear_tf=True
    )
    X, X_new = words.fit_transform(train["text"]), words.transform(test["text"])
    answers = np.zeros((len(test), len(TABLE)))
    given = _likelihoods(train["codes"]) > 0
    for column in np.flatnonzero(given.sum(axis=0) >= 5):
        model = LogisticRegression(C=30, solver="liblinear").fit(X, given[:, column])
        chance = model.predict_proba(X_new)[:, 1]
        answers[:, column] = np.where(chance > 0.35, 100 * chance, 0)
    return answers


def _equal_texts(table):
    """F1 of the most frequent codes of the same text, as an upper bound."""
    given = _likelihoods(table["codes"]) > 0
    usual, twice = np.zeros_like(given), np.zeros(len(table), bool)
    for rows in table.reset_index(drop=True).groupby("text").indices.values():
        if len(rows) > 1:
            others = (given[rows].sum(axis=0) - given[rows]) / (len(rows) - 1)
            usual[rows], twice[rows] = others >= 0.4, True
    return _agreement(100.0 * given[twice], 100.0 * usual[twice]).split(" rank")[0]


# --- denied --------------------------------------------------------------------------


def denied(options):
    """Print in how many denials a statement of the denied phrase is found."""
    lexicon = Path(reports_module.__file__).parent / "lexicon.csv"
    with lexicon.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["means"][0].isalnum()]
    finder, taken, total = StatementFinder(), [], 0
    for row in rows:
        phrase = row["phrase"].replace("*", "").rstrip(".")
        if "NORM" in row["means"] or "no p waves" in phrase or "inga p" in phrase:
            continue
        for denial in DENIALS[row["language"]]:
            text = denial.format(phrase)
            total += 1
            if finder.transform([text])[0]:
                taken.append(text)
    print(f"{len(taken)} of {total} ({len(taken) / total:.2%}), such as {taken[:12]}")


# --- speed ---------------------------------------------------------------------------


def speed(options):
    """Print seconds and memory for as many reports as MIMIC-IV-ECG has."""
    with LINES.open(encoding="utf-8") as file:
        lines = np.array([row["line"] for row in csv.DictReader(file)])
    rng = np.random.default_rng(0)
    common = 1 / np.arange(1, len(lines) + 1)
    drawn = rng.choice(lines, (options.n, 6), p=rng.permutation(common / common.sum()))
    texts = [". ".join(row[:k]) for row, k in zip(drawn, rng.integers(2, 7, options.n))]
    _tell(f"{options.n} reports, {len(set(texts))} distinct", None)
    start = time.perf_counter()
    found = [codes for codes in StatementFinder().transform(texts) if codes]
    _tell("read", start)
    start = time.perf_counter()
    embedder = ReportEmbedder(SentenceEncoder("all-MiniLM-L6-v2"))
    _tell(f"embedded {embedder.fit_transform(found).embeddings.shape}", start)


def _tell(what, start):
    """Print a step with its seconds and the peak memory so far."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    took = "" if start is None else f" in {time.perf_counter() - start:.0f} s"
    print(f"{what}{took}, {memory:.1f} GiB", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parts = {part.__name__: part for part in (ptbxl, denied, speed)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=parts)
    parser.add_argument("--tables", nargs="+", help="tables in the layout of PTB-XL")
    parser.add_argument("-n", type=int, default=800_000)
    options = parser.parse_args()
    parts[options.part](options)

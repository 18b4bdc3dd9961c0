"""Free text as statements, as itself, or as both; and statements in many wordings."""

import csv
import warnings
from functools import lru_cache
from importlib.resources import files

import numpy as np

from .._warnings import warn
from ._codes import likelihood_table
from ._finder import StatementFinder
from ._lexicon import PLACED

READINGS = ("auto", "text", "statements", "both")
_PLACED_WORDS = {
    "MI": {"en": "{} infarct", "de": "{}er Infarkt"},
    "ISC": {"en": "{} ischemia", "de": "{}e Ischämie"},
    "INJ": {"en": "{} subendocardial injury", "de": "{}er Innenschichtschaden"},
}
# Less than this from the centre is rounding.
_SHORTEST = 1e-5
# Wordings of a statement in one language that a prompt is the mean of.
_N_WORDINGS = 4


def found_statements(texts, table, zero_likelihood):
    """Likelihoods (n_texts, n_statements) that a finder reads in texts, from 0 to 1."""
    with warnings.catch_warnings():
        # Of those without a statement their text is left, or nothing is asked.
        warnings.simplefilter("ignore")
        found = StatementFinder().transform(texts)
    known = set(table.index)
    found = [{c: v for c, v in codes.items() if c in known} for codes in found]
    return likelihood_table(found, table, zero_likelihood, may_be_silent=True)


def how_to_read(reports_as, found):
    """One of "text", "statements" and "both" for `found` (n_texts, n_statements)."""
    if reports_as != "auto" and found is not None and not found.any():
        raise ValueError(
            f"None of the {len(found)} reports has a statement that StatementFinder "
            "knows. Align with their words by reports_as='text', or add their phrases "
            "to a lexicon and give what StatementFinder(lexicon) finds."
        )
    if reports_as != "auto":
        return reports_as
    if not found.any():
        warn(
            f"No statement was found in any of {len(found)} reports; their words are "
            "all that there is to align with. Say so by reports_as='text'.",
        )
        return "text"
    return "statements"


def weights_of(likelihoods):
    """Weights that average statements; uniform if no statement is known."""
    silent = ~(likelihoods > 0).any(axis=1, keepdims=True)
    weights = np.where(silent, 1.0, likelihoods)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def beside(embeddings, centre):
    """Centre rows and scale them to length one, so that they can be added to others.

    In a language model, all texts are similar to each other, and so are all statements.
    Without centring, these common parts would dominate the sum.
    """
    away = embeddings - centre
    length = np.linalg.norm(away, axis=1, keepdims=True)
    # If all are equal, the rest is rounding error.
    return (away / np.where(length < _SHORTEST, np.inf, length)).astype(np.float32)


@lru_cache(maxsize=1)
def wordings():
    """Phrases for each code alone, some English and some German."""
    path = files(__package__) / "lexicon.csv"
    said = {}
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        if "*" not in row["phrase"]:
            key = row["means"], row["language"]
            said.setdefault(key, []).append(row["phrase"])
    for kind, places in PLACED.items():
        for place, code in places.items():
            for language, phrase in _PLACED_WORDS[kind].items():
                if place is not None:
                    said.setdefault((code, language), []).append(phrase.format(place))
    return {
        code: tuple(
            phrase
            for language in ("en", "de")
            for phrase in said.get((code, language), [])[:_N_WORDINGS]
        )
        for code, _ in said
    }

"""Phrases of reports with their meanings, from a table with one phrase per line.

A line of `lexicon.csv` is a language, a phrase and its meaning. `*` in a phrase stands
for up to three words. The meaning consists of these parts, separated by spaces:

    LVH, LVH:50    a statement, with its likelihood if it is below 100 %
    +MI            a finding whose statement depends on the place: MI, ISC, INJ
    @inferior      a place
    ?50>  ?50<     doubt of that many percent about what follows, or what precedes
    !>  !<         denial of what follows, or what precedes
    &              joins findings: "and", "or"
    |              ends the reach of doubt and denial: "but"
    =              a finding without a statement, or words that mean nothing here
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from ._statements import load_statements
from ._words import fold_phrase

# Statement of a finding, by its place; None is a finding without one.
PLACED = {
    "MI": {
        "inferior": "IMI",
        "anterior": "AMI",
        "septal": "ASMI",
        "anteroseptal": "ASMI",
        "anterolateral": "ALMI",
        "lateral": "LMI",
        "inferolateral": "ILMI",
        "posterior": "PMI",
        "inferoposterior": "IPMI",
        "inferoposterolateral": "IPLMI",
    },
    "ISC": {
        None: "ISC_",
        "inferior": "ISCIN",
        "anterior": "ISCAN",
        "septal": "ISCAS",
        "anteroseptal": "ISCAS",
        "anterolateral": "ISCAL",
        "lateral": "ISCLA",
        "inferolateral": "ISCIL",
    },
    "INJ": {
        "inferior": "INJIN",
        "anterior": "INJAS",
        "septal": "INJAS",
        "anteroseptal": "INJAS",
        "anterolateral": "INJAL",
        "lateral": "INJLA",
        "inferolateral": "INJIL",
    },
}
_PLACES = frozenset(PLACED["MI"])


@dataclass(frozen=True)
class Meaning:
    """Meaning of a phrase.

    `statements` are pairs of code and likelihood. `doubt` and `denial` apply to the
    words after the phrase or, if `backwards`, to the words before it.
    """

    phrase: str
    statements: tuple = ()
    placed: str | None = None
    places: tuple = ()
    doubt: float | None = None
    denial: bool = False
    backwards: bool = False
    joins: bool = False
    ends: bool = False
    empty: bool = False

    @property
    def is_finding(self):
        """Whether doubt and denial can be about it."""
        return bool(self.statements or self.placed or self.empty)

    @property
    def is_cue(self):
        """Whether the phrase modifies other phrases."""
        return self.doubt is not None or self.denial


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Phrases by their first word, the longest first; long words by first letter."""

    by_first_word: dict
    words: frozenset
    long_words: dict
    abbreviations: frozenset
    codes: dict


@lru_cache(maxsize=16)
def read_lexicon(source, languages):
    """Lexicon of the package (None) or of a file, in some languages."""
    path = files(__package__) / "lexicon.csv" if source is None else Path(source)
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    if rows.fieldnames != ["language", "phrase", "means"]:
        raise ValueError(
            f"The lexicon {path.name} must have the columns language, phrase and "
            f"means, got {rows.fieldnames}."
        )
    rows = list(rows)
    known = dict.fromkeys(row["language"] for row in rows)
    for language in languages:
        if language not in known:
            raise ValueError(
                f"There is no phrase of the language {language!r} in {path.name}; it "
                f"has {', '.join(known)}. Name a file with its phrases as `lexicon`."
            )
    entries, abbreviations = {}, set()
    for number, row in enumerate(rows, 2):
        words, shortened = fold_phrase(row["phrase"] or "")
        if not words or not row["means"]:
            raise ValueError(f"Line {number} of {path.name} lacks words: {row}.")
        meaning = _meaning(row["phrase"], row["means"], f"{path.name}, line {number}")
        if row["language"] in languages:
            entries[words] = meaning
            abbreviations |= shortened
    return _lexicon(entries, abbreviations)


def _lexicon(entries, abbreviations):
    """Words -> meaning, made ready for looking up."""
    by_first_word = {}
    for words, meaning in sorted(entries.items(), key=lambda entry: -_weight(entry[0])):
        by_first_word.setdefault(words[0], []).append((words[1:], meaning))
    words = frozenset(word for words in entries for word in words if word != "*")
    long_words = {}
    for word in sorted(word for word in words if len(word) > 4):
        long_words.setdefault(word[0], []).append(word)
    return Lexicon(
        by_first_word,
        words,
        long_words,
        frozenset(abbreviations),
        # Some reports hold codes beside the words; two letters may be anything.
        {c.lower(): c for c in load_statements().index if c.isalnum() and len(c) > 2},
    )


def _weight(words):
    """Longer phrases come first, and of equal ones that without a gap."""
    return 2 * len(words) - 3 * words.count("*")


def _meaning(phrase, means, where):
    """The parts of a meaning."""
    parts = {"statements": [], "places": []}
    for part in means.split():
        if part in _SIGNS:
            parts |= _SIGNS[part]
        elif part[0] == "+" and part[1:] in PLACED:
            parts["placed"] = part[1:]
        elif part[0] == "@" and part[1:] in _PLACES:
            parts["places"].append(part[1:])
        elif part[0] == "?" and part[1:-1].isdigit() and part[-1] in "<>":
            parts |= {"doubt": float(part[1:-1]), "backwards": part[-1] == "<"}
        elif part[0].isalnum():
            code, _, likelihood = part.partition(":")
            parts["statements"].append((code, float(likelihood or 100)))
        else:
            raise ValueError(
                f"{where}: the meaning {means!r} has the part {part!r}, which is no "
                "statement, +finding, @place or one of ?50> ?50< !> !< & | =."
            )
    parts["statements"], parts["places"] = map(
        tuple, (parts["statements"], parts["places"])
    )
    return Meaning(phrase, **parts)


_SIGNS = {
    "!>": {"denial": True},
    "!<": {"denial": True, "backwards": True},
    "&": {"joins": True},
    "|": {"ends": True},
    "=": {"empty": True},
}

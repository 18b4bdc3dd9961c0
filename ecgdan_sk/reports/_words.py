"""Reports as words, with one spelling for spelling variants."""

import re
import unicodedata
from functools import cache

from ._cleaning import clean_report

# German umlauts are written out as often as not, and lost as often: with both gone,
# what encoding damage leaves is one letter away.
_LETTERS = str.maketrans({"ß": "ss", "æ": "a", "ø": "o", "°": ".", "’": "'", "–": "-"})
_WRITTEN_OUT = re.compile(r"ae|oe|ue")
_PLURAL = re.compile(r"\((?:s|n|e|en|er|a|t|es)\)")
_RATIO = re.compile(r"(?<=\d):(?=\d)")
_AV = re.compile(r"\b(a)[-/. ]v(?=[-. ])")
# What stands for a letter that was lost, inside of a word.
_LOST = re.compile(r"(?<=[a-z])[#?\ufffd*~|](?=[a-z])")
_LEAD = r"(?:avr|avl|avf|v ?[1-6]|iii|ii|i)"
_JOINED = r"(?: ?(?:,|-|/|&|\+| and | und | och | bis | to | through |\bu\.) ?)"
_CHEST_MORE = rf"(?:{_LEAD}|[1-6])"
LEADS = re.compile(rf"\b{_LEAD}(?:{_JOINED}{_CHEST_MORE})+\b|\b(?:av[rlf]|v[1-6])\b")
_TOKEN = re.compile(r"@[a-z_]+|[a-z0-9]+|[.,;:!?\n()]")
_ONE_LEAD = re.compile(r"avr|avl|avf|v?[1-6]|iii|ii|i")
_PLACES_OF_LEADS = {
    "inferior": {"ii", "iii", "avf"},
    "lateral": {"i", "avl", "v5", "v6"},
    "septal": {"v1", "v2"},
    "anterior": {"v3", "v4"},
}
STOPS = frozenset(".;:!?\n")


def fold(text):
    """The text in small letters without accents, leads as one word for their place."""
    text = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = _LOST.sub("", _PLURAL.sub("", text))
    text = _AV.sub(r"\1v", _RATIO.sub(" ", text))
    text = LEADS.sub(_leads_as_word, text)
    return _WRITTEN_OUT.sub(lambda pair: pair.group()[0], text)


def words_of(text):
    """Words and marks of a folded text."""
    return _TOKEN.findall(text)


@cache
def fold_phrase(phrase):
    """Words of a phrase of the lexicon, and abbreviations with a full stop."""
    folded = fold(phrase.replace("*", " wildcard "))
    shortened = set(re.findall(r"([a-z0-9]+)\.", folded))
    words = tuple(
        "*" if word == "wildcard" else word
        for word in words_of(folded)
        if word not in STOPS | set(",()")
    )
    return words, shortened


def split_sentences(text, abbreviations):
    """Sentences and lines of a report, each to be read alone."""
    sentences = []
    for line in re.split(r"[\n;]|\s*\|\s*", text):
        open_end = False
        for part in re.split(r"(?<=[.!?])\s+", line.strip()):
            if open_end:
                part = f"{sentences.pop()} {part}"
            if part:
                sentences.append(part)
            open_end = bool(part) and _goes_on(part, abbreviations)
    return sentences


def _goes_on(part, abbreviations):
    """Whether the full stop at the end is a word's own: "1. grades"."""
    word = re.search(r"(?:^|[\s(])([^\s(]+)\.$", part)
    word = word and fold(word.group(1)).strip()
    return bool(word) and (
        word in abbreviations or bool(re.fullmatch(r"(\w\.)*\w", word))
    )


def clean(text):
    """Letters mended, lines kept."""
    return "\n".join(filter(None, map(clean_report, text.splitlines())))


def _leads_as_word(found):
    """A list of leads as the place that it shows."""
    leads, chest, last = set(), False, None
    listed = re.sub(r"v (?=[1-6])", "v", found.group())
    for part in re.split(r"(-|\bbis\b|\bto\b|\bthrough\b)", listed):
        names = _ONE_LEAD.findall(part)
        if not names:
            last = part.strip() and last
            spans = bool(part.strip())
            continue
        for k, name in enumerate(names):
            chest = chest or name[0] == "v"
            name = f"v{name}" if name.isdigit() else name
            if k == 0 and last and last[0] == "v" and name[0] == "v" and spans:
                leads |= {f"v{i}" for i in range(int(last[1]), int(name[1]) + 1)}
            leads.add(name)
            last = name
        spans = False
    return f" @{_place(leads)} "


def _place(leads):
    """Place of leads, in the words of the statements."""
    shown = {name for name, of in _PLACES_OF_LEADS.items() if leads & of}
    if "inferior" in shown:
        lateral = leads & {"v5", "v6"}
        return "inferolateral" if lateral else "inferior"
    septal, lateral = "septal" in shown, "lateral" in shown
    if lateral and (septal or "anterior" in shown):
        return "anterolateral"
    if lateral:
        return "lateral"
    if septal:
        return "anteroseptal"
    return "anterior" if shown else "none"

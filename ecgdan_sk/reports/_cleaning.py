"""Repair of report texts: damaged letters are restored, spaces are normalised.

It is a separate module, because `datasets` and `reports` both use it.
"""

import re
import unicodedata

# Letters of DOS code pages 437 and 850 that were read as Latin-1, where they are
# control characters, which no report can mean.
_DOS_LETTERS = str.maketrans("\x81\x84\x86\x8e\x8f\x94\x99\x9a", "üäåÄÅöÖÜ")
_LOST_LETTERS = (
    (re.compile(r"\bf#r\b"), "für"),
    (re.compile(r"(?<!\w)#ber"), "über"),
    # The same happened to the sharp s. An a acute is foreign to German, English and
    # Swedish, but not to other languages: only where German has its sharp s.
    (re.compile(r"(ei|ie|[aeä]u|[äöü]|gro|sto|\bma|fu)\xe1"), r"\1ß"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean_report(text):
    """Restore letters of a report that an encoding damaged, and collapse whitespace.

    Only damage that occurs in the reports of PTB-XL and has one possible reading is
    restored: umlauts of a DOS code page, "f#r" and "#ber", capital umlauts inside
    lower-case words. Language, words and their order do not change. Control characters
    become spaces.

    Parameters
    ----------
    text : str
        A report in any language.

    Returns
    -------
    str
        The cleaned report; empty if the report is empty.

    Raises
    ------
    TypeError
        If `text` is no string.

    Examples
    --------
    >>> from ecgdan_sk.reports import clean_report
    >>> clean_report("amplitudenkriterien f#r lvh   unbestÄtigter bericht ")
    'amplitudenkriterien für lvh unbestätigter bericht'
    """
    if not isinstance(text, str):
        raise TypeError(
            f"Expected a report as a string, got {text!r}. Decode it first."
        )
    text = mend_letters(unicodedata.normalize("NFC", text))
    return " ".join(_CONTROL.sub(" ", text).split())


def mend_letters(text):
    """The text with its umlauts back, where only one reading is possible."""
    text = text.translate(_DOS_LETTERS)
    for damage, letters in _LOST_LETTERS:
        text = damage.sub(letters, text)
    return re.sub(r"\w+", _lowered, text)


def _lowered(word):
    """The word in lower case if its ASCII letters are: the rest had been forgotten."""
    word = word.group()
    ascii_letters = "".join(letter for letter in word if letter.isascii())
    return word.lower() if ascii_letters.islower() else word

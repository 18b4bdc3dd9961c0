"""Reading of one sentence of a report: statements, doubt and denial."""

from dataclasses import dataclass, field
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from ._lexicon import PLACED, Meaning
from ._words import STOPS, fold, words_of

# Words that may stand between a cue and what it is about, by direction; between a
# finding and its place; and in a gap of a phrase.
_REACH_AHEAD, _REACH_BACK = 5, 2
_REACH_PLACE = 4
_GAP = 3
_NOT_IN_GAP = STOPS | {"no", "not", "kein", "keine", "nicht", "inga", "ej"}
_STOP = Meaning("", ends=True)
_COMMA = Meaning(",")


@dataclass
class Item:
    """A phrase at its position in a sentence, with doubt and denial by others."""

    start: int
    end: int
    meaning: Meaning
    certainty: float = 100.0
    denied: bool = False
    cues: list = field(default_factory=list)
    places: tuple = ()

    def statements(self):
        """Code -> likelihood in percent; 0 is denied."""
        said = dict(self.meaning.statements)
        if self.meaning.placed:
            table = PLACED[self.meaning.placed]
            codes = [table[place] for place in self.places if place in table]
            if not codes and None in table:
                codes = [table[None]]
            said |= dict.fromkeys(codes, 100.0)
        most = 0.0 if self.denied else self.certainty
        return {code: min(value, most) for code, value in said.items()}


def read_sentence(sentence, lexicon):
    """Interpreted words of a sentence, and the items found in them."""
    words = _words(sentence, lexicon)
    items = list(_found(words, lexicon))
    for position, item in enumerate(items):
        if item.meaning.placed:
            item.places = item.meaning.places or _places(items, position)
    for position, item in enumerate(items):
        if item.meaning.is_cue:
            _apply(item, _reached(items, position))
    return words, items


def _words(sentence, lexicon):
    """Words and marks in right spelling; full stops of abbreviations left out."""
    words = []
    for word in words_of(fold(sentence)):
        before = words[-1] if words else ""
        if word == "." and (before in lexicon.abbreviations or before.isdigit()):
            continue
        if word not in "()":
            words.append(_spelled(word, lexicon))
    return words


@lru_cache(maxsize=1 << 16)
def _spelled(word, lexicon):
    """The intended word of the lexicon, or the word itself."""
    if len(word) < 6 or not word.isalpha() or word in lexicon.words:
        return word
    found = process.extractOne(
        word,
        # "unregelmässig" is not a typing error of its opposite.
        lexicon.long_words.get(word[0], ()),
        scorer=OSA.distance,
        score_cutoff=1 if len(word) < 9 else 2,
    )
    return found[0] if found else word


def _found(words, lexicon):
    """Phrases of the lexicon in their order; of several at one place the longest."""
    start = 0
    while start < len(words):
        word = words[start]
        end, meaning = start + 1, None
        if word in STOPS:
            meaning = _STOP
        elif word == ",":
            meaning = _COMMA
        elif word[0] == "@":
            meaning = Meaning(word, places=(word[1:],))
        else:
            end, meaning = _rated_code(words, start, lexicon) or _phrase(
                words, start, lexicon
            )
        if meaning is not None:
            yield Item(start, end, meaning)
        start = end


def _rated_code(words, start, lexicon):
    """End and meaning of an SCP code with its likelihood, "IMI 50", or None."""
    code = lexicon.codes.get(words[start])
    rated = words[start + 1] if code and start + 1 < len(words) else ""
    if not rated.isdigit() or not 0 < int(rated) <= 100:
        return None
    return start + 2, Meaning(code, ((code, float(rated)),))


def _phrase(words, start, lexicon):
    """End and meaning of the longest phrase that begins at a word, if any."""
    for rest, meaning in lexicon.by_first_word.get(words[start], ()):
        end = _matched(words, start + 1, rest)
        if end is not None:
            return end, meaning
    code = lexicon.codes.get(words[start])
    return start + 1, Meaning(code, ((code, 100.0),)) if code else None


def _matched(words, at, phrase):
    """End of the rest of a phrase that begins at a word, or None."""
    if not phrase:
        return at
    if phrase[0] != "*":
        at += words[at : at + 1] == [","]
        fits = words[at : at + 1] == [phrase[0]]
        return _matched(words, at + 1, phrase[1:]) if fits else None
    for skipped in range(_GAP + 1):
        end = _matched(words, at + skipped, phrase[1:])
        if end is not None:
            return end
        if at + skipped >= len(words) or words[at + skipped] in _NOT_IN_GAP:
            return None
    return None


def _places(items, position):
    """Places of the finding at a position: before it, else behind it."""
    if _stands_alone(items, position):
        return _places_behind(items, position)
    found, last, linked, words = [], items[position], False, 0
    for item in reversed(items[:position]):
        words += last.start - item.end
        meaning = item.meaning
        near = words <= (1 if found else _REACH_PLACE)
        if not near or meaning is _STOP:
            break
        if meaning.placed and linked and not found:
            # "anterior ischemia or infarct": the place is said once.
            return item.places
        if meaning.is_finding:
            break
        if meaning.places and (not found or linked or words == 0):
            found, words, linked = [*meaning.places, *found], 0, False
        linked = linked or meaning.joins or meaning is _COMMA
        last = item
    found = tuple(found) or _places_behind(items, position)
    return found or _places_of_changes(items, position)


def _stands_alone(items, position):
    """Whether a finding has a place directly after it and none directly before it."""
    item, before = items[position], items[position - 1] if position else None
    after = items[position + 1] if position + 1 < len(items) else None
    follows = after is not None and after.meaning.places and after.start == item.end
    precedes = before is not None and before.meaning.places and before.end == item.start
    return bool(follows and not precedes and _places_behind(items, position))


def _places_of_changes(items, position):
    """Places of explained changes, as in "lateral ST changes due to ischemia"."""
    for k in range(position - 1, 0, -1):
        change, before = items[k], items[k - 1]
        if change.meaning.ends or change.meaning.placed:
            break
        if change.meaning.statements and before.meaning.places:
            return before.meaning.places
    return ()


def _places_behind(items, position):
    """Places that follow a finding and do not belong to the next one."""
    found, last, words = [], items[position], 0
    for k, item in enumerate(items[position + 1 :], position + 1):
        words += item.start - last.end
        if words > _REACH_PLACE or item.meaning.ends or item.meaning.is_finding:
            break
        following = items[k + 1 : k + 2]
        if any(other.meaning.placed for other in following) and item.meaning.places:
            break
        found.extend(item.meaning.places)
        last = item
    return tuple(found)


def _reached(items, position):
    """Findings that the cue at a position is about."""
    if items[position].meaning.backwards:
        return _chain(items[position::-1], _REACH_BACK, backwards=True)
    ahead = _chain(items[position:], _REACH_AHEAD)
    if ahead or items[position].meaning.denial:
        return ahead
    # "LVH, possible.": no word follows, so the doubt refers to the words before.
    return _chain(items[position::-1], 0, backwards=True)


def _chain(items, reach, backwards=False):
    """First finding after a cue, with the findings listed after it.

    A comma lists only if an "and" or "or" follows: "no ischemia, infarct or block",
    but not "no ischemia, right bundle branch block".
    """
    chain, waiting, joined, listed, words = [], [], False, False, 0
    for last, item in zip(items, items[1:]):
        words += last.start - item.end if backwards else item.start - last.end
        meaning = item.meaning
        if words > reach or meaning.ends or (chain and meaning.is_cue):
            break
        joined |= meaning.joins
        listed |= meaning is _COMMA
        if not meaning.is_finding:
            continue
        if chain and not (joined or listed):
            break
        waiting.append(item)
        if joined or not chain:
            chain, waiting = chain + waiting, []
        joined = listed = False
        words, reach = 0, 1
    return chain


def _apply(cue, findings):
    """Let a cue doubt or deny findings."""
    for finding in findings:
        finding.cues.append(cue)
        finding.denied |= cue.meaning.denial
        if cue.meaning.doubt is not None:
            finding.certainty = min(finding.certainty, cue.meaning.doubt)

"""Free text to SCP statements."""

from functools import lru_cache
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from .._warnings import warn
from ._codes import likelihood_table
from ._habits import CodingHabits, features_of
from ._inputs import as_list, check_free_text
from ._lexicon import read_lexicon
from ._reading import read_sentence
from ._statements import load_statements
from ._together import together
from ._words import clean, split_sentences

# Half of the best F1 is the threshold that reaches it (Lipton et al., 2014), and for
# the statements of PTB-XL that is 0.5 to 0.9.
_THRESHOLD = 0.35


class StatementFinder(TransformerMixin, BaseEstimator):
    """Find SCP statements with likelihoods in free-text reports.

    It looks up the phrases of a lexicon in German, English and Swedish, and tolerates
    typing errors and damaged letters. Words of doubt lower the likelihood of the
    statements they refer to; words of denial remove them. Statements of one report are
    read together: ischemia of several walls is one statement, ST elevation beside an
    infarct belongs to it, and "überdrehter Linkstyp" is a possible fascicular block
    unless an infarct or another block explains it. These rules need no `fit`.
    `fit` learns in addition from reports with known statements which statements the
    coders gave to the same words.

    Parameters
    ----------
    lexicon : str, path-like or None, default=None
        CSV file with the columns `language`, `phrase` and `means`, one phrase a line.
        None takes the lexicon of the package, written from reports of PTB-XL (Wagner et
        al., 2020) and phrases of GE and Philips machines.
    languages : tuple of str, default=("de", "en", "sv")
        Possible languages of the reports; each must be in the lexicon.
    penalty : float, default=4.0
        Strength of the ridge penalty in `fit`.

    Attributes
    ----------
    codes_ : tuple of str
        Statements that `fit` learned. Others come from the rules alone.
    habits_ : CodingHabits or None
        Result of `fit`; None if it was given no statements.

    See Also
    --------
    ReportEmbedder : From statements or texts to one vector per ECG.

    References
    ----------
    Wagner et al. (2020), PTB-XL, a large publicly available electrocardiography
    dataset, Scientific Data 7:154.
    Chapman et al. (2001), A simple algorithm for identifying negated findings and
    diseases in discharge summaries, Journal of Biomedical Informatics 34, 301-310.
    Lipton et al. (2014), Optimal thresholding of classifiers to maximize F1 measure,
    ECML PKDD, 225-239.

    Examples
    --------
    >>> from ecgdan_sk.reports import StatementFinder
    >>> finder = StatementFinder()
    >>> finder.transform(["Vorhofflimmern, V.a. Linkshypertrophie, kein Infarkt"])
    [{'AFIB': 100.0, 'LVH': 50.0}]
    """

    def __init__(self, lexicon=None, *, languages=("de", "en", "sv"), penalty=4.0):
        self.lexicon = lexicon
        self.languages = languages
        self.penalty = penalty

    def fit(self, reports, scp_codes=None):
        """Learn from reports with known statements.

        Parameters
        ----------
        reports : list of str
            Free text, one for each ECG.
        scp_codes : list of dict or None, default=None
            Statements of each report, code to likelihood in percent. Rhythm and form
            statements with likelihood 0 count as certain, as in PTB-XL. With None
            nothing is learned, and only the rules are used.

        Returns
        -------
        StatementFinder
            The finder itself.

        Raises
        ------
        TypeError
            If a report is no text.
        ValueError
            If numbers differ, a code is unknown, a text is a file path or a number, or
            a language has no lexicon.
        """
        reports = self._checked(reports)
        self.habits_, self.codes_ = None, ()
        if scp_codes is None:
            return self
        if not isinstance(self.penalty, Real) or self.penalty <= 0:
            raise ValueError(f"penalty must be above 0, got {self.penalty!r}.")
        scp_codes = as_list(scp_codes, len(reports))
        table = load_statements()
        rows = [i for i, codes in enumerate(scp_codes) if _has_words(reports[i])]
        known = likelihood_table(
            [scp_codes[i] for i in rows], table, "present", may_be_silent=True
        )
        features = [features_of(self._read(reports[i])) for i in rows]
        self.habits_ = CodingHabits(self.penalty).fit(features, 100 * known)
        self.codes_ = tuple(table.index[self.habits_.columns_])
        return self

    def transform(self, reports):
        """Statements of each report.

        Parameters
        ----------
        reports : list of str
            Free text, one report for each ECG. One warning counts the reports without
            words and the reports without statements.

        Returns
        -------
        list of dict
            Code to likelihood in percent, above 0; empty if nothing was found.

        Raises
        ------
        TypeError
            If a report is no text.
        ValueError
            If a text is a file path or a number, or a language has no lexicon.
        """
        reports = self._checked(reports)
        found = [_stated(statements) for statements in self._found(reports)]
        _warn_of_silence(reports, found)
        return found

    def explain(self, report):
        """Show the words of a report that led to each statement.

        Parameters
        ----------
        report : str
            Free text.

        Returns
        -------
        DataFrame
            One row for each word or phrase and statement: `code` of the statement that
            the words count for, its `likelihood` in percent (0 where denied), `words`
            as they were understood, `cues` that doubted or denied them, and `share`,
            what each adds to the log odds where `fit` has learned (its five largest).

        Raises
        ------
        TypeError
            If the report is no text.
        """
        (report,) = self._checked([report])
        sentences = self._read(report)
        whole = together(_by_phrases(sentences))
        rows = [row for sentence in sentences for row in _explained(*sentence, *whole)]
        if getattr(self, "habits_", None) is not None:
            rows += self._learned_rows(report, sentences)
        columns = ["code", "likelihood", "words", "cues", "share"]
        return pd.DataFrame(rows, columns=columns)

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags

    def _checked(self, reports):
        """Reports as a list of str that can be reports."""
        self._lexicon()
        reports = as_list(reports, None)
        for i, report in enumerate(reports):
            check_free_text(i, report)
        return reports

    def _lexicon(self):
        """Phrases of the languages."""
        return read_lexicon(self.lexicon, tuple(self.languages))

    def _read(self, report):
        """Words and items of each sentence."""
        lexicon = self._lexicon()
        return [
            _remembered(sentence, lexicon)
            for sentence in split_sentences(clean(report), lexicon.abbreviations)
        ]

    def _found(self, reports):
        """Likelihood of each code by report, from the rules and from `fit`."""
        if getattr(self, "habits_", None) is None:
            return [_by_rules(self._read(report)) for report in reports]
        table = load_statements().index[self.habits_.columns_]
        found = []
        for start in range(0, len(reports), 1024):
            read = [self._read(report) for report in reports[start : start + 1024]]
            chances = self.habits_.predict([features_of(one) for one in read])
            for one, row in zip(read, chances):
                found.append(self._with_habits(_by_rules(one), table, row))
        return found

    def _with_habits(self, ruled, codes, chances):
        """Statements of the rules, corrected by the habits that `fit` learned."""
        usual = self.habits_.usual_likelihoods_
        found = {code: ruled[code] for code in ruled if code not in set(codes)}
        for code, chance, likelihood in zip(codes, chances, usual):
            # What the text denies is not given, whatever is usual.
            if chance > _THRESHOLD and ruled.get(code, 1) > 0:
                found[code] = ruled.get(code, likelihood)
        return found

    def _learned_rows(self, report, sentences):
        """The five words that speak most for each statement that was found."""
        found, features = self._found([report])[0], features_of(sentences)
        rows = []
        for column, code in enumerate(self.codes_):
            if not found.get(code):
                continue
            shares = self.habits_.shares(features, column)
            for words in sorted(shares, key=shares.get, reverse=True)[:5]:
                rows.append((code, found[code], words, "", round(shares[words], 3)))
        return rows


@lru_cache(maxsize=1 << 16)
def _remembered(sentence, lexicon):
    """Read a sentence; results are cached, because machines repeat sentences."""
    return read_sentence(sentence, lexicon)


def _by_rules(sentences):
    """Likelihood of each code in a report; 0 if it is only denied."""
    return together(_by_phrases(sentences))[0]


def _by_phrases(sentences):
    """Code -> its highest likelihood in any phrase."""
    found = {}
    for _, items in sentences:
        for item in items:
            for code, likelihood in item.statements().items():
                found[code] = max(found.get(code, 0.0), likelihood)
    return found


def _stated(statements):
    """Statements that are not denied."""
    return {code: value for code, value in statements.items() if value > 0}


def _explained(words, items, found, part_of):
    """Rows of `explain` for one sentence, by the statement that the words count for."""
    for item in items:
        said = " ".join(words[item.start : item.end])
        place = " ".join(item.places)
        said = f"{place} {said}" if place and not item.meaning.places else said
        cues = ", ".join(" ".join(words[cue.start : cue.end]) for cue in item.cues)
        for code, likelihood in item.statements().items():
            if likelihood and code in part_of:
                code = part_of[code]
                likelihood = min(likelihood, found[code])
            yield code, likelihood, said, cues, np.nan


def _has_words(report):
    return any(map(str.isalpha, report))


def _warn_of_silence(reports, found):
    """Warn once with the numbers of empty reports and of reports without statement."""
    empty = [i for i, report in enumerate(reports) if not _has_words(report)]
    silent = [i for i, codes in enumerate(found) if not codes]
    if not silent:
        return
    warn(
        f"No statement was found in {len(silent)} of {len(reports)} reports, "
        f"{len(empty)} of which hold no word; the first is number {silent[0]}, counted "
        "from 0. Leave these ECGs out, or add their phrases to the lexicon.",
    )

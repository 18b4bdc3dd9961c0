"""One embedding per ECG, from free text, SCP codes or a matrix of embeddings."""

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from ._codes import likelihood_table, statement_lists
from ._encoded import EncodedReports, distinct
from ._free_text import (
    READINGS,
    beside,
    found_statements,
    how_to_read,
    weights_of,
    wordings,
)
from ._inputs import (
    EXPECTED,
    as_list,
    check_columns,
    check_embeddings,
    check_length,
    check_texts,
    is_matrix,
    kind_of,
)
from ._prompts import check_prompts, prompt_weights
from ._statements import load_statements, statement_texts
from ._tfidf import TfidfEncoder


class ReportEmbedder(BaseEstimator):
    """Turn reports into one embedding per ECG, and prompts into the same space.

    Free text is cleaned and embedded. SCP codes become statements, "category:
    description"; the embedding of an ECG is the mean of its statements, weighted by
    likelihood (Chen et al., 2025). Each distinct text is embedded once.

    Parameters
    ----------
    encoder : object with `encode`, callable or None, default=None
        Turns a list of str into an array of shape (n_texts, n_dims). A scikit-learn
        estimator with `fit` is cloned, then fitted on the distinct reports or, for SCP
        codes, on all statements of the table. None is `TfidfEncoder()`.
    reports_as : {"text", "statements", "both", "auto"}, default="text"
        Reading of free text. "text": its words. "statements": the SCP statements that
        `StatementFinder` finds in it, embedded like SCP codes; a report without any
        gets the mean of all. "both": the sum of statements and words, each less its
        mean over the distinct reports of `fit` and of length one. "auto": "statements",
        or "text" if no report has a statement.
    zero_likelihood : {"present", "drop"}, default="present"
        Meaning of likelihood 0 for a rhythm or form statement. PTB-XL gives most of
        them no likelihood: "present" counts them as certain, "drop" leaves them out, as
        in the paper. A purely diagnostic statement with likelihood 0 never counts.
    statements : DataFrame, str, path-like or None, default=None
        Table of the SCP statements, as for `load_statements`.

    Attributes
    ----------
    encoder_ : object with `encode`, callable or None
        The encoder in use, fitted if it can be; None if a matrix came without one.
    kind_ : {"text", "codes", "matrix"}
        Kind of the reports in `fit`.
    reads_ : {"text", "statements", "both"} or None
        Reading of free text; None for codes and matrices.
    codes_ : tuple of str or None
        SCP codes that occurred in `fit`, in the order of the table.
    centres_ : ndarray of shape (2, n_dims) or None
        For "both", the mean embeddings of statements and of words; else None.
    n_dims_ : int
        Dimensions of the embeddings.
    statements_ : DataFrame
        Table of the SCP statements.

    See Also
    --------
    TfidfEncoder : It learns from the reports and needs no download.
    SentenceEncoder : A language model from a folder or from Hugging Face.

    References
    ----------
    Chen et al. (2025), IEEE Transactions on Big Data 11, 948-960.

    Examples
    --------
    >>> from ecgdan_sk.reports import ReportEmbedder
    >>> reports = ["sinus rhythm, normal ECG", "atrial fibrillation", "sinus rhythm"]
    >>> embedder = ReportEmbedder().fit(reports)
    >>> prompts = embedder.encode(["fibrillation", "normal"])
    >>> similarity = embedder.transform(reports).embeddings @ prompts.T
    >>> similarity.argmax(axis=0).tolist()
    [1, 0]
    """

    def __init__(
        self,
        encoder=None,
        *,
        reports_as="text",
        zero_likelihood="present",
        statements=None,
    ):
        self.encoder = encoder
        self.reports_as = reports_as
        self.zero_likelihood = zero_likelihood
        self.statements = statements

    def fit(self, reports, n_samples=None):
        """Learn the encoder and the codes that occur.

        Parameters
        ----------
        reports : list of str, list of dict or array of shape (n_samples, n_dims)
            One report for each ECG: free text; SCP codes with likelihoods from 0 to
            100; or embeddings.
        n_samples : int or None, default=None
            Number of ECGs, to check the number of reports.

        Returns
        -------
        ReportEmbedder
            The fitted embedder.

        Raises
        ------
        TypeError
            If the reports are of several kinds, or of none of the three, or the encoder
            cannot encode.
        ValueError
            If reports are missing, empty, of another number, or all the same; if codes
            are unknown or likelihoods beyond 0 to 100; if a matrix has NaN or a
            constant column; if statements are asked for and no report has one.
        """
        self.fit_transform(reports, n_samples)
        return self

    def fit_transform(self, reports, n_samples=None):
        """Do as `fit`, then `transform`, reading the reports once.

        Parameters
        ----------
        reports : list of str, list of dict or array of shape (n_samples, n_dims)
            As in `fit`.
        n_samples : int or None, default=None
            As in `fit`.

        Returns
        -------
        EncodedReports
            Encoded reports, one row per ECG.
        """
        if self.zero_likelihood not in ("present", "drop"):
            raise ValueError(
                "zero_likelihood must be 'present' or 'drop', got "
                f"{self.zero_likelihood!r}."
            )
        if self.reports_as not in READINGS:
            raise ValueError(
                f"reports_as must be one of {READINGS}, got {self.reports_as!r}."
            )
        self.statements_ = load_statements(self.statements)
        self.kind_, content = self._read(reports, n_samples)
        likelihoods = content if self.kind_ == "codes" else None
        self.reads_ = None
        if self.kind_ == "text":
            self.reads_ = "text"
            if self.reports_as != "text":
                likelihoods = self._found(content)
                self.reads_ = how_to_read(self.reports_as, likelihoods)
        if self.reads_ == "text":
            likelihoods = None
        keys, first = self._distinct(content, likelihoods)
        if len(first) < 2:
            raise ValueError(
                f"All {len(keys)} reports say the same (n_samples={len(keys)}); at "
                "least two distinct reports are needed."
            )
        self.codes_ = None
        if self.kind_ == "matrix":
            check_columns(content)
        if likelihoods is not None:
            seen = (likelihoods > 0).any(axis=0)
            self.codes_ = tuple(self.statements_.index[seen])
        self.encoder_ = self._fitted_encoder([content[i] for i in first])
        parts = self._parts(content, likelihoods, first)
        self.centres_ = None
        if self.reads_ == "both":
            self.centres_ = np.stack([part.mean(axis=0) for part in parts])
        encoded = self._encoded(content, likelihoods, keys, parts)
        self.n_dims_ = encoded.embeddings.shape[1]
        return encoded

    def transform(self, reports, n_samples=None):
        """Embed reports of the kind of those in `fit`.

        Parameters
        ----------
        reports : list of str, list of dict or array of shape (n_samples, n_dims)
            One for each ECG.
        n_samples : int or None, default=None
            Number of ECGs, to check the number of reports.

        Returns
        -------
        EncodedReports
            Encoded reports, one row per ECG.
        """
        check_is_fitted(self, "kind_")
        kind, content = self._read(reports, n_samples)
        if kind != self.kind_:
            raise TypeError(
                f"Expected {EXPECTED[self.kind_]} as in fit, got {EXPECTED[kind]}."
            )
        likelihoods = content if kind == "codes" else None
        if self.reads_ in ("statements", "both"):
            likelihoods = self._found(content)
        keys, first = self._distinct(content, likelihoods)
        parts = self._parts(content, likelihoods, first)
        encoded = self._encoded(content, likelihoods, keys, parts)
        check_embeddings(encoded.embeddings, n_dims=self.n_dims_)
        return encoded

    def encode(self, prompts):
        """Embed prompts, such as the classes of a zero-shot classification.

        Parameters
        ----------
        prompts : list of str or dict, or array of shape (n_prompts, n_dims)
            Each is free text; an SCP code of the table; one of its superclasses, which
            is the mean of its statements; or SCP codes with likelihoods. An array is
            taken for ready embeddings.

        Returns
        -------
        ndarray of shape (n_prompts, n_dims), float32
            One embedding for each prompt.

        Raises
        ------
        ValueError
            If a prompt is empty or has no word in common with the texts of `fit`, or if
            `fit` was given a matrix and there is no encoder.
        """
        check_is_fitted(self, "kind_")
        if is_matrix(prompts):
            return check_embeddings(prompts, n_dims=self.n_dims_)
        if self.encoder_ is None:
            raise ValueError(
                "The reports of fit were a matrix, so there is no encoder for prompts; "
                "give these as a matrix (n_prompts, n_dims) too, or name the `encoder` "
                "that made it."
            )
        prompts = check_prompts(prompts)
        if self.reads_ in ("statements", "both"):
            prompts = [self._as_statements(prompt) for prompt in prompts]
        texts, weights = prompt_weights(
            prompts,
            self.statements_,
            self.zero_likelihood,
            wordings() if self.reads_ == "text" else {},
        )
        embeddings = self._encode(texts)
        # Of the wordings of a prompt, those that the encoder knows are enough.
        placed = weights * embeddings.any(axis=1)
        lost = ~placed.any(axis=1)
        if lost.any():
            unknown = np.flatnonzero(weights[np.argmax(lost)])[0]
            _check_placed([texts[unknown]], embeddings[[unknown]])
        placed /= placed.sum(axis=1, keepdims=True)
        prompted = placed @ embeddings
        if self.reads_ == "both":
            words = [self._is_words(prompt) for prompt in prompts]
            prompted = beside(prompted, self.centres_[np.array(words, int)])
        return check_embeddings(prompted, n_dims=self.n_dims_)

    def _read(self, reports, n_samples):
        """Kind and content: texts, likelihoods of all statements, or a matrix."""
        if is_matrix(reports):
            check_length(reports, n_samples)
            return "matrix", check_embeddings(reports)
        reports = as_list(reports, n_samples)
        if kind_of(reports) == "text":
            return "text", check_texts(reports)
        return "codes", likelihood_table(
            reports, self.statements_, self.zero_likelihood
        )

    def _found(self, texts):
        """Likelihoods of all statements that are found in texts."""
        return found_statements(texts, self.statements_, self.zero_likelihood)

    def _distinct(self, content, likelihoods):
        """Keys and first rows; texts that are read for statements differ in these."""
        if self.kind_ == "codes" or self.reads_ == "statements":
            return distinct(weights_of(likelihoods), "codes")
        return distinct(content, self.kind_)

    def _is_words(self, prompt):
        """Whether a prompt is free text, rather than a statement or several."""
        names = {*self.statements_.index, *self.statements_["superclass"]}
        return isinstance(prompt, str) and prompt not in names

    def _as_statements(self, prompt):
        """A prompt in free text as the statements in it, if there are any."""
        if not self._is_words(prompt):
            return prompt
        likelihoods = self._found([prompt])[0]
        codes = self.statements_.index[likelihoods > 0]
        return dict(zip(codes, 100 * likelihoods[likelihoods > 0])) or prompt

    def _fitted_encoder(self, distinct_content):
        """The encoder, fitted on texts if it learns and there are any."""
        encoder = TfidfEncoder() if self.encoder is None else self.encoder
        usable = hasattr(encoder, "encode") or callable(encoder)
        # Strings can encode, and classes be called, but not so.
        if not usable or isinstance(encoder, str | type):
            raise TypeError(
                "encoder must be callable or an object with `encode`, from a list of "
                "str to an array (n_texts, n_dims), such as TfidfEncoder() or "
                f"SentenceEncoder(name_or_path); got {encoder!r}."
            )
        learns = isinstance(encoder, BaseEstimator) and hasattr(encoder, "fit")
        if not learns:
            return encoder
        if self.kind_ == "matrix":
            return None
        if self.codes_ is not None:
            # All statements, so that prompts may ask for ones that no ECG of `fit` has.
            words = distinct_content if self.reads_ == "both" else []
            distinct_content = statement_texts(self.statements_) + words
        return clone(encoder).fit(distinct_content)

    def _parts(self, content, likelihoods, first):
        """Embeddings of the distinct reports: by statements, by words, or by each."""
        parts = []
        if likelihoods is not None:
            weights = weights_of(likelihoods[first])
            statements = self._embed(statement_texts(self.statements_))
            parts.append(weights @ statements)
        if self.reads_ in ("text", "both"):
            parts.append(self._embed([content[i] for i in first]))
        return parts

    def _encoded(self, content, likelihoods, keys, parts):
        """All that is said of each ECG, from the embeddings of distinct reports."""
        if self.kind_ == "matrix":
            return EncodedReports(content, keys)
        said, embeddings = tuple(content), parts[0]
        if self.centres_ is not None:
            embeddings = sum(map(beside, parts, self.centres_))
        embeddings = check_embeddings(embeddings)[keys]
        if likelihoods is None:
            return EncodedReports(embeddings, keys, said)
        if self.kind_ == "codes":
            said = statement_lists(likelihoods, self.statements_)
        columns = self.statements_.index.get_indexer(self.codes_)
        return EncodedReports(
            embeddings, keys, said, self.codes_, likelihoods[:, columns]
        )

    def _embed(self, texts):
        """Embeddings (n_texts, n_dims); raise if one is zero."""
        embeddings = self._encode(texts)
        _check_placed(texts, embeddings)
        return embeddings

    def _encode(self, texts):
        """Embeddings (n_texts, n_dims) of the encoder, in float32."""
        encode = getattr(self.encoder_, "encode", self.encoder_)
        embeddings = np.asarray(encode(texts), dtype=np.float32)
        if embeddings.ndim != 2 or len(embeddings) != len(texts):
            raise ValueError(
                f"The encoder must give an array of shape ({len(texts)}, n_dims) for "
                f"{len(texts)} texts, got {embeddings.shape}."
            )
        return embeddings


def _check_placed(texts, embeddings):
    """Raise if an embedding is zero."""
    unplaced = ~embeddings.any(axis=1)
    if unplaced.any():
        raise ValueError(
            f"The encoder gives zeros for {texts[np.argmax(unplaced)]!r}: a "
            "TfidfEncoder does so if a text has no word in common with those of "
            "fit. Word it as they do, leave it out, or use a language model: "
            "ReportEmbedder(SentenceEncoder(...))."
        )

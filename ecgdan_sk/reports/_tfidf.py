"""Text encoder that learns from the reports themselves and needs no download."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union
from sklearn.utils.validation import check_is_fitted

# Below this length, the SVD of a text is rounding error.
_SHORTEST = 1e-5


class TfidfEncoder(BaseEstimator):
    """Text encoder: TF-IDF of words and character n-grams, then a truncated SVD.

    Latent semantic analysis (Deerwester et al., 1990): reports that share words, or
    parts of words, are close to each other. It learns only from the texts of `fit`, in
    any language. Character n-grams tolerate typing errors and endings.

    Parameters
    ----------
    n_components : int, default=128
        Dimensions of the embeddings; there are fewer if the texts allow only fewer.
    random_state : int, RandomState instance or None, default=0
        Determines the randomised SVD.

    Attributes
    ----------
    vectorizer_ : FeatureUnion
        TF-IDF of words, pairs of words and character n-grams.
    svd_ : TruncatedSVD
        Reduction to `n_components`.

    See Also
    --------
    SentenceEncoder : A language model, which also knows words outside the reports.

    References
    ----------
    Deerwester et al. (1990), Indexing by latent semantic analysis, Journal of the
    American Society for Information Science 41, 391-407.

    Examples
    --------
    >>> from ecgdan_sk.reports import TfidfEncoder
    >>> reports = ["sinus rhythm", "sinus tachycardia", "atrial fibrillation"]
    >>> embeddings = TfidfEncoder(n_components=2).fit(reports).encode(reports)
    >>> similarity = embeddings @ embeddings.T
    >>> bool(similarity[0, 1] > similarity[0, 2])
    True
    """

    def __init__(self, n_components=128, *, random_state=0):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, texts, y=None):
        """Learn the vocabulary and its reduction.

        Parameters
        ----------
        texts : list of str
            Reports, at least two of them distinct.
        y : None, default=None
            Ignored.

        Returns
        -------
        TfidfEncoder
            The fitted encoder.
        """
        if self.n_components < 1:
            raise ValueError(
                f"n_components must be at least 1, got {self.n_components!r}."
            )
        self.vectorizer_ = _vectorizer()
        weights = self.vectorizer_.fit_transform(texts)
        self.svd_ = TruncatedSVD(
            min(self.n_components, *weights.shape), random_state=self.random_state
        ).fit(weights)
        return self

    def encode(self, texts):
        """Embed texts.

        Parameters
        ----------
        texts : list of str
            Reports or prompts.

        Returns
        -------
        ndarray of shape (n_texts, n_dims), float32
            Rows of unit length, or zeros for a text without words of `fit`.
        """
        check_is_fitted(self)
        embeddings = self.svd_.transform(self.vectorizer_.transform(texts))
        length = np.linalg.norm(embeddings, axis=1, keepdims=True)
        embeddings /= np.where(length < _SHORTEST, np.inf, length)
        return embeddings.astype(np.float32)

    def _learned(self):
        """Terms, their weights and their reduction, which `_relearn` takes."""
        parts = [part for _, part in self.vectorizer_.transformer_list]
        terms = [part.get_feature_names_out().tolist() for part in parts]
        return terms, [part.idf_ for part in parts], self.svd_.components_

    def _relearn(self, terms, weights, components):
        """Copy the fitted attributes of another encoder, without the texts."""
        self.vectorizer_ = _vectorizer()
        parts = [part for _, part in self.vectorizer_.transformer_list]
        for part, own, idf in zip(parts, terms, weights, strict=True):
            part.vocabulary_ = {term: i for i, term in enumerate(own)}
            part.idf_ = idf
        n_components, n_terms = components.shape
        if n_terms != sum(map(len, terms)):
            raise ValueError(f"{n_terms} weights for {sum(map(len, terms))} terms")
        self.svd_ = TruncatedSVD(n_components, random_state=self.random_state)
        self.svd_.components_ = components
        return self


def _vectorizer():
    """TF-IDF of words and of parts of words, not yet fitted."""
    return make_union(
        # Single letters count: "T wave", "ST & T".
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
    )

"""Habits of coders: statements that they give to words, learned from examples."""

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

# A statement of fewer reports than this is left to the rules.
_FEWEST = 5


class CodingHabits:
    """Words and rules' findings -> probability of each statement.

    One ridge-penalised logistic regression for each statement (Hoerl and Kennard,
    1970): few reports decide little, and each word's share in an answer is a number.
    """

    def __init__(self, penalty):
        self.penalty = penalty

    def fit(self, features, likelihoods):
        """Learn from lists of str, and likelihoods (n_reports, n_codes) in percent."""
        self.vectorizer_ = CountVectorizer(analyzer=_as_is, binary=True, min_df=2)
        X = self.vectorizer_.fit_transform(features)
        counts = (likelihoods > 0).sum(axis=0)
        known = (counts >= _FEWEST) & (counts < len(features))
        self.columns_ = np.flatnonzero(known)
        self.coefs_ = np.zeros((X.shape[1], len(self.columns_)))
        self.intercepts_ = np.zeros(len(self.columns_))
        for k, column in enumerate(self.columns_):
            model = LogisticRegression(C=1 / self.penalty, solver="liblinear")
            model.fit(X, likelihoods[:, column] > 0)
            self.coefs_[:, k], self.intercepts_[k] = model.coef_[0], model.intercept_[0]
        stated = np.where(likelihoods > 0, likelihoods, np.nan)[:, self.columns_]
        self.usual_likelihoods_ = np.nanmean(stated, axis=0)
        return self

    def predict(self, features):
        """Probabilities (n_reports, n_columns) that a statement is given."""
        logits = self.vectorizer_.transform(features) @ self.coefs_ + self.intercepts_
        return 1 / (1 + np.exp(-logits))

    def shares(self, features, column):
        """Word -> its share in the logit of a column, of one report."""
        row = self.vectorizer_.transform([features])
        names = self.vectorizer_.get_feature_names_out()
        return {names[i]: self.coefs_[i, column] for i in row.indices}


def features_of(sentences):
    """Words, phrases ("~") and statements ("=") of a report that was read."""
    features = set()
    for words, items in sentences:
        features.update(words)
        for item in items:
            features.add(f"~{item.meaning.phrase}")
            for code, likelihood in item.statements().items():
                features |= {f"={code}", f"={code}:{likelihood:.0f}"}
    return sorted(features)


def _as_is(features):
    """Features are made before."""
    return features

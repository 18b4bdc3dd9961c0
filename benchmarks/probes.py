"""Linear probe of features for the five superclasses of PTB-XL."""

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CLASSES = ["NORM", "MI", "STTC", "CD", "HYP"]
# Strongly shrunken, chosen once, on ECGs that are in no figure.
SHRINKAGE = 0.003


def probe():
    """Standardised features, a logistic regression for each class."""
    logistic = LogisticRegression(C=SHRINKAGE, max_iter=3000)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(logistic))


def macro_auroc(classes, scores):
    """Mean over the superclasses."""
    aurocs = [roc_auc_score(classes[:, j], scores[:, j]) for j in range(len(CLASSES))]
    return float(np.mean(aurocs))


def with_labels(features, classes, train, test, n_labels=None, n_draws=10):
    """Macro AUROC on the test rows, of all labels or the mean of draws of some."""
    told = scores_with_labels(features, classes, train, test, n_labels, n_draws)
    return float(np.mean([macro_auroc(classes[test], scores) for scores in told]))


def scores_with_labels(features, classes, train, test, n_labels=None, n_draws=10):
    """Scores of the test rows by all labels, or by each of some draws of them."""
    rows = np.flatnonzero(train)
    draws = [rows]
    if n_labels is not None:
        rng = np.random.default_rng(0)
        draws = [rng.choice(rows, n_labels, replace=False) for _ in range(n_draws)]
        # A probe of a class needs one of it.
        draws = [own for own in draws if classes[own].sum(axis=0).min() > 0]
    fitted = (probe().fit(features[own], classes[own]) for own in draws)
    return [model.decision_function(features[test]) for model in fitted]


def out_of_fold(features, classes, patients):
    """Scores by probes of other patients, 5-fold."""
    scores = np.empty(classes.shape)
    for train, test in GroupKFold(5).split(features, groups=patients):
        fitted = probe().fit(features[train], classes[train])
        scores[test] = fitted.decision_function(features[test])
    return scores


def feature_figures(features, classes, train, test, own=None):
    """Figures by what is measured; `own` is (features, classes, patients)."""
    figures = {
        f"test fold, {'all' if n is None else n} labels": with_labels(
            features, classes, train, test, n
        )
        for n in (None, 343, 50)
        if n is None or n < np.sum(train)
    }
    if own is not None:
        found = macro_auroc(own[1], out_of_fold(*own))
        figures["343 raw ECGs, 5-fold by patient"] = found
    return figures


def probe_figures(pretrainer, X, classes, train, test, own=None):
    """Figures of a fitted pretrainer, zero-shot ones among them."""
    others = None
    if own is not None:
        others = (pretrainer.transform(own[0]), *own[1:])
    figures = feature_figures(pretrainer.transform(X), classes, train, test, others)
    shown = nearest(pretrainer, X[test])
    figures["test fold, zero-shot"] = macro_auroc(classes[test], shown)
    if own is not None:
        shown = nearest(pretrainer, own[0])
        figures["343 raw ECGs, zero-shot"] = macro_auroc(own[1], shown)
    return {what: round(figure, 3) for what, figure in figures.items()}


def nearest(pretrainer, X):
    """A softmax of how near each ECG lies to the superclasses: one against the others.

    `zero_shot` asks of each by itself, where the alignment was learned so.
    """
    places = pretrainer._text_places(pretrainer.embedder_.encode(CLASSES))
    scale = float(pretrainer.net_.criterion_.log_scale.detach().exp())
    return softmax(scale * pretrainer._places(X) @ places.T, axis=1)

"""A new head on the features of a fitted encoder, from the patients of a new site."""

import numpy as np
from sksurv.util import Surv

from .._hazards import likelihood_of
from .._hazards._ridge import ridge_weights
from ..model_selection import EventKFold

_N_FOLDS = 4
# With fewer, neither the penalty nor the slope can be told.
_FEWEST_EVENTS = 10


class RefittedHead:
    """A Cox model of features with a ridge penalty, chosen by cross-validation.

    Attributes
    ----------
    means_, scales_ : ndarray of shape (n_features,)
        Of the features at this site.
    weights_ : ndarray of shape (n_features,)
        Log hazard ratios per standard deviation.
    """

    def fit(self, features, outcome, patients):
        """Learn the weights from features (n_samples, n_features) and their outcome."""
        likelihood = likelihood_of("cox", outcome, ties="efron", n_intervals=1)
        self.means_, scales = features.mean(axis=0), features.std(axis=0)
        self.scales_ = np.where(scales > 0, scales, 1.0)
        standardised = (features - self.means_) / self.scales_
        target, loss = likelihood.target(outcome), likelihood.loss
        weights = ridge_weights(standardised, target, loss, patients=patients)
        self.weights_ = weights[:, 0]
        return self

    def log_risks(self, features):
        """Log risks (n_samples,), 0 on average over the patients of `fit`."""
        return (features - self.means_) / self.scales_ @ self.weights_


def unseen_log_risks(features, outcome, patients):
    """Log risk of each sample, by a head that has seen nobody of its fold."""
    event = outcome.causes > 0
    if event.sum() < _FEWEST_EVENTS:
        raise ValueError(
            f"method='refit-head' needs at least {_FEWEST_EVENTS} events, but y holds "
            f"{event.sum()}. Use method='slope', or 'auto'."
        )
    y = Surv.from_arrays(event, outcome.time)
    risk = np.empty(len(event))
    folds = EventKFold(_N_FOLDS, random_state=0)
    for train, test in folds.split(features, y, patients):
        head = RefittedHead().fit(features[train], outcome[train], patients[train])
        risk[test] = head.log_risks(features[test])
    return risk

"""The start of a risk head on a pretrained encoder: a ridge Cox model of its features.

Covariates are in that model as well. Training starts there, and is kept only if it
improves on it.
"""

import numpy as np
import torch

from .._hazards._ridge import ridge_weights
from .._training import in_pieces, load_weights
from ..network import LinearRisk
from ._network import risk_net

# With fewer events of a cause the penalty cannot be chosen.
_FEWEST_EVENTS = 5
# With fewer, the validation part tells so little that it rather helps the head; the
# start, which has then seen it, is the harder to better.
_FEW_EVENTS = 30
_AT_ONCE = 256  # ECGs


def ridge_heads(estimator, likelihood, module, starts, X, target, patients):
    """A `RidgeHead` if there is an encoder and outputs are log risks, else None."""
    if estimator.pretrained is None or not likelihood.outputs_are_log_risks:
        return None
    if estimator.warm_start:
        return None
    settings = {name.removeprefix("module__"): v for name, v in module.items()}
    n_outputs = settings["n_outputs"]
    head = settings["architecture"].risk_head(n_outputs, dropout=0.0, zero_start=True)
    if not isinstance(head, LinearRisk):
        return None
    # What the baseline is estimated from stays unseen.
    takes_all = estimator.baseline != "validation"
    covariates = estimator.covariates_
    coef = np.empty((0, n_outputs)) if covariates is None else covariates.coef_
    return RidgeHead(
        settings, starts[0], X, target, likelihood.loss, coef, patients, takes_all
    )


class RidgeHead:
    """The start of a network, for some rows of the training ECGs.

    Parameters
    ----------
    module : dict
        Parameters of `risk_net`.
    start : dict
        Weights of the encoder by name.
    X : array-like of shape (n_samples, n_leads, n_times)
        ECGs.
    target : ndarray of shape (n_samples, n_columns)
        For the loss.
    loss : dict
        Parameters of `SurvivalLoss`, without covariates.
    coef : ndarray of shape (n_coefficients, n_outputs)
        Of the covariates alone, which are the last columns of the target. The model of
        both departs from it freely, but for a column that no event tells of.
    patients : ndarray of shape (n_samples,) or None
        Patient of each ECG, where they are known.
    takes_all : bool
        Whether, of few events, those of the validation part help the head.
    """

    def __init__(self, module, start, X, target, loss, coef, patients, takes_all):
        network = risk_net(**module)
        load_weights(network, start)
        network.eval()
        parts = [_features(network, X, i) for i in range(0, len(X), _AT_ONCE)]
        self.features = np.concatenate(parts)
        self.start, self.target, self.loss, self.coef = start, target, loss, coef
        self.n_outputs = module["n_outputs"]
        self.patients, self.takes_all = patients, takes_all

    def of(self, rows):
        """Initial weights and covariate coefficients, with a head fitted to these rows.

        If events are few, the head is fitted to all rows.
        """
        if self.is_of_few:
            rows = slice(None)
        if self._n_events(rows) < _FEWEST_EVENTS:
            return self.start, self.coef
        features, n_free = self.features[rows], len(self.coef)
        scale = features.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        standardised = (features - features.mean(axis=0)) / scale
        target = self.target[rows]
        design = target[:, target.shape[1] - n_free :]
        weights = ridge_weights(
            np.hstack([standardised, design]),
            target,
            self.loss | ({"coef": self.coef} if n_free else {}),
            self.n_outputs,
            None if self.patients is None else self.patients[rows],
            n_free,
        )
        weights, change = np.split(weights, [features.shape[1]])
        head = (weights / scale[:, None]).T.astype(np.float32)
        return self.start | {"head.weight": head}, self.coef + change

    @property
    def is_of_few(self):
        """Whether events are so few that the head also uses the validation part."""
        return self.takes_all and self._n_events(slice(None)) < _FEW_EVENTS

    def settle(self, net, start):
        """If no epoch improved on the start, refit the head to all events."""
        kept = net.module_.state_dict()["head.weight"].cpu().numpy()
        if self.takes_all and np.array_equal(kept, start.get("head.weight")):
            start, coef = self.of(slice(None))
            load_weights(net.module_, start)
            if len(coef):
                net.criterion_.coef.data.copy_(torch.from_numpy(coef))

    def _n_events(self, rows):
        """Events of the rarest cause."""
        causes = self.target[rows, 0]
        return min((causes == 1 + i).sum() for i in range(self.n_outputs))


def _features(network, X, first):
    """Latent features (n, latent_dim) of some ECGs."""
    x = np.ascontiguousarray(X[first : first + _AT_ONCE], np.float32)
    with torch.no_grad():
        return in_pieces(network.encoder, torch.from_numpy(x)).numpy()

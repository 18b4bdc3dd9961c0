"""What an estimator asks of the network that it holds: one face for all of them."""

import numpy as np
from sklearn.base import BaseEstimator

from ..network import LinearRisk
from ..records._leads_and_ids import lead_names


class Architecture(BaseEstimator):
    """A network that the estimators can hold: its parameters, and how it is made.

    A subclass keeps its parameters as scikit-learn's estimators do, so that a search
    tunes them (`architecture__n_channels`), and gives `latent_dim` and `encoder`. What
    it does not say otherwise holds for a network that takes any leads and any length.

    Attributes
    ----------
    latent_dim : int
        Latent features of the encoder.
    default_crop : float
        Share of an ECG that a training step sees, unless the estimator says otherwise.
    leads_stay_leads : bool
        Whether the encoder knows each lead for itself, so that weights go on to other
        leads, and attention over time can be drawn on a lead.

    See Also
    --------
    Compact : The network of this package.
    Paper : The published network.

    Examples
    --------
    >>> from torch import nn
    >>> from ecgdan_sk.architectures import Architecture
    >>> from ecgdan_sk.network import ECGEncoder
    >>> class MeanEncoder(ECGEncoder):
    ...     def __init__(self, n_leads, scale):
    ...         super().__init__(scale)
    ...         self.to_latent = nn.Linear(n_leads, 8)
    ...     def forward(self, x, present=None):
    ...         return self.to_latent(self.scaled(x).abs().mean(2))
    >>> class MeanVoltage(Architecture):
    ...     latent_dim = 8
    ...     def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
    ...         return MeanEncoder(n_leads, scale)

    It is used as ``DualAttentionSurvival(architecture=MeanVoltage())``.
    """

    _parameter_constraints: dict = {}
    default_crop = 0.5
    leads_stay_leads = False

    @property
    def name(self):
        """How files of weights call this architecture."""
        return type(self).__name__

    def check(self, leads, n_times):
        """Raise unless the parameters are valid and the network takes such ECGs.

        Parameters
        ----------
        leads : tuple of str
            Leads of the ECGs.
        n_times : int
            Samples per lead.
        """
        self._validate_params()

    def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
        """A new encoder with random weights.

        Parameters
        ----------
        n_leads, n_times : int
            Leads, and samples per lead, of the ECGs.
        scale : float, default=1.0
            Typical spread of the ECGs in mV.
        pretraining : bool, default=False
            Whether it is to be pretrained, rather than to tell risks.

        Returns
        -------
        network.ECGEncoder
            ECGs to `latent_dim` features.
        """
        raise NotImplementedError(f"{type(self).__name__} must give an encoder.")

    def decoder(self, n_leads, n_times):
        """A new decoder, for the auxiliary reconstruction.

        Parameters
        ----------
        n_leads, n_times : int
            Leads, and samples per lead, of the ECGs.

        Returns
        -------
        nn.Module
            As `network.HeadedEncoder` wants it.
        """
        raise ValueError(
            f"{self!r} has no decoder, which reconstruction_weight needs. Set "
            "reconstruction_weight=0, or give the architecture a decoder."
        )

    def risk_head(self, n_outputs, *, dropout, zero_start):
        """A new head, which makes log risks of latent features.

        Parameters
        ----------
        n_outputs : int
            Outputs, such as one for each cause of an event.
        dropout : float
            Share of the latent features that training leaves out.
        zero_start : bool
            Whether all outputs are zero before training.

        Returns
        -------
        nn.Module
            Latent features (B, latent_dim) to (B,), or (B, n_outputs) where several.
        """
        return LinearRisk(
            self.latent_dim, n_outputs, dropout=dropout, zero_start=zero_start
        )

    def weights_for(self, mapping, leads, n_times):
        """Weights of a pretrained encoder, for an encoder of this architecture.

        Parameters
        ----------
        mapping : mapping
            `encoder_weights_` of a fitted `ECGReportPretrainer`.
        leads : tuple of str
            Leads of the ECGs that the encoder is to read.
        n_times : int
            Samples per lead.

        Returns
        -------
        dict of str to ndarray
            By name of the parameter. A lead that pretraining did not know starts from
            the mean of those that it knew.
        """
        self._check_origin(mapping)
        weights, known = dict(mapping["weights"]), tuple(lead_names(mapping["leads"]))
        if known == tuple(leads):
            return weights
        places = self._places(known, leads)
        for name in mapping["lead_parameters"]:
            weights[name] = _for_leads(weights[name], places)
        return weights

    def __sklearn_tags__(self):
        """A holder of parameters learns nothing."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def _check_origin(self, mapping):
        """Raise unless the weights are those of this very architecture."""
        theirs = {"architecture": mapping["architecture"], **mapping["settings"]}
        ours = {"architecture": self.name, **self.get_params(deep=False)}
        for name in ours | theirs:
            their, our = theirs.get(name), ours.get(name)
            if their != our:
                raise ValueError(
                    f"The pretrained encoder has {name}={their!r}, this estimator "
                    f"{our!r}. Set {name}={their!r}, or pretrain again."
                )

    def _places(self, known, wanted):
        """Where each wanted lead stands among the known ones; None where it is not."""
        places = [known.index(lead) if lead in known else None for lead in wanted]
        if not self.leads_stay_leads or all(place is None for place in places):
            raise ValueError(
                f"The encoder was pretrained on the leads {', '.join(known)}, of which "
                f"X has {'others' if any(p is not None for p in places) else 'none'}: "
                f"{', '.join(wanted)}. Give those leads, or pretrain again."
            )
        return places


def _for_leads(value, places):
    """Rows of the leads; one that pretraining did not know starts from their mean."""
    mean = value.mean(0)
    return np.stack([mean if place is None else value[place] for place in places])

"""Common interface of the networks that an estimator can hold."""

import numpy as np
from sklearn.base import BaseEstimator

from ..network import LinearRisk
from ..records._leads_and_ids import lead_names


class Architecture(BaseEstimator):
    """Base class of architectures: parameters of a network, and methods that make it.

    A subclass stores its parameters as scikit-learn's estimators do, so that a search
    can tune them (`architecture__n_channels`). It must define `latent_dim` and
    `encoder`. The other defaults suit a network that takes any leads and any length.

    Attributes
    ----------
    latent_dim : int
        Latent features of the encoder.
    default_crop : float
        Share of an ECG that a training step uses, unless the estimator sets another.
    leads_stay_leads : bool
        Whether the encoder keeps leads separate. Then weights can be transferred to
        other leads, and the temporal attention can be drawn on a lead.

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
        """Name of this architecture in files of weights."""
        return type(self).__name__

    def check(self, leads, n_times):
        """Raise unless the parameters are valid and the network takes these ECGs.

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
            Whether the encoder will be pretrained, rather than trained on outcomes.

        Returns
        -------
        network.ECGEncoder
            Network from ECGs to `latent_dim` features.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define encoder(n_leads, n_times, *, scale, "
            "pretraining), which returns a network.ECGEncoder."
        )

    def decoder(self, n_leads, n_times):
        """A new decoder, for the auxiliary reconstruction.

        Parameters
        ----------
        n_leads, n_times : int
            Leads, and samples per lead, of the ECGs.

        Returns
        -------
        nn.Module
            Decoder for `network.HeadedEncoder`.
        """
        raise ValueError(
            f"{self!r} has no decoder, which reconstruction_weight needs. Set "
            "reconstruction_weight=0, or define the decoder method."
        )

    def risk_head(self, n_outputs, *, dropout, zero_start):
        """A new head, from latent features to log risks.

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
            Latent features (B, latent_dim) to (B,), or (B, n_outputs) for several
            outputs.
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
            Values by name of the parameter. A lead that was not in the pretraining
            starts from the mean of the leads that were.
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
        """Tags of an object that needs no fit."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def _check_origin(self, mapping):
        """Raise unless the weights belong to this architecture with its parameters."""
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
        """Position of each wanted lead among the known ones, or None."""
        places = [known.index(lead) if lead in known else None for lead in wanted]
        if not self.leads_stay_leads or all(place is None for place in places):
            raise ValueError(
                f"The encoder was pretrained on the leads {', '.join(known)}, but X "
                f"has {', '.join(wanted)}. Give the same leads, or pretrain again."
            )
        return places


def _for_leads(value, places):
    """Row of each lead; a lead that was not in the pretraining gets the mean."""
    mean = value.mean(0)
    return np.stack([mean if place is None else value[place] for place in places])

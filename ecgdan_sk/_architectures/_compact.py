"""The compact network as an `Architecture`."""

from numbers import Integral

from sklearn.utils._param_validation import Interval

from ..network import Decoder, Encoder
from ._interface import Architecture


class Compact(Architecture):
    """The network of this package, which keeps leads separate until they attend.

    It takes any leads and any length. Its cost is proportional to the length.

    Parameters
    ----------
    n_channels : int, default=32
        Channels of the trunk and of the lead tokens; a multiple of 4.
    latent_dim : int, default=64
        Latent features of each network.
    lead_attention : bool, default=True
        Whether leads attend to each other.
    temporal_attention : bool, default=True
        Whether time steps of a lead are weighted rather than averaged.
    voltage_token : bool, default=False
        Whether each lead is normalised and its amplitude enters as a token, which may
        be unknown. Ready encoders do so, and can read normalised ECGs too. Otherwise
        all leads share one scale, so voltages stay comparable.

    See Also
    --------
    Paper : The published network.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.architectures import Compact
    >>> DualAttentionSurvival(architecture=Compact(n_channels=16))
    DualAttentionSurvival(architecture=Compact(n_channels=16))
    """

    _parameter_constraints = {
        "n_channels": [Interval(Integral, 4, None, closed="left")],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "lead_attention": ["boolean"],
        "temporal_attention": ["boolean"],
        "voltage_token": ["boolean"],
    }
    name = "compact"
    leads_stay_leads = True

    def __init__(
        self,
        *,
        n_channels=32,
        latent_dim=64,
        lead_attention=True,
        temporal_attention=True,
        voltage_token=False,
    ):
        self.n_channels = n_channels
        self.latent_dim = latent_dim
        self.lead_attention = lead_attention
        self.temporal_attention = temporal_attention
        self.voltage_token = voltage_token

    def check(self, leads, n_times):
        """Raise unless the parameters are valid. Any leads and any length are.

        Parameters
        ----------
        leads : tuple of str
            Leads of the ECGs.
        n_times : int
            Samples per lead.
        """
        super().check(leads, n_times)
        if self.n_channels % 4:
            raise ValueError(
                f"n_channels must be a multiple of 4, got {self.n_channels}: four "
                "attention heads share the channels."
            )

    def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
        """A new encoder with random weights.

        Parameters
        ----------
        n_leads, n_times : int
            Leads, and samples per lead, of the ECGs.
        scale : float, default=1.0
            Typical spread of the ECGs in mV.
        pretraining : bool, default=False
            Ignored.

        Returns
        -------
        network.Encoder
            Network from ECGs to `latent_dim` features.
        """
        return Encoder(n_leads, scale=scale, **self.get_params(deep=False))

    def decoder(self, n_leads, n_times):
        """A new decoder, for the auxiliary reconstruction.

        Parameters
        ----------
        n_leads, n_times : int
            Leads, and samples per lead, of the ECGs.

        Returns
        -------
        network.Decoder
            Network from features over time and lead tokens to ECGs.
        """
        return Decoder(n_leads, self.n_channels)

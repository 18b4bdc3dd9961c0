"""A pretrained encoder as transformers: preparation of ECGs, and their features."""

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)

from .._architectures import ARCHITECTURES
from .._architectures._export import Named, export_network
from .._version import __version__
from ..preprocessing import BandPass, Resample
from ..preprocessing._transformer import ECGTransformer
from ..records._records import as_records
from ..records._signal_checks import RATE_LIMITS, check_amplitude, check_ecg
from ._folders import card, load

# ECGs computed at once: of more, features want memory that slows a CPU.
_AT_ONCE = 64


class Prepare(ECGTransformer):
    """Bring ECGs to the sampling rate and the frequency band of an encoder.

    Use it as a pipeline step before an estimator that starts from the encoder.

    Parameters
    ----------
    name : str or path-like
        The encoder, as for `encoders.load`.
    sampling_rate : float or None, default=None
        Samples per second of the input, in Hz. None takes that of `ECGRecords`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    See Also
    --------
    Encoder : The features; it needs no such step.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from ecgdan_sk import DualAttentionSurvival, encoders
    >>> name = "ptbxl-100hz"
    >>> model = make_pipeline(
    ...     encoders.Prepare(name, sampling_rate=500),
    ...     DualAttentionSurvival(pretrained=name),
    ... )
    """

    _parameter_constraints = {"sampling_rate": RATE_LIMITS}

    def __init__(self, name, sampling_rate=None):
        self.name = name
        self.sampling_rate = sampling_rate

    def _apply(self, X, rate):
        about = card(self.name)
        rate = self._known_rate(rate)
        X, rate = Resample(about["sampling_rate"])._apply(X, rate)
        return BandPass(*about["band"])._apply(X, rate)


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turn ECGs into the features of a pretrained encoder.

    ECGs are resampled and filtered like the training ECGs of the encoder. Nothing is
    learned, so the features are the same in every fold.

    Parameters
    ----------
    name : str or path-like
        One of `encoders.names()`, "hf:owner/name" of the Hugging Face hub, or a folder
        that `encoders.save` wrote.
    sampling_rate : float or None, default=None
        Samples per second of the input, in Hz. None takes that of `ECGRecords`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    See Also
    --------
    encoders.card : Training data, results and limits of an encoder.
    DualAttentionSurvival : Its `pretrained` trains an encoder further.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from ecgdan_sk import encoders
    >>> from ecgdan_sk.baselines import PenalisedCox
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(80, sampling_rate=250, event_rate=0.4, random_state=0)
    >>> encoder = encoders.Encoder("simulated-100hz", sampling_rate=250)
    >>> encoder.fit_transform(cohort.X).shape
    (80, 64)
    >>> risk = make_pipeline(encoder, StandardScaler(), PenalisedCox())
    >>> risk.fit(cohort.X, cohort.y).predict(cohort.X).shape
    (80,)
    """

    _parameter_constraints = {"sampling_rate": RATE_LIMITS}

    def __init__(self, name, *, sampling_rate=None):
        self.name = name
        self.sampling_rate = sampling_rate

    def fit(self, X, y=None):
        """Check the parameters and `X`; nothing is learned.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        y : None
            Ignored.

        Returns
        -------
        Encoder
            This transformer.

        Raises
        ------
        ValueError
            If there is no such encoder, or if the sampling rate is not known.
        """
        self._validate_params()
        card(self.name)
        self._prepare()._known_rate(as_records(X).sampling_rate)
        self.n_leads_in_ = as_records(X).shape[1]
        return self

    def transform(self, X):
        """Features of the encoder.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, of any length and sampling rate. Leads are matched by name;
            missing leads count as absent.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            Features, not standardised.

        Raises
        ------
        ValueError
            If X has none of the leads of the encoder, is not in mV, or has no sampling
            rate.
        """
        weights = load(self.name)
        prepared = self._prepare().transform(as_records(X))
        records = prepared.select_leads(weights["leads"])
        network = _network(weights, records.shape[2])
        features = [
            _encoded(network, records.signals[first : first + _AT_ONCE])
            for first in range(0, len(records), _AT_ONCE)
        ]
        return np.concatenate(features)

    def export(self, path, format="onnx"):
        """Export the network for other programs: from prepared ECGs to features.

        Parameters
        ----------
        path : str or path-like
            Path of the file. An existing file is replaced.
        format : {"onnx", "torch"}, default="onnx"
            "onnx" runs in onnxruntime. "torch" is read by `torch.export.load`, which
            replaces TorchScript.

        Returns
        -------
        Encoder
            This transformer.

        Raises
        ------
        ValueError
            If there is no such encoder or format.
        ImportError
            If onnx, onnxscript or onnxruntime is not installed.
        RuntimeError
            If the output of the file differs from that of the network by more than
            1e-5.

        Notes
        -----
        The input "ecg" holds ECGs in mV with the length, sampling rate and band of the
        card, from `Prepare`; the output is "features". The metadata of ONNX, or
        "about.json" of the "torch" file, describe them.
        """
        weights, about = load(self.name), card(self.name)
        n_times = weights["n_times"]
        export_network(
            path,
            format,
            Named(_network(weights, n_times)),
            weights["leads"],
            n_times,
            output="features",
            about={
                "model": f"{self.name} of ecgdan_sk {__version__}",
                "sampling_rate": f"{weights['sampling_rate']:g}",
                "n_times": n_times,
                "band": "-".join(f"{edge:g}" for edge in about["band"]) + " Hz",
                "licence": about["licence"],
                "attribution": about["attribution"],
            },
        )
        return self

    @property
    def _n_features_out(self):
        weights = load(self.name)
        return _architecture(weights).latent_dim

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _prepare(self):
        return Prepare(self.name, self.sampling_rate)


def _architecture(weights):
    """The architecture that weights are of."""
    return ARCHITECTURES[weights["architecture"]](**weights["settings"])


def _network(weights, n_times):
    """The encoder's network, with its weights."""
    architecture = _architecture(weights)
    leads = tuple(weights["leads"])
    network = architecture.encoder(len(leads), n_times)
    values = architecture.weights_for(weights, leads, n_times)
    network.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()})
    return network.eval()


def _encoded(network, signals):
    """Features (n_samples, n_features) of some ECGs."""
    X = check_ecg(np.asarray(signals))
    check_amplitude(X)
    with torch.no_grad():
        return network(torch.from_numpy(X)).numpy()

"""A published foundation model as a transformer: ECGs in mV to its features."""

from functools import lru_cache
from numbers import Integral
from os import PathLike

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from ..._warnings import warn
from ...records._records import as_records
from ...records._signal_checks import (
    RATE_LIMITS,
    check_amplitude,
    check_ecg,
    known_rate,
)
from ._cache import FeatureCache
from ._cards import foundation_card
from ._networks import new_network
from ._signals import absent_from, check_leads, leads_of, prepared, warn_of_absent
from ._weights import digest_of, load_weights, weights_path

# ECGs computed at once: more need memory, and are hardly faster on a CPU.
_AT_ONCE = 16
_licences_shown = set()


class FoundationEncoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Turn ECGs into the features of a published foundation model.

    ECGs in mV of any rate and length are brought to the sampling rate, leads, filter,
    scale and windows of the model. Nothing is learned from the ECGs, so the features
    are the same in every fold. The package does not contain the weights.

    Parameters
    ----------
    name : str
        One of `encoders.foundation_names()`.
    weights : str, path-like or None, default=None
        File of the published weights, or safetensors; its folder; or "hf:owner/name" of
        the Hugging Face hub. None draws random weights: the same network without
        training, for comparison.
    sampling_rate : float or None, default=None
        Samples per second of the input, in Hz. None takes that of `ECGRecords`.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or the fastest there is.
    precision : {"float32", "bf16"}, default="float32"
        Number format of the network.
    cache : str, path-like or None, default=None
        Folder for the features. They are found by the content of the ECG, so all folds
        share them. It holds no ECG. None keeps nothing.
    random_state : int, RandomState instance or None, default=0
        Determines random weights.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    weights_digest_ : str
        SHA-256 of the file seen in `fit`, or the seed of the random weights. The file
        is read again when needed, and must be unchanged.
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Warns
    -----
    UserWarning
        Once for each model: licence and citation. Also if some recordings lack leads.

    See Also
    --------
    encoders.foundation_card : Input, licence and source of a model.
    encoders.Encoder : The encoders of this package, which are faster.
    baselines.cox_embedding : A Cox model of the features.

    Notes
    -----
    Missing limb leads are derived from I and II. Other missing leads enter as zero mV,
    with a warning. A recording with half of the leads or fewer raises an error. Files
    are read without running any code in them.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(4, sampling_rate=250, random_state=0)
    >>> twin = encoders.FoundationEncoder("clef-small", sampling_rate=250)
    >>> twin.fit_transform(cohort.X).shape
    (4, 256)
    """

    _parameter_constraints = {
        "weights": [str, PathLike, None],
        "sampling_rate": RATE_LIMITS,
        "device": [str],
        "precision": [StrOptions({"float32", "bf16"})],
        "cache": [str, PathLike, None],
        "random_state": ["random_state"],
        "verbose": [Integral, "boolean"],
    }

    def __init__(
        self,
        name,
        *,
        weights=None,
        sampling_rate=None,
        device="auto",
        precision="float32",
        cache=None,
        random_state=0,
        verbose=0,
    ):
        self.name = name
        self.weights = weights
        self.sampling_rate = sampling_rate
        self.device = device
        self.precision = precision
        self.cache = cache
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Check the parameters and the weights; nothing is learned.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        y : None
            Ignored.

        Returns
        -------
        FoundationEncoder
            This transformer.

        Raises
        ------
        ValueError
            If there is no such model, if the file is of another model, incomplete, or
            contains code, or if the sampling rate is not known.
        FileNotFoundError, OSError
            If there is no such file, or the hub cannot be reached.
        """
        self._validate_params()
        card = foundation_card(self.name)
        records = as_records(X)
        known_rate(self.sampling_rate, records.sampling_rate, type(self).__name__)
        if self.weights is None:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            self.weights_digest_ = f"random weights, seed {seed}"
        else:
            path = weights_path(self.weights, self.name, card)
            self.weights_digest_ = digest_of(path)
        self._network()
        if self.weights is not None:
            _show_licence(self.name, card)
        self.n_leads_in_ = records.shape[1]
        self._n_features_out = card["n_features"]
        return self

    def transform(self, X):
        """Features of the model, averaged over the windows of a recording.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, at least as long as a window. Leads are matched by name.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            Not standardised.

        Raises
        ------
        ValueError
            If X is not in mV, too short, or lacks most leads, or if the file of the
            weights has changed since `fit`.
        """
        check_is_fitted(self)
        card = foundation_card(self.name)
        records = as_records(X)
        rate = known_rate(self.sampling_rate, records.sampling_rate, "this encoder")
        check_amplitude(check_ecg(records.signals))
        features = np.empty((len(records), card["n_features"]), np.float32)
        cache = FeatureCache(self.cache, self._identity())
        batches = range(0, len(records), _AT_ONCE)
        new, absent = {}, []
        for first in tqdm(batches, self.name, disable=not self.verbose, unit="batch"):
            rows = slice(first, first + _AT_ONCE)
            ecgs = leads_of(records[rows], card)
            absent.append(absent_from(ecgs))
            check_leads(absent[-1], self.name, card["leads"], first)
            features[rows], added = self._known_or_new(ecgs, rate, card, cache)
            new |= added
        cache.add(new)
        warn_of_absent(np.concatenate(absent), self.name, card["leads"])
        return features

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _known_or_new(self, ecgs, rate, card, cache):
        """Features (n, n_features) of some ECGs, and new features by key."""
        if cache.path is None:
            return self._computed(ecgs, rate, card), {}
        keys = [cache.key(ecg, rate) for ecg in ecgs]
        missing = [i for i, key in enumerate(keys) if key not in cache.rows]
        new = {}
        if missing:
            computed = self._computed(ecgs[missing], rate, card)
            new = {keys[i]: row for i, row in zip(missing, computed)}
        return np.stack([new[k] if k in new else cache.rows[k] for k in keys]), new

    def _computed(self, ecgs, rate, card):
        """Features (n, n_features) of some ECGs (n, L, T) in the order of the model."""
        windows = torch.from_numpy(prepared(ecgs, rate, card))
        network, device = self._network(), _device(self.device)
        low = self.precision == "bf16"
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=low),
        ):
            found = network(windows.flatten(0, 1).to(device)).float()
        return found.unflatten(0, windows.shape[:2]).mean(1).cpu().numpy()

    def _network(self):
        """Network with its weights, reused from the last call if unchanged."""
        device = str(_device(self.device))
        return _ready(self.name, self.weights, self.weights_digest_, device)

    def _identity(self):
        """Settings that determine the features besides the ECG."""
        return f"{self.name} {self.weights_digest_} {self.precision}"


# Only one, because folds in turn use the same, and several would fill the memory.
@lru_cache(maxsize=1)
def _ready(name, weights, digest, device):
    """A network with random weights or weights of a file, on its device."""
    card = foundation_card(name)
    if weights is None:
        return new_network(card, int(digest.split()[-1])).to(device)
    path = weights_path(weights, name, card)
    if digest_of(path) != digest:
        raise ValueError(
            f"{path} is not the file that was there in `fit`: its SHA-256 differs. Put "
            "it back, or fit again."
        )
    network = new_network(card)
    load_weights(network, path, name, card)
    return network.to(device)


def _device(name):
    """The device of that name, or for "auto" the fastest there is."""
    if name != "auto":
        return torch.device(name)
    fastest = torch.accelerator.current_accelerator(check_available=True)
    return torch.device("cpu") if fastest is None else fastest


def _show_licence(name, card):
    """Warn once of the licence of the weights and their citation."""
    if name in _licences_shown:
        return
    _licences_shown.add(name)
    limit = "" if card["commercial_use"] else " NOT for commercial use."
    warn(
        f"The weights of {name!r} are licensed {card['licence']}.{limit} Cite "
        f"{card['citation']}",
    )

"""The survival estimator."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._baseline import BreslowBaseline, step_functions
from ._training import ECGDataset, encode, seeded, split_by_event, train_net
from ._validation import (
    check_amplitude,
    check_ecg,
    check_same_length,
    check_same_rate,
    check_survival,
    check_training_ecg,
    typical_spread,
)
from .losses import CoxLoss
from .metrics import concordance_index
from .network import RiskNet
from .records import as_records


class DualAttentionSurvival(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Risk of an event over time from raw ECGs, by a dual attention network.

    A Cox model whose log risk is a network: a trunk that sees each lead alone,
    attention over time for each lead, and attention across leads. Several networks
    from different seeds, each with its own validation part, are averaged.

    Parameters
    ----------
    n_channels : int, default=32
        Channels of the trunk and of the lead tokens; a multiple of 4.
    latent_dim : int, default=64
        Latent features of each network.
    lead_attention : bool, default=True
        Whether leads attend to each other.
    temporal_attention : bool, default=True
        Whether the moments of a lead are weighted, rather than averaged.
    ties : {"efron", "breslow"}, default="efron"
        How the partial likelihood treats events at the same time.
    n_members : int, default=1
        Networks that are averaged, each with its log risk standardised first.
    max_epochs : int, default=60
        Passes over the training ECGs at the most.
    patience : int, default=15
        Epochs without a lower validation loss after which training ends. The weights of
        the best epoch are kept.
    validation_fraction : float, default=0.2
        Share of the ECGs, and of the events, that decides when to stop.
    batch_size : int, default=128
        ECGs per step, which is also the size of a risk set. Each batch holds its share
        of the events.
    lr : float, default=0.003
        Highest learning rate of AdamW, after warm-up and before cosine decay.
    weight_decay : float, default=0.01
        Decay of the weights by AdamW.
    dropout : float, default=0.25
        Share of the latent features left out in training, alike for a whole batch.
    crop : float, default=0.5
        Share of each ECG that a training step sees, from a random start; predictions
        use all of it. Use 1.0 for recordings of a single beat.
    lead_masking : float, default=0.2
        Probability with which training takes a lead for absent, in half of the ECGs.
    callbacks : list of skorch callbacks or None, default=None
        Called during training, as copies, beside those of the estimator itself.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or the fastest there is.
    verbose : int, default=0
        1 shows a progress bar for each network.
    random_state : int, RandomState instance or None, default=None
        Decides everything, bit for bit on CPU with the same number of threads.

    Attributes
    ----------
    nets_ : list of ECGNet
        The fitted networks, as skorch nets.
    baseline_ : BreslowBaseline
        The baseline hazard.
    leads_in_ : tuple of str
        Leads seen in `fit`.
    n_leads_in_, n_times_in_ : int
        Number of leads and of samples seen in `fit`.
    sampling_rate_in_ : float or None
        Sampling rate seen in `fit`, in Hz, where the ECGs told it.
    member_means_, member_scales_ : ndarray of shape (n_members,)
        Mean and standard deviation of each network's log risks over the training ECGs.

    References
    ----------
    Chen et al. (2025), "Large language model-informed ECG dual attention network for
    heart failure risk prediction", IEEE Transactions on Big Data.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(
    ...     60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    ... )
    >>> model = DualAttentionSurvival(max_epochs=2, random_state=0)
    >>> model.fit(cohort.X, cohort.y).predict(cohort.X).shape
    (60,)
    """

    _parameter_constraints = {
        "n_channels": [Interval(Integral, 4, None, closed="left")],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "lead_attention": ["boolean"],
        "temporal_attention": ["boolean"],
        "ties": [StrOptions({"efron", "breslow"})],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "crop": [Interval(Real, 0, 1, closed="right")],
        "lead_masking": [Interval(Real, 0, 1, closed="left")],
        "callbacks": [list, None],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        # architecture
        n_channels=32,
        latent_dim=64,
        lead_attention=True,
        temporal_attention=True,
        # objective
        ties="efron",
        # optimisation
        n_members=1,
        max_epochs=60,
        patience=15,
        validation_fraction=0.2,
        batch_size=128,
        lr=3e-3,
        weight_decay=1e-2,
        dropout=0.25,
        crop=0.5,
        lead_masking=0.2,
        # runtime
        callbacks=None,
        device="auto",
        verbose=0,
        random_state=None,
    ):
        self.n_channels = n_channels
        self.latent_dim = latent_dim
        self.lead_attention = lead_attention
        self.temporal_attention = temporal_attention
        self.ties = ties
        self.n_members = n_members
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.crop = crop
        self.lead_masking = lead_masking
        self.callbacks = callbacks
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y):
        """Train the networks, then estimate the baseline hazard.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV. An array holds the twelve leads of `records.LEADS`; a lead that
            is NaN throughout is absent.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`; times in days.

        Returns
        -------
        DualAttentionSurvival
            The estimator itself.

        Raises
        ------
        ValueError
            If `X` or `y` is not as described, or too few events are there.
        FloatingPointError
            If the loss becomes non-finite.
        """
        self._validate_params()
        records = as_records(X)
        X = check_ecg(records.signals)
        check_training_ecg(X, records.leads)
        event, time = check_survival(y)
        check_same_length(X, y)
        self.leads_in_, self.sampling_rate_in_ = records.leads, records.sampling_rate
        _, self.n_leads_in_, self.n_times_in_ = X.shape
        # Ranks are exact in float32, times are not: close times would become ties.
        target = np.column_stack([event, np.unique(time, return_inverse=True)[1]])
        with seeded(self.random_state):
            self.nets_ = self._train_members(X, target.astype(np.float32))
        log_risks = self._member_log_risks(X)
        self.member_means_ = log_risks.mean(1)
        self.member_scales_ = np.maximum(log_risks.std(1), np.finfo(np.float32).tiny)
        self.baseline_ = BreslowBaseline().fit(self._average(log_risks), event, time)
        return self

    def predict(self, X):
        """Log risk of each ECG: higher means an earlier event.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, as long as those seen in `fit`. Named leads are matched by name;
            those that are missing count as absent.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log hazard relative to the mean of the training ECGs.
        """
        return self._average(self._member_log_risks(self._checked(X)))

    def predict_cumulative_hazard_function(self, X, return_array=False):
        """Cumulative hazard of each ECG over time.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        return_array : bool, default=False
            Whether to return an array over `unique_times_`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_unique_times)
            Step functions of time, or their values at `unique_times_`. A step function
            is 0 before the first event and holds its value past the last.
        """
        hazard = self.baseline_.cumulative_hazard(self.predict(X))
        if return_array:
            return hazard
        return step_functions(self.unique_times_, hazard, start=0)

    def predict_survival_function(self, X, return_array=False):
        """Probability of no event up to each time.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        return_array : bool, default=False
            Whether to return an array over `unique_times_`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_unique_times)
            Step functions of time, or their values at `unique_times_`. A step function
            is 1 before the first event and holds its value past the last.
        """
        survival = np.exp(
            -self.predict_cumulative_hazard_function(X, return_array=True)
        )
        return survival if return_array else self._step_functions(survival, start=1.0)

    def score(self, X, y):
        """Concordance index (Harrell's C) of the predicted log risks.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        y : structured array of shape (n_samples,)
            Fields (event, time).

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance.
        """
        return concordance_index(y, self.predict(X))

    def transform(self, X):
        """Latent features, those of several networks side by side.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples, n_members * latent_dim)
            Features that the linear heads weigh.
        """
        X = self._checked(X)
        return np.hstack([encode(net, ECGDataset(X)) for net in self.nets_])

    @property
    def net_(self):
        """The fitted skorch net, the first of several."""
        return self.nets_[0]

    @property
    def network_(self):
        """The fitted torch module, the first of several."""
        return self.net_.module_

    @property
    def history_(self):
        """Losses and durations of each epoch, of the first network if several."""
        return self.net_.history

    @property
    def unique_times_(self):
        """Distinct event times seen in `fit`, where the predicted curves step."""
        return self.baseline_.times_

    @property
    def _n_features_out(self):
        return len(self.nets_) * self.latent_dim

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _train_members(self, X, target):
        """Networks from different seeds, each with its own validation part."""
        nets = []
        for _ in range(self.n_members):
            nets.append(self._train(X, target))
            if nets[-1].interrupted_:
                warnings.warn(_interruption(nets, self.n_members), stacklevel=3)
                break
        return nets

    def _train(self, X, target):
        """One network."""
        training, validation = split_by_event(
            target[:, 0], self.validation_fraction, self.batch_size
        )
        return train_net(
            RiskNet,
            CoxLoss,
            ECGDataset(X, target, training),
            ECGDataset(X, target, validation),
            module__n_leads=self.n_leads_in_,
            module__n_channels=self.n_channels,
            module__latent_dim=self.latent_dim,
            module__lead_attention=self.lead_attention,
            module__temporal_attention=self.temporal_attention,
            module__dropout=self.dropout,
            module__scale=typical_spread(X),
            criterion__ties=self.ties,
            max_epochs=self.max_epochs,
            patience=self.patience,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            crop=self.crop,
            lead_masking=self.lead_masking,
            callbacks=self.callbacks,
            device=self.device,
            verbose=self.verbose,
        )

    def _checked(self, X):
        """Signals with the leads and the length seen in `fit`."""
        check_is_fitted(self)
        records = as_records(X)
        check_same_rate(records.sampling_rate, self.sampling_rate_in_)
        X = check_ecg(records.select_leads(self.leads_in_).signals)
        if X.shape[2] != self.n_times_in_:
            raise ValueError(
                f"X has {X.shape[2]} samples per lead, but the model was fitted with "
                f"{self.n_times_in_}. Resample, crop or pad X to that length."
            )
        check_amplitude(X)
        return X

    def _member_log_risks(self, X):
        """Log risks of shape (n_members, n_samples), each on its own scale."""
        return np.stack([net.predict(ECGDataset(X)) for net in self.nets_])

    def _average(self, log_risks):
        """The mean of the standardised log risks, on the members' typical scale."""
        log_risks = log_risks.astype(np.float64)
        centred = log_risks - self.member_means_[:, None]
        standardised = centred / self.member_scales_[:, None]
        return standardised.mean(0) * self.member_scales_.mean()


def _interruption(nets, n_members):
    """What Ctrl-C left."""
    n_epochs = len(nets[-1].history) - 1
    return (
        f"Training was interrupted in epoch {n_epochs + 1} of network {len(nets)} of "
        f"{n_members}: the best weights so far are kept, and no further network is "
        "trained."
    )

"""The survival estimator."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sksurv.util import Surv

from ._curves import SurvivalCurves
from ._ecg_input import ECGInput
from ._likelihoods import DISCRETE, PROPORTIONAL, likelihood_of
from ._members import train_members
from ._outcomes import check_causes, check_known_causes, check_outcome
from ._training import ECGDataset, encode, seeded, train_net
from ._validation import check_same_length, typical_spread
from .losses import SurvivalLoss
from .metrics import CensoringKaplanMeier, concordance_index
from .network import RiskNet


class DualAttentionSurvival(
    SurvivalCurves,
    ECGInput,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
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
    loss : str, default="cox"
        Partial likelihood of Cox: "cox", or with competing risks "cause-specific".
        Discrete time: "logistic-hazard", "deephit", or with competing risks
        "discrete-competing". See `ecgdan_sk.losses`.
    ties : {"efron", "breslow"}, default="efron"
        How a partial likelihood treats events at the same time.
    n_intervals : int, default=20
        Intervals of discrete time, between quantiles of the event times.
    baseline : {"train", "validation"}, default="train"
        Whose log risks the baseline hazard of a Cox model is estimated from: those of
        all training ECGs, or those of the ECGs kept for validation, for which a network
        is not overfitted. Discrete time needs no baseline.
    n_members : int, default=3
        Networks that are averaged, each with its log risk standardised first.
    max_epochs : int, default=40
        Passes over the training ECGs at the most.
    patience : int, default=12
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
    likelihood_ : ProportionalHazards or DiscreteTime
        What makes hazards of the networks' outputs, with `baseline_` or `cut_points_`.
    censoring_ : CensoringKaplanMeier
        Distribution of the censoring times, for `survival_scorers`.
    follow_up_ : float
        Longest time seen in `fit`.
    leads_in_ : tuple of str
        Leads seen in `fit`.
    n_leads_in_, n_times_in_ : int
        Number of leads and of samples seen in `fit`.
    sampling_rate_in_ : float or None
        Sampling rate seen in `fit`, in Hz, where the ECGs told it.

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
        "loss": [StrOptions({*PROPORTIONAL, *DISCRETE})],
        "ties": [StrOptions({"efron", "breslow"})],
        "n_intervals": [Interval(Integral, 1, None, closed="left")],
        "baseline": [StrOptions({"train", "validation"})],
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
        loss="cox",
        ties="efron",
        n_intervals=20,
        baseline="train",
        # optimisation
        n_members=3,
        max_epochs=40,
        patience=12,
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
        self.loss = loss
        self.ties = ties
        self.n_intervals = n_intervals
        self.baseline = baseline
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

    def fit(self, X, y, *, sample_weight=None, strata=None, entry=None):
        """Train the networks, then estimate the baseline hazard.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV. An array holds the twelve leads of `records.LEADS`; a lead that
            is NaN throughout is absent.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`; times in days. With a
            loss for competing risks the event holds 0 (censored), 1, 2, ...; 1 is the
            cause of interest, which `predict` and `score` speak of.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, such as its hospital, with a baseline hazard of its
            own. For Cox losses.
        entry : array-like of shape (n_samples,) or None, default=None
            Time after which each sample is at risk (left truncation), such as the age
            at the ECG where time is age. For Cox losses.

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
        X = self._learn_input(X)
        check_same_length(X, y)
        outcome = check_outcome(
            y, sample_weight=sample_weight, strata=strata, entry=entry
        )
        likelihood = likelihood_of(
            self.loss, outcome, ties=self.ties, n_intervals=self.n_intervals
        )
        with seeded(self.random_state):
            self.nets_, unseen = train_members(
                partial(self._train, typical_spread(X), likelihood),
                X,
                likelihood.target(outcome),
                n_members=self.n_members,
                validation_fraction=self.validation_fraction,
                batch_size=self.batch_size,
            )
        unseen = unseen if self.baseline == "validation" else None
        self.likelihood_ = likelihood.fit(self._outputs(X), outcome, unseen)
        self.censoring_ = CensoringKaplanMeier().fit(outcome.causes, outcome.time)
        self.follow_up_ = float(outcome.time.max())
        return self

    def predict(self, X):
        """Log risk of each ECG: higher means an earlier event, of the first cause.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, as long as those seen in `fit`. Named leads are matched by name;
            those that are missing count as absent.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log hazard relative to the mean of the training ECGs; in discrete time, of
            the cumulative hazard averaged over the intervals.
        """
        return self.likelihood_.log_risk(self._outputs(self._check_input(X)))

    def score(self, X, y, *, sample_weight=None, strata=None):
        """Concordance index (Harrell's C) of the log risks; other causes are censored.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        y : structured array of shape (n_samples,)
            Fields (event, time).
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample; only those of one stratum are compared.

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance.
        """
        causes, time = check_causes(y)
        log_risk = self.predict(X)
        check_known_causes(causes, self.likelihood_.n_causes)
        return concordance_index(
            Surv.from_arrays(causes == 1, time),
            log_risk,
            sample_weight=sample_weight,
            strata=strata,
        )

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
        X = self._check_input(X)
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
    def baseline_(self):
        """The baseline hazards of a Cox model."""
        return self.likelihood_.baseline_

    @property
    def unique_times_(self):
        """Distinct event times seen in `fit`, at which the curves are given."""
        return self.likelihood_.times_

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

    def _train(self, scale, likelihood, training, validation):
        """One network, for ECGs of about that scale."""
        criterion = {f"criterion__{k}": v for k, v in likelihood.loss.items()}
        return train_net(
            RiskNet,
            SurvivalLoss,
            training,
            validation,
            module__n_leads=self.n_leads_in_,
            module__n_outputs=likelihood.n_outputs,
            module__n_channels=self.n_channels,
            module__latent_dim=self.latent_dim,
            module__lead_attention=self.lead_attention,
            module__temporal_attention=self.temporal_attention,
            module__dropout=self.dropout,
            module__scale=scale,
            **criterion,
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

    def _outputs(self, X):
        """Outputs of the networks, of shape (n_members, n_samples, n_outputs)."""
        outputs = [net.predict(ECGDataset(X)) for net in self.nets_]
        return np.stack(outputs).reshape(len(outputs), len(X), -1)

    def _cumulative_hazards(self, X, times, strata):
        """Cumulative hazards (n_samples, n_causes, n_times), for `SurvivalCurves`."""
        outputs = self._outputs(self._check_input(X))
        return self.likelihood_.cumulative_hazards(outputs, times, strata)

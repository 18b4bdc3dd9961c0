"""The survival estimator."""

from collections.abc import Mapping
from numbers import Integral, Real
from os import PathLike
from time import perf_counter
from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from sksurv.util import Surv

from .._architectures import ARCHITECTURES, Architecture, architecture_of
from .._hazards import DISCRETE, PROPORTIONAL, likelihood_of
from .._hazards._covariates import CovariateCox
from .._hazards._curves import SurvivalCurves
from .._outcomes import (
    check_causes,
    check_known_causes,
    check_outcome,
    check_same_length,
)
from .._training import encode, net_outputs, seeded
from ..encoders._start import starting_architecture
from ..metrics import CensoringKaplanMeier, concordance_index
from ..records._input import ECGInput
from ..records._records import as_records
from ._exporting import Exporting
from ._fitting import mean_coef, split_seeds, train_networks, validation_part
from ._saving import Saving, check_finite_fit
from ._summary import Summarised, fitted_to, validated


class DualAttentionSurvival(
    Summarised,
    Saving,
    Exporting,
    SurvivalCurves,
    ECGInput,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Risk of an event over time from raw ECGs, by a dual attention network.

    A network gives the log risk of a Cox model. It has a trunk that sees each lead
    alone, attention over time within each lead, and attention across leads. The log
    risks of several networks, each with its own seed and validation part, are averaged.

    Parameters
    ----------
    architecture : {"compact", "paper"} or Architecture, default="compact"
        The network, by name or as an object such as `Compact(n_channels=16)`; see
        `ecgdan_sk.architectures`. "paper" needs twelve leads and ECGs of one length.
    covariates : sequence of str or None, default=None
        Columns of `ECGRecords.covariates`, such as age and sex. A Cox model of these
        columns is fitted first; the network learns the risk that it does not explain,
        and the coefficients are trained further with it. Only for Cox losses.
    loss : str, default="cox"
        Cox partial likelihood: "cox"; with competing risks "cause-specific". Discrete
        time: "logistic-hazard" or "deephit"; with competing risks "discrete-competing".
        See `ecgdan_sk.losses`.
    pretrained : str, mapping, path or None, default=None
        Pretrained encoder to start from: a name in `encoders.names()`, "hf:owner/name"
        of the Hugging Face hub, `encoder_weights_` of a fitted `ECGReportPretrainer`,
        or a file written by its `save_encoder`. An `architecture` given by name takes
        the settings of the encoder. With a Cox loss, the heads start from a ridge Cox
        model of the encoder's features, with the covariates beside them. This start is
        kept if no epoch is better; with fewer than 30 events it is always kept, unless
        `max_epochs` or `lr` is given.
    freeze_encoder : bool or int, default=False
        True keeps the encoders fixed, with their statistics and without dropout, and
        trains only the heads. A number n unfreezes one more stage of the encoders after
        every n epochs, from the latent features down to the trunk.
    n_members : int, default=3
        Number of networks; their log risks are averaged.
    max_epochs : int or None, default=None
        Largest number of passes over the training ECGs. None means 40; from a
        pretrained encoder 12, or 4 if the heads start from a ridge Cox model.
    batch_size : int, default=128
        ECGs per step, the size of a risk set. Each batch holds its share of events.
    lr : float or None, default=None
        Highest learning rate of AdamW. None means 0.003; from a pretrained encoder
        0.001, or 0.002 if the heads start from a ridge Cox model.
    device : str, default="auto"
        "cpu", "cuda" or "mps"; "auto" takes the fastest that is available.
    verbose : int, default=0
        1 shows a progress bar for each network.
    random_state : int, RandomState instance or None, default=None
        Seed. An int gives equal results on a CPU with the same number of threads.

    Other Parameters
    ----------------
    ties : {"efron", "breslow"}, default="efron"
        Treatment of events at the same time in a partial likelihood.
    n_intervals : int, default=20
        Number of intervals of discrete time, between quantiles of the event times.
    baseline : {"train", "validation"}, default="train"
        ECGs for the baseline hazard of a Cox model: all training ECGs, or the ECGs kept
        for validation, whose log risks are not overfitted. "validation" keeps the same
        ECGs for all networks.
    reconstruction_weight : float, default=0.0
        Weight of an auxiliary loss: a decoder restores the ECGs (mean squared error).
    recipe : {"default", "paper"}, default="default"
        "default": learning rate with warm-up and cosine decay, gradients clipped to a
        norm of 5, best epoch by the validation loss. "paper", as published: a constant
        rate, a norm of 100, best epoch by the concordance.
    patience : int, default=12
        Training ends after this many epochs without improvement. The weights of the
        best epoch are kept.
    validation_fraction : float, default=0.2
        Share of the ECGs, and of the events of each cause, for validation: they decide
        when training stops. All ECGs of a patient are on one side.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    dropout : float, default=0.25
        Share of the latent features dropped in training, the same for a whole batch.
    crop : float or None, default=None
        Share of each ECG that a training step sees, from a random start; predictions
        use the whole ECG. Use 1.0 for recordings of a single beat. None takes the value
        of the architecture: 0.5, or 1.0 for "paper".
    lead_masking : float or "paper", default=0.2
        Probability that training hides a lead, in half of the ECGs. "paper" reduces
        every second batch to one of five subsets of the twelve leads.
    micro_batch_size : int or None, default=None
        Number of ECGs in memory at once, if a batch does not fit. The loss of the batch
        stays exact; a step takes about 50 % more time. None takes whole batches.
    precision : {"float32", "bf16"}, default="float32"
        Number format of the networks; losses are in float32.
    warm_start : bool, default=False
        Whether a new `fit` continues from the networks of the last one.
    callbacks : list of skorch callbacks or None, default=None
        Additional callbacks for training; copies of them are called.
    checkpoint_dir : path or None, default=None
        Folder for the state of the training after each epoch. If a `fit` was killed,
        call it again with the same data and settings: it continues from there, and the
        result is the same bit for bit. Needs `random_state`.

    Attributes
    ----------
    nets_ : list of ECGNet
        The fitted networks, as skorch nets.
    split_seeds_ : list of int
        Seed of the validation part of each network; a warm start keeps them.
    likelihood_ : ProportionalHazards or DiscreteTime
        Outputs of the networks to hazards, with `baseline_` or `cut_points_`.
    covariates_ : CovariateCox or None
        The linear part of the log risk; its `coef_` are adjusted for the ECG.
    censoring_ : CensoringKaplanMeier
        Distribution of the censoring times, for `survival_scorers`.
    follow_up_ : float
        Longest time seen in `fit`.
    fitted_to_, validation_ : dict
        Cohort, and validation of each network, as `summary` shows them.
    architecture_ : Architecture
        The network; if `pretrained` was given, with the settings of that encoder.
    leads_in_ : tuple of str
        Leads seen in `fit`.
    n_leads_in_, n_times_in_ : int
        Number of leads and of samples seen in `fit`.
    sampling_rate_in_ : float or None
        Sampling rate seen in `fit`, in Hz; None if the ECGs had none.

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

    # Tells metadata routing to pass `groups` on wherever they are given.
    __metadata_request__fit: ClassVar = {"groups": True}

    _parameter_constraints = {
        "architecture": [StrOptions({*ARCHITECTURES}), Architecture],
        "covariates": ["array-like", None],
        "loss": [StrOptions({*PROPORTIONAL, *DISCRETE})],
        "pretrained": [Mapping, str, PathLike, None],
        "freeze_encoder": ["boolean", Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither"), None],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "ties": [StrOptions({"efron", "breslow"})],
        "n_intervals": [Interval(Integral, 1, None, closed="left")],
        "baseline": [StrOptions({"train", "validation"})],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "recipe": [StrOptions({"default", "paper"})],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "crop": [Interval(Real, 0, 1, closed="right"), None],
        "lead_masking": [Interval(Real, 0, 1, closed="left"), StrOptions({"paper"})],
        "micro_batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "precision": [StrOptions({"float32", "bf16"})],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "checkpoint_dir": [str, PathLike, None],
    }

    def __init__(
        self,
        *,
        # what everyone sets: network and objective
        architecture="compact",
        covariates=None,
        loss="cox",
        pretrained=None,
        freeze_encoder=False,
        # what everyone sets: training
        n_members=3,
        max_epochs=None,
        batch_size=128,
        lr=None,
        device="auto",
        verbose=0,
        random_state=None,
        # the rest: objective
        ties="efron",
        n_intervals=20,
        baseline="train",
        reconstruction_weight=0.0,
        # the rest: training
        recipe="default",
        patience=12,
        validation_fraction=0.2,
        weight_decay=1e-2,
        dropout=0.25,
        crop=None,
        lead_masking=0.2,
        # the rest: runtime
        micro_batch_size=None,
        precision="float32",
        warm_start=False,
        callbacks=None,
        checkpoint_dir=None,
    ):
        self.architecture = architecture
        self.covariates = covariates
        self.loss = loss
        self.pretrained = pretrained
        self.freeze_encoder = freeze_encoder
        self.n_members = n_members
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.verbose = verbose
        self.random_state = random_state
        self.ties = ties
        self.n_intervals = n_intervals
        self.baseline = baseline
        self.reconstruction_weight = reconstruction_weight
        self.recipe = recipe
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.crop = crop
        self.lead_masking = lead_masking
        self.micro_batch_size = micro_batch_size
        self.precision = precision
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir

    @classmethod
    def paper(cls, cohort_size, *, pretrained=None, **changes):
        """The published network with its training recipe.

        Reconstruction and Cox loss in equal parts, subsets of leads per batch, a
        constant learning rate, and the epoch with the highest concordance on a fifth of
        the ECGs. For median beats of 600 samples at 500 Hz; other lengths are padded.

        Parameters
        ----------
        cohort_size : int
            Number of training ECGs. The paper has risk sets of 128 for 800 patients,
            and of 1,024 for 11,575 patients; here 1,024 are used from 4,096 ECGs on.
        pretrained : mapping, path or None, default=None
            As for the estimator. Training has 100 epochs with it, and 400 without.
        **changes : dict
            Other parameters of the estimator, such as `random_state`.

        Returns
        -------
        DualAttentionSurvival
            Not yet fitted.

        References
        ----------
        Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960. The published
        learning rate finder is left out, because its result was never used.

        Examples
        --------
        >>> from ecgdan_sk import DualAttentionSurvival
        >>> DualAttentionSurvival.paper(800).max_epochs
        400
        """
        epochs = 400 if pretrained is None else 100
        recipe = {
            "architecture": "paper",
            "ties": "breslow",
            "reconstruction_weight": 1.0,
            "pretrained": pretrained,
            "n_members": 1,
            "max_epochs": epochs,
            "patience": epochs,
            "recipe": "paper",
            "batch_size": 128 if cohort_size < 4096 else 1024,
            "lr": 1e-4,
            "lead_masking": "paper",
        }
        return cls(**(recipe | changes))

    def fit(self, X, y, *, sample_weight=None, strata=None, entry=None, groups=None):
        """Train the networks, then estimate the baseline hazard.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV. An array holds the twelve leads of `records.LEADS`; a lead that
            is all NaN is absent.
        y : structured array or DataFrame of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`, or two columns of a
            table; times in days, as numbers or timedeltas. `outcomes.from_table` makes
            `y` from dates and words. With a loss for competing risks the event holds 0
            (censored), 1, 2, ...; `predict` and `score` are for cause 1.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, such as its hospital. Each stratum has its own
            baseline hazard. Only for Cox losses.
        entry : array-like of shape (n_samples,) or None, default=None
            Time at which each sample comes under observation (left truncation), such as
            the age at the ECG if time is age. Only for Cox losses.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each ECG. All ECGs of a patient go to one side of the validation
            split. None takes the `patient_ids` of `X`; if there are none, each ECG
            counts as a patient.

        Returns
        -------
        DualAttentionSurvival
            The estimator itself.

        Raises
        ------
        ValueError
            If `X` or `y` is not as described, or if there are too few events.
        FloatingPointError
            If the loss or a learned value is not finite. The message names ECGs with
            unusual amplitudes.

        Warns
        -----
        UserWarning
            If times look like years or months.
        """
        start = perf_counter()
        self._validate_params()
        self.architecture_ = starting_architecture(self)
        records = as_records(X)
        y, sample_weight, strata, entry, groups = self._aligned(
            records,
            y=y,
            sample_weight=sample_weight,
            strata=strata,
            entry=entry,
            groups=groups,
        )
        patients = self._patients(records, groups)
        X = self._learn_input(records)
        check_same_length(X, y)
        outcome = check_outcome(
            y, sample_weight=sample_weight, strata=strata, entry=entry
        )
        likelihood = likelihood_of(
            self.loss,
            outcome,
            ties=self.ties,
            n_intervals=self.n_intervals,
            has_covariates=self.covariates is not None,
        )
        target, self.covariates_ = self._target(records, likelihood, outcome)
        with seeded(self.random_state, alike=True):
            self.split_seeds_ = split_seeds(self)
            self.nets_ = train_networks(
                self, X, target, likelihood, patients, self.split_seeds_
            )
        if self.covariates is not None:
            self.covariates_.coef_ = mean_coef(self.nets_)
        unseen = None
        if self.baseline == "validation":
            seed = self.split_seeds_[0]
            unseen = validation_part(self, seed, outcome.causes, patients)[1]
        outputs = self._outputs(X, records)
        self.likelihood_ = likelihood.fit(outputs, outcome, unseen)
        self.validation_ = validated(self, likelihood, outputs, outcome, patients)
        self.censoring_ = CensoringKaplanMeier().fit(
            outcome.causes, outcome.time, outcome.entry
        )
        self.follow_up_ = float(outcome.time.max())
        self.fitted_to_ = fitted_to(outcome, patients, perf_counter() - start)
        check_finite_fit(self, X)
        return self

    def predict(self, X):
        """Log risk of each ECG, for the first cause: higher means an earlier event.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, of the same length as in `fit`. Leads are matched by name;
            missing leads count as absent.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log hazard relative to the mean of the training ECGs. In discrete time, the
            log of the cumulative hazard averaged over the intervals.
        """
        check_is_fitted(self)
        records = as_records(X)
        X = self._check_input(records)
        return self.likelihood_.log_risk(self._outputs(X, records))

    def score(self, X, y, *, sample_weight=None, strata=None, entry=None):
        """Harrell's concordance index of the log risks; other causes count as censored.

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
        entry : array-like of shape (n_samples,) or None, default=None
            Start of observation of each sample; only samples at risk together are
            compared. None means 0.

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance.
        """
        check_is_fitted(self)
        y, sample_weight, strata, entry = self._aligned(
            X, y=y, sample_weight=sample_weight, strata=strata, entry=entry
        )
        causes, time = check_causes(y)
        log_risk = self.predict(X)
        check_known_causes(causes, self.likelihood_.n_causes)
        return concordance_index(
            Surv.from_arrays(causes == 1, time),
            log_risk,
            sample_weight=sample_weight,
            strata=strata,
            entry=entry,
        )

    def transform(self, X):
        """Latent features of all networks, side by side.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples, n_members * latent_dim)
            Features, from which the linear heads compute the log risks.
        """
        check_is_fitted(self)
        return np.hstack(encode(self.nets_, self._check_input(X)))

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
        """Losses and durations of each epoch, for the first network."""
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
        return len(self.nets_) * architecture_of(self).latent_dim

    def _target(self, records, likelihood, outcome):
        """Columns for the loss, and the start of the covariates, if there are any."""
        target = likelihood.target(outcome)
        if self.covariates is None:
            return target, None
        model = CovariateCox(self.covariates).fit(records, target, likelihood.loss)
        if self.warm_start:
            model.go_on_from(getattr(self, "covariates_", None))
        return np.hstack([target, model.design(records).astype(np.float32)]), model

    def _outputs(self, X, records):
        """Outputs (n_members, n_samples, n_outputs), with those of the covariates."""
        added = self.covariates_.log_risks(records) if self.covariates_ else 0.0
        return net_outputs(self.nets_, X) + added

    def _cumulative_hazards(self, X, times, strata):
        """Cumulative hazards (n_samples, n_causes, n_times), for `SurvivalCurves`."""
        records = as_records(X)
        outputs = self._outputs(self._check_input(records), records)
        return self.likelihood_.cumulative_hazards(outputs, times, strata)

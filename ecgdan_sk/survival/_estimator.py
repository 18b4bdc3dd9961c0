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

    A Cox model whose log risk is a network: a trunk that sees each lead alone,
    attention over time for each lead, and attention across leads. Several networks
    from different seeds, each with its own validation part, are averaged.

    Parameters
    ----------
    architecture : {"compact", "paper"} or Architecture, default="compact"
        The network: by its name, or as an object with parameters of its own, such as
        `Compact(n_channels=16)`. See `ecgdan_sk.architectures`. "paper" needs twelve
        leads and fits one length.
    covariates : sequence of str or None, default=None
        Columns of `ECGRecords.covariates`, such as age and sex, that enter the log risk
        linearly beside the network. Their coefficients start at the Cox model without
        the ECG and are trained with the network. For Cox losses.
    loss : str, default="cox"
        Partial likelihood of Cox: "cox", or with competing risks "cause-specific".
        Discrete time: "logistic-hazard", "deephit", or with competing risks
        "discrete-competing". See `ecgdan_sk.losses`.
    pretrained : str, mapping, path or None, default=None
        Where the encoders start: the name of one of `encoders.names()`, "hf:owner/name"
        of the Hugging Face hub, `encoder_weights_` of a fitted `ECGReportPretrainer`,
        or the file that its `save_encoder` wrote. An architecture given by name takes
        the settings of the encoder. For Cox losses without covariates the heads start
        at the ridge Cox model of its features. It is kept if no epoch is better, or of
        fewer than 30 events, unless `max_epochs` or `lr` is given.
    freeze_encoder : bool or int, default=False
        With True the encoders stay as they start, with their statistics and without
        dropout, so that the heads alone are trained. A number of epochs after which one
        more stage of them is trained along, from their latent features down to their
        trunk.
    n_members : int, default=3
        Networks whose log risks are averaged.
    max_epochs : int or None, default=None
        Passes over the training ECGs at the most. None means 40; from a pretrained
        encoder 12, and 4 if the heads start at the ridge Cox model.
    batch_size : int, default=128
        ECGs per step, which is also the size of a risk set. Each batch holds its share
        of the events.
    lr : float or None, default=None
        Highest learning rate of AdamW. None means 0.003; from a pretrained encoder
        0.001, and 0.002 if the heads start at the ridge Cox model.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or the fastest there is.
    verbose : int, default=0
        1 shows a progress bar for each network.
    random_state : int, RandomState instance or None, default=None
        Decides everything, bit for bit on CPU with the same number of threads.
    ties : {"efron", "breslow"}, default="efron"
        How a partial likelihood treats events at the same time. This, and what follows,
        few have to set.
    n_intervals : int, default=20
        Intervals of discrete time, between quantiles of the event times.
    baseline : {"train", "validation"}, default="train"
        Whose log risks the baseline hazard of a Cox model is estimated from: those of
        all training ECGs, or those of the ECGs kept for validation, then the same for
        all networks, for which they are not overfitted. Discrete time needs no
        baseline.
    reconstruction_weight : float, default=0.0
        Weight of an auxiliary loss: the mean squared error with which a decoder
        restores the ECGs from what cropping and masking left.
    recipe : {"default", "paper"}, default="default"
        "default" warms the learning rate up and lets it fall along a cosine, clips
        gradients to a norm of 5, and chooses the best epoch by the validation loss.
        "paper", as published: a constant rate, a norm of 100, and the concordance.
    patience : int, default=12
        Epochs without a better one after which training ends. The weights of the best
        epoch are kept.
    validation_fraction : float, default=0.2
        Share of the ECGs, and of the events of each cause, that decides when to stop.
        No patient has ECGs on both sides.
    weight_decay : float, default=0.01
        Decay of the weights by AdamW.
    dropout : float, default=0.25
        Share of the latent features left out in training, alike for a whole batch.
    crop : float or None, default=None
        Share of each ECG that a training step sees, from a random start; predictions
        use all of it. Use 1.0 for recordings of a single beat. None means what the
        architecture says: 0.5, and 1.0 for the published network.
    lead_masking : float or "paper", default=0.2
        Probability with which training takes a lead for absent, in half of the ECGs;
        "paper" leaves every second batch one of five subsets of the twelve leads.
    micro_batch_size : int or None, default=None
        ECGs that are in memory at once in a step, where a risk set is larger: its loss
        stays exact, for half more time. None takes whole batches.
    precision : {"float32", "bf16"}, default="float32"
        Numbers in which the networks compute; losses are in float32.
    warm_start : bool, default=False
        Whether a further `fit` goes on from the networks of the last one.
    callbacks : list of skorch callbacks or None, default=None
        Called during training, as copies, beside those of the estimator itself.
    checkpoint_dir : path or None, default=None
        Folder in which the state of the training is kept after each epoch. A `fit` that
        was killed goes on from there when it is called again with the same data and
        settings, and ends bit for bit where an unbroken one ends. Needs `random_state`.

    Attributes
    ----------
    nets_ : list of ECGNet
        The fitted networks, as skorch nets.
    split_seeds_ : list of int
        For each network the seed of its validation part, which a warm start keeps.
    likelihood_ : ProportionalHazards or DiscreteTime
        What makes hazards of the networks' outputs, with `baseline_` or `cut_points_`.
    covariates_ : CovariateCox or None
        The linear part of the log risk, with its `coef_` given the ECG.
    censoring_ : CensoringKaplanMeier
        Distribution of the censoring times, for `survival_scorers`.
    follow_up_ : float
        Longest time seen in `fit`.
    fitted_to_, validation_ : dict
        What `summary` tells of the cohort and of each network's validation.
    architecture_ : Architecture
        The network, with the settings of a pretrained encoder if it was named.
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

        Reconstruction beside the Cox loss in equal parts, subsets of leads per batch,
        a constant learning rate, the epoch of the highest concordance on a fifth of the
        ECGs. For median beats of 600 samples at 500 Hz; other lengths are padded.

        Parameters
        ----------
        cohort_size : int
            ECGs to train on: risk sets of 128 are published for 800 patients, of 1,024
            for 11,575; from 4,096 on the larger are taken.
        pretrained : mapping, path or None, default=None
            As for the estimator; 100 epochs follow, otherwise 400.
        **changes : dict
            Parameters of the estimator that differ, such as `random_state`.

        Returns
        -------
        DualAttentionSurvival
            Not yet fitted.

        References
        ----------
        Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960. The published
        learning rate finder is left out: what it found was never used.

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
            is NaN throughout is absent.
        y : structured array or DataFrame of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`, or two columns of a
            table; times in days, as numbers or timedeltas. `outcomes.from_table` makes
            `y` of dates and words. With a loss for competing risks the event holds 0
            (censored), 1, 2, ...; 1 is the cause of interest, which `predict` and
            `score` speak of.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample.
        strata : array-like of shape (n_samples,) or None, default=None
            Stratum of each sample, such as its hospital, with a baseline hazard of its
            own. For Cox losses.
        entry : array-like of shape (n_samples,) or None, default=None
            Time after which each sample is at risk (left truncation), such as the age
            at the ECG where time is age. For Cox losses.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each ECG; those of one patient go to one side of the validation
            split. None takes the `patient_ids` of `X`, if it is an ECGRecords that has
            them; else each ECG counts as a patient.

        Returns
        -------
        DualAttentionSurvival
            The estimator itself.

        Raises
        ------
        ValueError
            If `X` or `y` is not as described, or too few events are there.
        FloatingPointError
            If the loss, or anything learned, becomes non-finite; it names the ECGs
            whose amplitudes stand out.

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
        check_is_fitted(self)
        records = as_records(X)
        X = self._check_input(records)
        return self.likelihood_.log_risk(self._outputs(X, records))

    def score(self, X, y, *, sample_weight=None, strata=None, entry=None):
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
        entry : array-like of shape (n_samples,) or None, default=None
            When each sample came under observation; only those at risk together are
            compared. None means at 0.

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
        return len(self.nets_) * architecture_of(self).latent_dim

    def _target(self, records, likelihood, outcome):
        """Columns for the loss, and where the covariates start, if there are any."""
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

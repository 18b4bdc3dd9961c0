"""The pretrainer: an encoder of ECGs learns from their reports."""

from collections.abc import Mapping
from numbers import Integral, Real
from os import PathLike

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._architectures import ARCHITECTURES, Architecture, architecture_of
from .._architectures._weights import encoder_weights, write_encoder_weights
from .._training import encode, net_outputs, seeded
from ..encoders._start import starting_architecture
from ..metrics import mean_reciprocal_rank
from ..records._input import ECGInput
from ..reports import ReportEmbedder, SentenceEncoder
from ..reports._free_text import READINGS
from ._cohorts import joined
from ._content import Content
from ._fitting import check_patients, train_report_net
from ._network import SHARED_DIM
from ._numbers import described, measured
from ._said import encoded_reports
from ._saving import load_pretrainer, save_pretrainer


class ECGReportPretrainer(
    ECGInput,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Encoder of ECGs, trained on their reports.

    ECGs and the embeddings of their reports are mapped to one space, in which each ECG
    is close to its own report. The encoder can then start a `DualAttentionSurvival`,
    which needs fewer events.

    Parameters
    ----------
    architecture : {"compact", "paper"} or Architecture, default="compact"
        The network, as for `DualAttentionSurvival`.
    text_encoder : object with `encode`, callable or None, default=None
        It turns texts into vectors, such as `reports.SentenceEncoder(...)`. None takes
        `reports.TfidfEncoder()`, which needs no download.
    alignment : {"sigmoid", "infonce", "cosine"}, default="sigmoid"
        "sigmoid" classifies each pair as matching or not: pairs of ECG and statement if
        statements are given or found in free text, else pairs of ECG and report.
        "infonce" finds the report of an ECG among those of the batch. "cosine" is the
        published loss, without negatives; its optimum is a constant.
    max_epochs : int, default=60
        Largest number of passes over the training ECGs.
    batch_size : int or None, default=None
        ECGs per step. None means a fifth of the training ECGs, at least 16 and at most
        128.
    lr : float, default=0.003
        Highest learning rate of AdamW, after warm-up and before cosine decay.
    device : str, default="auto"
        "cpu", "cuda" or "mps"; "auto" takes the fastest that is available.
    verbose : int, default=0
        1 shows a progress bar.
    random_state : int, RandomState instance or None, default=None
        Seed. An int gives equal results on a CPU with the same number of threads.
    reports_as : {"auto", "text", "statements", "both"}, default="auto"
        Reading of free text: its words, the SCP statements that
        `reports.StatementFinder` finds in it, or both. "auto" is "statements", or
        "text" if no report has a statement.

    Other Parameters
    ----------------
    zero_likelihood : {"present", "drop"}, default="present"
        Meaning of likelihood 0 for an SCP statement of rhythm or form. PTB-XL gives
        most of these statements no likelihood.
    alignment_weight : float, default=1.0
        Weight of the alignment.
    reconstruction_weight : float, default=0.0
        Weight of the mean squared error with which a decoder restores the ECGs.
    classification_weight : float, default=0.0
        Weight of the binary cross-entropy of the SCP statements, with their likelihoods
        as soft targets.
    measurement_weight : float, default=0.0
        Weight of the regression of `measurements.ECGMeasurements`, which needs no
        report. Each is scaled by its spread, and the loss is robust. Missing
        measurements do not count, nor do voltages of normalised ECGs.
    covariate_weight : float, default=0.0
        Weight of the regression of the numeric columns of `ECGRecords.covariates`, such
        as age and sex, in the same way.
    pretrained : str, path, mapping or None, default=None
        Encoder from which training starts, as for `DualAttentionSurvival`.
    patience : int, default=15
        Training ends after this many epochs without a lower validation loss. The
        weights of the best epoch are kept.
    validation_fraction : float or None, default=0.15
        Share of the ECGs, or of the patients, for validation: they decide when training
        stops. The reconstruction counts there only if it is the only objective. With
        None all ECGs are used for training, for `max_epochs`, and the last weights are
        kept.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    crop : float or None, default=None
        Share of each ECG that a training step sees, from a random start. None takes the
        value of the architecture: 0.5, or 1.0 for "paper".
    lead_masking : float or "paper", default=0.2
        As for `DualAttentionSurvival`.
    micro_batch_size : int or None, default=None
        Number of ECGs in memory at once; the loss still uses the whole batch.
    precision : {"float32", "bf16"}, default="float32"
        Number format of the network; losses are in float32.
    callbacks : list of skorch callbacks or None, default=None
        Callbacks for training; copies of them are called.
    checkpoint_dir : path or None, default=None
        Folder for the state of the training after each epoch. If a `fit` was killed,
        call it again with the same data and settings: it continues from there. Needs
        `random_state`.

    Attributes
    ----------
    net_ : ECGNet
        The fitted network, as a skorch net.
    embedder_ : ReportEmbedder
        It turns reports and prompts into vectors.
    reports_ : list of str or None
        Distinct reports seen in `fit`. None if they were given as a matrix.
    report_embeddings_ : ndarray of shape (n_reports, n_dims)
        Their vectors.
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
    Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960.

    Examples
    --------
    >>> from ecgdan_sk import ECGReportPretrainer
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(60, sampling_rate=100, duration=2.5, random_state=0)
    >>> pretrainer = ECGReportPretrainer(max_epochs=2, random_state=0)
    >>> pretrainer.fit(cohort.X, cohort.scp_codes).transform(cohort.X).shape
    (60, 64)
    """

    _parameter_constraints = {
        "architecture": [StrOptions({*ARCHITECTURES}), Architecture],
        "text_encoder": [HasMethods("encode"), callable, None],
        "alignment": [StrOptions({"sigmoid", "infonce", "cosine"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "reports_as": [StrOptions({*READINGS})],
        "zero_likelihood": [StrOptions({"present", "drop"})],
        "alignment_weight": [Interval(Real, 0, None, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "classification_weight": [Interval(Real, 0, None, closed="left")],
        "measurement_weight": [Interval(Real, 0, None, closed="left")],
        "covariate_weight": [Interval(Real, 0, None, closed="left")],
        "pretrained": [Mapping, str, PathLike, None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [None, Interval(Real, 0, 1, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "crop": [Interval(Real, 0, 1, closed="right"), None],
        "lead_masking": [Interval(Real, 0, 1, closed="left"), StrOptions({"paper"})],
        "micro_batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "precision": [StrOptions({"float32", "bf16"})],
        "callbacks": [list, None],
        "checkpoint_dir": [str, PathLike, None],
    }

    def __init__(
        self,
        *,
        # what everyone sets: network and objective
        architecture="compact",
        text_encoder=None,
        alignment="sigmoid",
        # what everyone sets: training
        max_epochs=60,
        batch_size=None,
        lr=3e-3,
        device="auto",
        verbose=0,
        random_state=None,
        # the rest: objective
        reports_as="auto",
        zero_likelihood="present",
        alignment_weight=1.0,
        reconstruction_weight=0.0,
        classification_weight=0.0,
        measurement_weight=0.0,
        covariate_weight=0.0,
        pretrained=None,
        # the rest: training
        patience=15,
        validation_fraction=0.15,
        weight_decay=1e-2,
        crop=None,
        lead_masking=0.2,
        # the rest: runtime
        micro_batch_size=None,
        precision="float32",
        callbacks=None,
        checkpoint_dir=None,
    ):
        self.architecture = architecture
        self.text_encoder = text_encoder
        self.alignment = alignment
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.verbose = verbose
        self.random_state = random_state
        self.reports_as = reports_as
        self.zero_likelihood = zero_likelihood
        self.alignment_weight = alignment_weight
        self.reconstruction_weight = reconstruction_weight
        self.classification_weight = classification_weight
        self.measurement_weight = measurement_weight
        self.covariate_weight = covariate_weight
        self.pretrained = pretrained
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.weight_decay = weight_decay
        self.crop = crop
        self.lead_masking = lead_masking
        self.micro_batch_size = micro_batch_size
        self.precision = precision
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir

    @classmethod
    def paper(cls, **changes):
        """The published network with its pretraining recipe.

        Bio_ClinicalBERT embeddings of SCP statements, weighted by likelihood, without
        statements of likelihood 0; cosine alignment and reconstruction in equal parts;
        300 epochs. One correction: the published code chose its epoch by the
        reconstruction alone.

        Parameters
        ----------
        **changes : dict
            Other parameters, such as `text_encoder`.

        Returns
        -------
        ECGReportPretrainer
            Not yet fitted.

        References
        ----------
        Chen et al. (2025), IEEE Transactions on Big Data 11(3), 948-960.

        Examples
        --------
        >>> from ecgdan_sk import ECGReportPretrainer
        >>> ECGReportPretrainer.paper().max_epochs
        300
        """
        recipe = {
            "architecture": "paper",
            "text_encoder": SentenceEncoder("emilyalsentzer/Bio_ClinicalBERT"),
            "zero_likelihood": "drop",
            "alignment": "cosine",
            "reconstruction_weight": 1.0,
            "max_epochs": 300,
            "patience": 300,
            "batch_size": 128,
            "lr": 1e-3,
            "lead_masking": "paper",
        }
        return cls(**(recipe | changes))

    def fit(self, X, reports=None, *, groups=None):
        """Train the encoder on the reports and on the other objectives.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times), or list
            ECGs in mV. An array holds the twelve leads of `records.LEADS`. A list holds
            several cohorts: each epoch sees the same number of ECGs of each, so ECGs of
            small cohorts are repeated. A lead that a cohort lacks is absent there.
        reports : list of str, list of dict or array of shape (n_samples, n_dims), or \
                None, default=None
            One report for each ECG: free text; SCP codes with likelihoods from 0 to
            100; or embeddings. None stands for an ECG, or a cohort, without report. For
            several cohorts, a list with the reports of each.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each ECG. All ECGs of a patient go to one side of the validation
            split, and their reports are never used as negatives of each other. None
            takes the `patient_ids` of `X`, if there are any. For several cohorts, a
            list.

        Returns
        -------
        ECGReportPretrainer
            The estimator itself.

        Raises
        ------
        ValueError
            If `X` or `reports` is not as described, if all objectives have weight 0, or
            if a cohort has no target to learn.
        FloatingPointError
            If the loss or a weight is not finite. The message names ECGs with unusual
            amplitudes.
        """
        self._validate_params()
        self.architecture_ = starting_architecture(self)
        records, reports, ids, cohort = joined(X, reports, groups)
        X = self._learn_input(records)
        self.embedder_ = ReportEmbedder(
            self.text_encoder,
            reports_as=self.reports_as,
            zero_likelihood=self.zero_likelihood,
        )
        content = Content(
            encoded_reports(self.embedder_, reports, len(X)),
            measured(records, self.measurement_weight),
            described(records, self.covariate_weight),
            check_patients(ids, len(X), self.validation_fraction),
            cohort,
        )
        texts = content.encoded and content.encoded.texts
        self.reports_ = texts and [texts[i] for i in content.first]
        self.report_embeddings_ = content.texts
        with seeded(self.random_state, alike=True):
            self.net_ = train_report_net(self, X, content)
        return self

    def transform(self, X):
        """Latent features of the encoder.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples, latent_dim)
            Features, for instance for a linear model with few events.
        """
        check_is_fitted(self)
        return encode([self.net_], self._check_input(X))[0]

    def predict(self, X):
        """For each ECG, the report of `fit` that fits best.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples,)
            Reports; or their positions among the distinct ones, if `fit` was given a
            matrix.
        """
        best = (self._places(X) @ self._text_places(self.report_embeddings_).T).argmax(
            1
        )
        if self.reports_ is None:
            return best
        return np.array(self.reports_, dtype=object)[best]

    def zero_shot(self, X, prompts, *, exclusive=False):
        """Probability that each prompt is true of each ECG.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        prompts : list of str or dict, or array of shape (n_prompts, n_dims)
            Statements to test: free text; an SCP code; one of the superclasses NORM,
            MI, STTC, CD and HYP; SCP codes with likelihoods; or embeddings.
        exclusive : bool, default=False
            Whether exactly one of the prompts is true. The alignments "infonce" and
            "cosine" always assume this.

        Returns
        -------
        ndarray of shape (n_samples, n_prompts)
            For exclusive prompts a softmax; each row sums to one. Otherwise the sigmoid
            of each prompt, with its learned frequency; a column does not depend on the
            other prompts.
        """
        check_is_fitted(self)
        loss, places = self.net_.criterion_, self._places(X)
        with torch.no_grad():
            texts = torch.as_tensor(self.embedder_.encode(prompts)).to(loss.mean)
            logits = loss.logits(torch.as_tensor(places).to(loss.mean), texts)
        if exclusive or self.alignment != "sigmoid":
            return logits.softmax(1).cpu().numpy()
        return logits.sigmoid().cpu().numpy()

    def score(self, X, reports):
        """Mean reciprocal rank of each ECG's own report among all of them.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        reports : list of str, list of dict or array of shape (n_samples, n_dims)
            Reports of the same kind as in `fit`.

        Returns
        -------
        float
            Between 0 and 1; equal reports count as hits.
        """
        (reports,) = self._aligned(X, reports=reports)
        places = self._places(X)
        encoded = self.embedder_.transform(reports, n_samples=len(places))
        pair = places, self._text_places(encoded.embeddings)
        return mean_reciprocal_rank(encoded.keys, pair)

    def save(self, path):
        """Save the fitted estimator to one file, which holds no code.

        Parameters
        ----------
        path : str or path-like
            Path, usually with the ending ".safetensors". An existing file is replaced.

        Returns
        -------
        ECGReportPretrainer
            The estimator itself.

        Raises
        ------
        TypeError
            If the text encoder or the architecture is your own class, because the file
            holds no code.

        See Also
        --------
        load : Read the file.
        save_encoder : Save only the encoder of ECGs, without reports.

        Notes
        -----
        The file holds tensors, and settings as JSON, in the safetensors format. It
        holds no ECG. It does hold the distinct reports and the words of a
        `TfidfEncoder`, which may contain names of people. Of a `SentenceEncoder` only
        the name is saved. Callbacks, `pretrained` and `checkpoint_dir` are not saved,
        because predictions do not need them.
        """
        check_is_fitted(self)
        save_pretrainer(path, self)
        return self

    @classmethod
    def load(cls, path):
        """Read a fitted pretrainer from a file that `save` wrote.

        Parameters
        ----------
        path : str or path-like
            Path of the file.

        Returns
        -------
        ECGReportPretrainer
            On the same machine it predicts the same as the saved one, bit for bit.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is incomplete, altered, or of another kind.
        """
        return load_pretrainer(path, cls)

    def save_encoder(self, path):
        """Save the encoder to a safetensors file, for `DualAttentionSurvival`.

        Parameters
        ----------
        path : str or path-like
            Path of the file. An existing file is replaced.

        Returns
        -------
        ECGReportPretrainer
            The estimator itself.
        """
        write_encoder_weights(path, self.encoder_weights_)
        return self

    @property
    def encoder_weights_(self):
        """Weights of the encoder, with its architecture and input, as a mapping."""
        check_is_fitted(self)
        return encoder_weights(self.net_.module_, self)

    @property
    def network_(self):
        """The fitted torch module."""
        return self.net_.module_

    @property
    def history_(self):
        """Losses and durations of each epoch."""
        return self.net_.history

    @property
    def _n_features_out(self):
        check_is_fitted(self)
        return architecture_of(self).latent_dim

    def _places(self, X):
        """ECGs in the shared space, (n_samples, SHARED_DIM)."""
        check_is_fitted(self)
        outputs = net_outputs([self.net_], self._check_input(X))[0]
        return outputs[:, :SHARED_DIM]

    def _text_places(self, embeddings):
        """Texts in the shared space, (n_texts, SHARED_DIM)."""
        loss = self.net_.criterion_
        with torch.no_grad():
            texts = torch.as_tensor(embeddings, device=loss.mean.device)
            return loss.place(texts).cpu().numpy()

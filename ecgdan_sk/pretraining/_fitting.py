"""Training settings from the parameters of the pretrainer."""

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit

from .._architectures import architecture_of
from .._training import ECGDataset, checkpoint_folder, shared_settings, train_net
from ..encoders._start import start_of
from ..records._leads_and_ids import column, patient_groups
from ..records._signal_checks import typical_spread
from ._cohorts import balanced
from ._network import ReportLoss, report_net

# Pairs of ECG and report are compared, so that memory grows with the square of this.
_VALIDATED_AT_ONCE = 2048


def train_report_net(estimator, X, content):
    """The net of an `ECGReportPretrainer`, from what its ECGs teach."""
    _check_objectives(estimator, content)
    architecture = architecture_of(estimator)
    architecture.check(estimator.leads_in_, X.shape[2])
    target = content.target()
    criterion = _criterion(estimator, content)
    start = start_of(estimator)
    texts = [criterion["criterion__texts"], criterion["criterion__statements"]]
    arrays = [np.asarray(t) for t in texts if t is not None]
    arrays += [np.asarray(w) for w in (start or {}).values()]
    folder = checkpoint_folder(estimator, X, target, *arrays)
    rows, validation = _split(content.patients, estimator.validation_fraction)
    training = ECGDataset(X, target, balanced(rows, content.cohort))
    if validation is not None:
        validation = ECGDataset(X, target, validation)
    return train_net(
        report_net,
        ReportLoss,
        training,
        validation,
        **_module(estimator, X, content),
        **criterion,
        **shared_settings(estimator, architecture.default_crop),
        start=start,
        validate_reconstruction=not content.teaches(estimator),
        validated_at_once=_VALIDATED_AT_ONCE,
        batch_size=estimator.batch_size or _batch_size(len(training)),
        checkpoint=folder and folder / "network-0.safetensors",
    )


def _module(estimator, X, content):
    """Parameters of the network, in the form that skorch takes."""
    classifies = estimator.classification_weight > 0 and content.codes is not None
    module = {
        "architecture": architecture_of(estimator),
        "n_leads": estimator.n_leads_in_,
        "n_times": estimator.n_times_in_,
        "n_statements": len(content.codes) if classifies else 0,
        "n_numbers": content.measurements.shape[1] + content.covariates.shape[1],
        "decoder": estimator.reconstruction_weight > 0,
        "is_deep": estimator.alignment == "cosine",
        "scale": typical_spread(X),
    }
    return {f"module__{name}": value for name, value in module.items()}


def _criterion(estimator, content):
    """Parameters of the loss, in the form that skorch takes."""
    statements = None
    if content.codes is not None:
        statements = estimator.embedder_.encode(list(content.codes))
        statements = torch.from_numpy(statements)
    criterion = {
        "texts": torch.from_numpy(content.texts),
        "statements": statements,
        "alignment": estimator.alignment,
        "alignment_weight": estimator.alignment_weight,
        "classification_weight": estimator.classification_weight,
        "is_deep": estimator.alignment == "cosine",
        "by_report": getattr(estimator.embedder_, "reads_", None) == "both",
        "number_weights": (
            (content.measurements.shape[1], estimator.measurement_weight),
            (content.covariates.shape[1], estimator.covariate_weight),
        ),
    }
    return {f"criterion__{name}": value for name, value in criterion.items()}


def _split(patients, validation_fraction):
    """Rows for training and for validation, if any; no patient is in both."""
    if validation_fraction is None:
        return np.arange(len(patients)), None
    seed = int(torch.randint(2**31 - 1, ()))
    splitter = GroupShuffleSplit(1, test_size=validation_fraction, random_state=seed)
    return next(splitter.split(patients, groups=patients))


def _batch_size(n_train):
    """Of few ECGs, large batches would make too few steps."""
    return min(max(n_train // 5, 16), 128)


def check_patients(groups, n_samples, validation_fraction):
    """Number of the patient of each ECG, counted from 0; without ids one each."""
    groups = column(np.arange(n_samples) if groups is None else groups)
    if groups.shape != (n_samples,):
        raise ValueError(
            f"Expected groups of shape ({n_samples},), one for each ECG, got "
            f"{groups.shape}."
        )
    known, patients = np.unique(patient_groups(groups), return_inverse=True)
    n_needed = 2 if validation_fraction is None else 4
    if len(known) < n_needed:
        raise ValueError(
            f"Expected {n_needed} patients or more, two for training and, unless "
            "validation_fraction is None, two for validation; got "
            f"{len(known)} (n_samples={n_samples}). Give more ECGs."
        )
    return patients


def _check_objectives(estimator, content):
    """Raise unless there is something to learn, from reports that can teach it."""
    names = ("alignment", "classification")
    others = ("reconstruction", "measurement", "covariate")
    weights, others = ([f"{n}_weight" for n in own] for own in (names + others, others))
    if not any(getattr(estimator, name) for name in weights):
        raise ValueError(
            f"{', '.join(weights)} are all 0: there is nothing to learn. Give one of "
            "them a positive weight."
        )
    if estimator.classification_weight and content.encoded and content.codes is None:
        raise ValueError(
            "classification_weight needs statements, but the reports are "
            f"{estimator.embedder_.kind_}. Give SCP codes with likelihoods, or free "
            "text with reports_as='statements'; or set it to 0."
        )
    if any(getattr(estimator, name) for name in others):
        return
    for number in np.unique(content.cohort):
        if not (content.keys[content.cohort == number] >= 0).any():
            raise ValueError(
                f"Cohort {number} has no reports, and no other target is asked for, so "
                "that nothing can be learned of it. Give reports, or a positive "
                f"{', '.join(others[:-1])} or {others[-1]}."
            )

"""What the parameters of the pretrainer mean for the training of its net."""

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit

from .._architectures import architecture_of
from .._training import ECGDataset, checkpoint_folder, shared_settings, train_net
from ..records._leads_and_ids import column, patient_groups
from ..records._signal_checks import typical_spread
from ._network import N_COLUMNS, ReportLoss, report_net


def train_report_net(estimator, X, encoded, first, patients):
    """The net of an `ECGReportPretrainer`; `first` are rows of distinct reports."""
    _check_objectives(estimator, encoded)
    architecture = architecture_of(estimator)
    architecture.check(estimator.leads_in_, X.shape[2])
    by_text = bool(estimator.alignment_weight or estimator.classification_weight)
    target = _target(encoded, patients)
    criterion = _criterion(estimator, encoded, first)
    texts = [encoded.embeddings[first], criterion["criterion__statements"]]
    folder = checkpoint_folder(
        estimator, X, target, *(np.asarray(t) for t in texts if t is not None)
    )
    training, validation = (
        None if rows is None else ECGDataset(X, target, rows)
        for rows in _split(patients, estimator.validation_fraction)
    )
    return train_net(
        report_net,
        ReportLoss,
        training,
        validation,
        **_module(estimator, X, target),
        **criterion,
        **shared_settings(estimator, architecture.default_crop),
        validate_reconstruction=not by_text,
        batch_size=estimator.batch_size or _batch_size(len(training)),
        checkpoint=folder and folder / "network-0.safetensors",
    )


def _module(estimator, X, target):
    """Parameters of the network, as skorch wants them."""
    classifies = estimator.classification_weight > 0
    module = {
        "architecture": architecture_of(estimator),
        "n_leads": estimator.n_leads_in_,
        "n_times": estimator.n_times_in_,
        "n_statements": target.shape[1] - N_COLUMNS if classifies else 0,
        "decoder": estimator.reconstruction_weight > 0,
        "is_deep": estimator.alignment == "cosine",
        "scale": typical_spread(X),
    }
    return {f"module__{name}": value for name, value in module.items()}


def _criterion(estimator, encoded, first):
    """Parameters of the loss, as skorch wants them."""
    statements = None
    if encoded.codes is not None:
        statements = estimator.embedder_.encode(list(encoded.codes))
        statements = torch.from_numpy(statements)
    criterion = {
        "texts": torch.from_numpy(encoded.embeddings[first]),
        "statements": statements,
        "alignment": estimator.alignment,
        "alignment_weight": estimator.alignment_weight,
        "classification_weight": estimator.classification_weight,
        "is_deep": estimator.alignment == "cosine",
        "by_report": estimator.embedder_.reads_ == "both",
    }
    return {f"criterion__{name}": value for name, value in criterion.items()}


def _target(encoded, patients):
    """Columns as `ReportLoss` reads them; the first would tell events, of none."""
    columns = [np.zeros(len(encoded)), encoded.keys, patients]
    if encoded.likelihoods is not None:
        columns.extend(encoded.likelihoods.T)
    return np.column_stack(columns).astype(np.float32)


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


def check_patients(patient_ids, n_samples, validation_fraction):
    """Number of the patient of each ECG, counted from 0; without ids one each."""
    if patient_ids is None:
        patient_ids = np.arange(n_samples)
    patient_ids = column(patient_ids)
    if patient_ids.shape != (n_samples,):
        raise ValueError(
            f"Expected patient_ids of shape ({n_samples},), one for each ECG, got "
            f"{patient_ids.shape}."
        )
    known, patients = np.unique(patient_groups(patient_ids), return_inverse=True)
    n_needed = 2 if validation_fraction is None else 4
    if len(known) < n_needed:
        raise ValueError(
            f"Expected {n_needed} patients or more, two for training and, unless "
            "validation_fraction is None, two for validation; got "
            f"{len(known)} (n_samples={n_samples}). Give more ECGs."
        )
    return patients


def _check_objectives(estimator, encoded):
    """Raise unless there is something to learn, from reports that can teach it."""
    weights = ("alignment_weight", "reconstruction_weight", "classification_weight")
    if not any(getattr(estimator, name) for name in weights):
        raise ValueError(
            f"{', '.join(weights)} are all 0: there is nothing to learn. Give one of "
            "them a positive weight."
        )
    if estimator.classification_weight and encoded.codes is None:
        raise ValueError(
            "classification_weight needs statements, but the reports are "
            f"{estimator.embedder_.kind_}. Give SCP codes with likelihoods, or free "
            "text with reports_as='statements'; or set it to 0."
        )

"""What the parameters of the survival estimator mean for the training of its nets."""

import hashlib
from numbers import Integral
from pathlib import Path

import numpy as np
from sksurv.util import Surv

from .._architectures._paper import PaperRiskNet, check_twelve_leads
from .._architectures._weights import starting_weights
from .._training import train_net
from .._version import __version__
from ..augmentation import Augmentation
from ..losses._target import SurvivalLoss
from ..metrics import concordance_index
from ..network import RiskNet
from ..records._signal_checks import typical_spread

# They decide where and how fast, not what.
_NOT_DECISIVE = ("callbacks", "checkpoint_dir", "device", "verbose", "n_members")


class TrainingPlan:
    """Settings of `train_net`, worked out once, for each of several networks.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        Its parameters, and what it learned of the shape of the ECGs.
    X : array-like of shape (n_samples, n_leads, n_times)
        ECGs.
    target : ndarray of shape (n_samples, n_columns)
        For the loss.
    likelihood : ProportionalHazards or DiscreteTime
        The loss.
    """

    def __init__(self, estimator, X, target, likelihood):
        self.module, module = risk_module(
            estimator, likelihood.n_outputs, scale=typical_spread(X)
        )
        self.settings = {
            **{f"module__{k}": v for k, v in module.items()},
            **{f"criterion__{k}": v for k, v in likelihood.loss.items()},
            **_optimisation(estimator, likelihood),
        }
        self.starts = _starts(estimator, self.module, module)
        self.folder = _folder(estimator, X, target)

    def train(self, i, training, validation):
        """The net of one member, trained on one part and stopped by the other."""
        return train_net(
            self.module,
            SurvivalLoss,
            training,
            validation,
            start=self.starts[i],
            checkpoint=self.folder and self.folder / f"network-{i}.safetensors",
            **self.settings,
        )


def risk_module(estimator, n_outputs, scale=1.0):
    """The class of an estimator's networks, and its parameters."""
    shared = {
        "n_outputs": n_outputs,
        "dropout": estimator.dropout,
        "decoder": estimator.reconstruction_weight > 0,
        "zero_start": estimator.covariates is not None,
        "lead_attention": estimator.lead_attention,
        "temporal_attention": estimator.temporal_attention,
    }
    if estimator.architecture == "paper":
        check_twelve_leads(estimator.leads_in_)
        return PaperRiskNet, {"n_times": estimator.n_times_in_, **shared}
    compact = {
        "n_leads": estimator.n_leads_in_,
        "n_channels": estimator.n_channels,
        "latent_dim": estimator.latent_dim,
        "scale": scale,
    }
    return RiskNet, {**compact, **shared}


def concordance(output, target, loss):
    """Concordance index of the first log risk, from a target of ranks."""
    event, time = target[:, 0].cpu().numpy() == 1, target[:, 1].cpu().numpy()
    log_risk = output.reshape(len(target), -1)[:, 0].cpu().numpy()
    # Ranks start at 0, times do not.
    return float(concordance_index(Surv.from_arrays(event, time + 1.0), log_risk))


def concordance_beside_covariates(output, target, loss):
    """The same, with the log risk by covariates that ends the target."""
    n_causes = output.reshape(len(target), -1).shape[1]
    known = target[:, -n_causes:].reshape(output.shape)
    return concordance(output + known, target, loss)


def _optimisation(estimator, likelihood):
    """Parameters of `train_net` and of its net."""
    is_paper = estimator.architecture == "paper"
    crop = (1.0 if is_paper else 0.5) if estimator.crop is None else estimator.crop
    by_concordance = estimator.selection == "concordance"
    if by_concordance and not hasattr(likelihood, "ties"):
        raise ValueError(
            f"selection='concordance' needs log risks, which loss={estimator.loss!r} "
            "does not give while it trains. Use selection='loss'."
        )
    has_covariates = estimator.covariates is not None
    score = concordance_beside_covariates if has_covariates else concordance
    freezes = estimator.freeze_encoder or estimator.unfreeze_every is not None
    return {
        "augmentation": Augmentation(crop, estimator.lead_masking),
        "reconstruction_weight": estimator.reconstruction_weight,
        "micro_batch_size": estimator.micro_batch_size,
        "n_unfrozen": 0 if freezes else None,
        "unfreeze_every": estimator.unfreeze_every,
        "max_norm": estimator.clip_norm,
        "valid_scores": (("concordance", score),) if by_concordance else (),
        "monitor": f"valid_{estimator.selection}",
        # Covariates alone may be the best model.
        "start_counts": has_covariates,
        "one_cycle": estimator.schedule == "one-cycle",
        "precision": estimator.precision,
        "compiled": estimator.compile,
        **{
            name: getattr(estimator, name)
            for name in (
                "max_epochs",
                "patience",
                "batch_size",
                "lr",
                "weight_decay",
                "callbacks",
                "device",
                "verbose",
            )
        },
    }


def _starts(estimator, module_class, module):
    """For each network the weights it starts from, by name, or None."""
    n_members = estimator.n_members
    starts = [None] * n_members
    if estimator.pretrained is not None:
        starts = [starting_weights(estimator.pretrained, estimator)] * n_members
    if estimator.warm_start and hasattr(estimator, "nets_"):
        for i, net in enumerate(estimator.nets_[:n_members]):
            starts[i] = _weights_of(net, module_class(**module))
    return starts


def _weights_of(net, module):
    """Weights of a fitted net, once it is certain that they fit a new one."""
    ours, theirs = module.state_dict(), net.module_.state_dict()
    if {k: v.shape for k, v in ours.items()} != {k: v.shape for k, v in theirs.items()}:
        raise ValueError(
            "warm_start=True goes on from the networks of the last fit, but they do "
            "not fit these settings, leads and length. Fit a clone instead."
        )
    return {name: value.cpu() for name, value in theirs.items()}


def _folder(estimator, X, target):
    """Folder for the checkpoints of this very training, or None."""
    if estimator.checkpoint_dir is None:
        return None
    if not isinstance(estimator.random_state, Integral):
        raise ValueError(
            f"checkpoint_dir needs random_state as an int, got "
            f"{estimator.random_state!r}: a training goes on only where it can be told "
            "to be the same."
        )
    digest = hashlib.sha256()
    for name, value in sorted(estimator.get_params(deep=False).items()):
        if name == "pretrained" and value is not None:
            starts = starting_weights(value, estimator)
            digest.update(b"".join(w.tobytes() for w in starts.values()))
        elif name not in _NOT_DECISIVE:
            digest.update(f"{name}={value!r}".encode())
    digest.update(f"{__version__} {estimator.leads_in_} {X.shape}".encode())
    # Of a cohort that does not fit in memory, some rows tell it from another.
    for row in np.linspace(0, len(X) - 1, min(len(X), 256)).astype(int):
        digest.update(np.ascontiguousarray(X[row : row + 1], np.float32).tobytes())
    digest.update(target.tobytes())
    return Path(estimator.checkpoint_dir) / digest.hexdigest()[:16]

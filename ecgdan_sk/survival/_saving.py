"""Fitted survival estimators as files, and back."""

from functools import partial

from sklearn.utils.validation import check_is_fitted

from .._architectures import Compact, Paper
from .._architectures._weights import check_known
from .._hazards import DiscreteTime, ProportionalHazards
from .._hazards._baseline import BaselineHazards, BreslowBaseline
from .._hazards._covariates import CovariateCox
from .._tensor_files import to_plain
from .._training import not_finite, read_model, remedy, restored_net, write_model
from ..losses._target import SurvivalLoss
from ..metrics._censoring import CensoringKaplanMeier
from ._fitting import loss_settings, module_settings
from ._network import risk_net

_KIND = "DualAttentionSurvival"
_CLASSES = (
    Compact,
    Paper,
    BaselineHazards,
    BreslowBaseline,
    CensoringKaplanMeier,
    CovariateCox,
    DiscreteTime,
    ProportionalHazards,
)
# What `fit` learns beside the networks.
_LEARNED = (
    "architecture_",
    "censoring_",
    "covariates_",
    "fitted_to_",
    "follow_up_",
    "leads_in_",
    "likelihood_",
    "n_leads_in_",
    "n_times_in_",
    "sampling_rate_in_",
    "validation_",
)


class Saving:
    """Mixin: save a fitted survival estimator to a file, and load it."""

    def save(self, path):
        """Save the fitted estimator to one file, which holds no code.

        Parameters
        ----------
        path : str or path-like
            Path, usually with the ending ".safetensors". An existing file is replaced.

        Returns
        -------
        DualAttentionSurvival
            The estimator itself.

        See Also
        --------
        load : Read the file.

        Notes
        -----
        The file holds tensors, and settings as JSON, in the safetensors format. It
        holds no ECG. Callbacks, `pretrained` and `checkpoint_dir` are not saved,
        because predictions do not need them.
        """
        check_is_fitted(self)
        params = self.get_params(deep=False)
        check_known(params["architecture"])
        write_model(path, _KIND, params, _fitted(self), self.nets_, _CLASSES)
        return self

    @classmethod
    def load(cls, path):
        """Read a fitted estimator from a file that `save` wrote.

        Parameters
        ----------
        path : str or path-like
            Path of the file.

        Returns
        -------
        DualAttentionSurvival
            On the same machine it predicts the same as the saved one, bit for bit.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is incomplete, altered, or of another kind.
        """
        return read_model(path, _KIND, _CLASSES, partial(_restored, cls))


def check_finite_fit(estimator, X):
    """Raise, with a remedy, if a fitted value is not finite."""
    arrays, learned = [], _fitted(estimator)
    learned = {name: learned[name] for name in ("covariates_", "likelihood_")}
    names = not_finite(to_plain(learned, arrays, _CLASSES), arrays)
    if names:
        raise FloatingPointError(
            f"{names[0]} is not finite after training. {remedy(X, estimator.net_.lr)}"
        )


def _fitted(estimator):
    """Fitted attributes other than the networks."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and name != "nets_"
    }


def _restored(cls, params, fitted, networks):
    """Estimator from the contents of a file."""
    estimator = cls(**params)
    estimator._validate_params()
    missing = [name for name in _LEARNED if name not in fitted]
    if missing:
        raise ValueError(f"there is no {', '.join(missing)} in it")
    vars(estimator).update(fitted)
    estimator.nets_ = [_net(estimator, *network) for network in networks]
    return estimator


def _net(estimator, weights, loss_weights, epochs):
    """One network with its history."""
    return restored_net(
        risk_net,
        SurvivalLoss,
        weights,
        loss_weights,
        epochs,
        # The same kernels as before, and so the same result to the last bit.
        batch_size=estimator.batch_size,
        device=estimator.device,
        precision=estimator.precision,
        **module_settings(estimator, estimator.likelihood_.n_outputs),
        **loss_settings(estimator.likelihood_, estimator.covariates_),
    )

"""The fitted networks as one, for other programs: ECGs in mV to log risks."""

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .._architectures._export import export_network
from .._version import __version__


class Exporting:
    """Mixin: export the fitted networks for other programs."""

    def export(self, path, format="onnx"):
        """Export the networks for other programs: from ECGs in mV to log risks.

        Parameters
        ----------
        path : str or path-like
            Path of the file. An existing file is replaced.
        format : {"onnx", "torch"}, default="onnx"
            "onnx" runs in onnxruntime. "torch" is read by `torch.export.load`, which
            replaces TorchScript.

        Returns
        -------
        DualAttentionSurvival
            The estimator itself.

        Raises
        ------
        ValueError
            If the loss has no log risks, or covariates are part of the model.
        ImportError
            If onnx, onnxscript or onnxruntime is not installed.
        RuntimeError
            If the outputs of the file differ from those of the networks by more than
            1e-5.

        See Also
        --------
        save : A file from which the whole estimator is read again.

        Notes
        -----
        The input "ecg" has the shape (n_samples, n_leads, n_times) of `fit`; the output
        is "log_risk". Leads, sampling rate and unit are in the metadata of ONNX, or in
        "about.json" of the "torch" file.
        """
        check_is_fitted(self)
        _export(path, format, self)
        return self


def _export(path, format, estimator):
    """Write the mean of the networks' log risks of the first cause."""
    likelihood = estimator.likelihood_
    if not likelihood.outputs_are_log_risks or estimator.covariates_ is not None:
        what = "discrete times" if estimator.covariates_ is None else "covariates"
        raise ValueError(
            "Only models with a Cox loss and without covariates can be exported, but "
            f"this model has {what}. Use `save`, `load` and `predict` instead."
        )
    rate = estimator.sampling_rate_in_
    export_network(
        path,
        format,
        MeanLogRisk([net.module_ for net in estimator.nets_], likelihood.means_),
        estimator.leads_in_,
        estimator.n_times_in_,
        output="log_risk",
        about={
            "model": f"DualAttentionSurvival of ecgdan_sk {__version__}",
            "sampling_rate": "unknown" if rate is None else f"{rate:g}",
            "n_times": estimator.n_times_in_,
        },
    )


class MeanLogRisk(nn.Module):
    """ECGs (n_samples, n_leads, n_times) to log risks (n_samples,) of the first cause.

    Parameters
    ----------
    networks : list of nn.Module
        The fitted networks.
    means : ndarray of shape (n_networks, 1, n_causes)
        What is subtracted of each.
    """

    def __init__(self, networks, means):
        super().__init__()
        self.networks = nn.ModuleList(networks)
        means = torch.as_tensor(means[:, 0, 0], dtype=torch.float32)
        self.register_buffer("mean", means.mean())

    def forward(self, ecg: Tensor) -> Tensor:
        """(B, L, T) to (B,)."""
        outputs = [net(ecg).reshape(ecg.shape[0], -1)[:, 0] for net in self.networks]
        return torch.stack(outputs).mean(0) - self.mean

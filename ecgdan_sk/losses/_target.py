"""Adapter of the losses to skorch, which passes one output and one target."""

import torch
from torch import Tensor, nn


class SurvivalLoss(nn.Module):
    """A loss function for a network's output and a target of several columns.

    Parameters
    ----------
    function : callable
        A loss of this package.
    columns : sequence of str, default=()
        Names of the arguments of `function` that follow (event, time) in the target.
    offset : Tensor of the shape of one sample's output, or None, default=None
        Constant that is added to the output, such as the life table of the cohort.
    coef : array-like of shape (n_covariates, n_outputs) or None, default=None
        Initial coefficients of the covariates, such as age and sex, in the last columns
        of the target. Their linear predictor is added to the outputs, and the
        coefficients are trained with the network.
    **params : dict
        Passed to `function`.

    Examples
    --------
    >>> import torch
    >>> from ecgdan_sk.losses import cox_loss
    >>> from ecgdan_sk.losses._target import SurvivalLoss
    >>> target = torch.tensor([[1.0, 1.0], [1.0, 2.0], [0.0, 3.0]])
    >>> SurvivalLoss(cox_loss, ties="breslow")(torch.zeros(3), target)
    tensor(0.8959)
    """

    def __init__(self, function, columns=(), offset=None, coef=None, **params) -> None:
        super().__init__()
        self.function = function
        self.columns = columns
        self.params = params
        self.register_buffer("offset", offset)
        if coef is not None:
            coef = nn.Parameter(torch.tensor(coef, dtype=torch.float32))
        self.register_parameter("coef", coef)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of outputs (n_samples, ...) for a target (n_samples, n_columns)."""
        output = self.shifted(output, target)
        event, time, *others = target.unbind(-1)
        if self.offset is not None:
            output = output.reshape(-1, *self.offset.shape) + self.offset
        return self.function(
            output, event, time, **dict(zip(self.columns, others)), **self.params
        )

    def shifted(self, output: Tensor, target: Tensor) -> Tensor:
        """Outputs plus the linear predictor of the covariates."""
        if self.coef is None:
            return output
        added = target[:, -len(self.coef) :] @ self.coef
        return output + added.reshape(output.shape)

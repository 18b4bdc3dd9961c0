"""Training curves of the networks of an estimator."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._axes import COLORS, pyplot, tidy


class TrainingCurveDisplay:
    """Losses of each network by epoch, and the epoch whose weights were kept.

    Training and validation losses have separate axes. They cannot be compared, because
    a Cox loss grows with the number of samples in it.

    Parameters
    ----------
    train_losses, valid_losses : list of array-like of shape (n_epochs,)
        Losses of each network; the numbers of epochs may differ.

    Attributes
    ----------
    best_epochs : list of int
        Epoch of the lowest validation loss of each network, from 1.
    axes_ : ndarray of Axes of shape (2,)
        Training and validation losses.
    figure_ : Figure
        The last drawing.

    Examples
    --------
    >>> from ecgdan_sk.plotting import TrainingCurveDisplay
    >>> display = TrainingCurveDisplay([[3.0, 2.0, 1.0]], [[3.1, 2.8, 2.9]]).plot()
    >>> display.best_epochs
    [2]
    """

    def __init__(self, train_losses, valid_losses):
        self.train_losses = [np.asarray(losses, float) for losses in train_losses]
        self.valid_losses = [np.asarray(losses, float) for losses in valid_losses]
        sizes = [
            [len(v) for v in part] for part in (self.train_losses, self.valid_losses)
        ]
        if sizes[0] != sizes[1] or not all(sizes[0]) or not sizes[0]:
            raise ValueError(
                "Expected a training and a validation loss for each epoch of each "
                f"network, got {sizes[0]} and {sizes[1]} epochs."
            )
        self.best_epochs = [int(v.argmin()) + 1 for v in self.valid_losses]

    @classmethod
    def from_estimator(cls, estimator):
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : DualAttentionSurvival, or another with `nets_` or `net_`
            Fitted estimator; of a pipeline, its last step.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        TypeError
            If the estimator has no networks.
        ValueError
            If it was fitted without validation ECGs.
        """
        estimator = estimator[-1] if hasattr(estimator, "steps") else estimator
        check_is_fitted(estimator)
        if not (hasattr(estimator, "nets_") or hasattr(estimator, "net_")):
            raise TypeError(
                f"{type(estimator).__name__} keeps no network whose training could be "
                "drawn. Pass a fitted DualAttentionSurvival; of one that is wrapped, "
                "its estimator_."
            )
        nets = estimator.nets_ if hasattr(estimator, "nets_") else [estimator.net_]
        histories = [_whole_epochs(net.history) for net in nets]
        train, valid = zip(*histories)
        if any(train) and not any(valid):
            raise ValueError(
                f"{type(estimator).__name__} was fitted without validation ECGs, so "
                "that there is no validation loss to draw. Fit it with a "
                "validation_fraction between 0 and 1."
            )
        return cls(train, valid).plot()

    def plot(self, axes=None):
        """Draw both losses side by side.

        Parameters
        ----------
        axes : array-like of two Axes or None, default=None
            Axes for training and validation losses. None makes a figure.

        Returns
        -------
        TrainingCurveDisplay
            Itself.
        """
        if axes is None:
            _, axes = pyplot().subplots(1, 2, figsize=(8, 3.5), layout="constrained")
        self.axes_ = np.asarray(axes)
        if self.axes_.shape != (2,):
            raise ValueError(
                "Expected two Axes, for training and for validation, got "
                f"{self.axes_.size}. Make them with plt.subplots(1, 2)."
            )
        losses = [self.train_losses, self.valid_losses]
        for ax, values, what in zip(self.axes_, losses, ("Training", "Validation")):
            self._draw(ax, values)
            ax.set(xlabel="Epoch", ylabel=f"{what} loss")
            ax.xaxis.get_major_locator().set_params(integer=True)
            tidy(ax)
        if len(self.train_losses) > 1:
            self.axes_[0].legend(fontsize="small", frameon=False)
        self.axes_[1].set_title("Points: weights that were kept", fontsize="small")
        self.figure_ = self.axes_[0].figure
        return self

    def _draw(self, ax, losses):
        """One line for each network, and a point at the epoch that was kept."""
        for i, (values, best) in enumerate(zip(losses, self.best_epochs)):
            color = COLORS[i % len(COLORS)]
            epochs = np.arange(1, len(values) + 1)
            ax.plot(epochs, values, lw=1.2, color=color, label=f"Network {i + 1}")
            ax.plot(best, values[best - 1], "o", ms=5, color=color)


def _whole_epochs(history):
    """Training and validation losses of the epochs that ended."""
    is_validated = any("valid_loss" in row for row in history)
    wanted = {"train_loss", "valid_loss"} if is_validated else {"train_loss"}
    rows = [row for row in history if wanted <= row.keys()]
    return tuple(
        [row[f"{part}_loss"] for row in rows if f"{part}_loss" in row]
        for part in ("train", "valid")
    )

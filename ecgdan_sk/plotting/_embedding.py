"""Latent features on two axes."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_array, check_is_fitted

from ._axes import COLORS, new_axes, tidy

_POINT = {"s": 14, "linewidths": 0.3, "edgecolors": "#444444"}


class EmbeddingDisplay:
    """Latent features on their first two principal components, coloured by a value.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        Latent features from `transform`; at least three samples.
    values : array-like of shape (n_samples,)
        Numbers, such as log risks, coloured from dark to light; or at most seven
        different labels (str or bool), each with its own colour.
    name : str, default="Value"
        Name of the values.

    Attributes
    ----------
    components : ndarray of shape (n_samples, 2)
        Position of each sample.
    explained : ndarray of shape (2,)
        Share of the variance on each axis.
    ax_, figure_ : Axes, Figure
        The last drawing.

    Raises
    ------
    ValueError
        If there is not one value for each sample, or there are too many labels.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.plotting import EmbeddingDisplay
    >>> features = np.random.default_rng(0).normal(size=(50, 8)) * [9, 3, *[1] * 6]
    >>> display = EmbeddingDisplay(features, features[:, 0], name="Log risk").plot()
    >>> display.ax_.get_xlabel()
    'Principal component 1 (79 % of the variance)'
    """

    def __init__(self, features, values, *, name="Value"):
        features = check_array(
            features, dtype=np.float64, ensure_min_samples=3, ensure_min_features=2
        )
        self.values = np.asarray(values)
        if self.values.shape != (len(features),):
            raise ValueError(
                f"Expected one value for each of the {len(features)} samples, got "
                f"values of shape {self.values.shape}."
            )
        self.labels = None
        if self.values.dtype.kind not in "fiu":
            self.labels = np.unique(self.values.astype(str))
            _check_labels(self.labels)
        self.name = name
        pca = PCA(2, svd_solver="full")
        self.components = pca.fit_transform(features)
        self.explained = pca.explained_variance_ratio_

    @classmethod
    def from_estimator(cls, estimator, X, *, values=None, name=None, ax=None):
        """Transform ECGs, and draw.

        Parameters
        ----------
        estimator : object
            Fitted estimator whose `transform` gives latent features.
        X : array-like of shape (n_samples, ...) or ECGRecords
            ECGs in the form that the estimator takes.
        values : array-like of shape (n_samples,) or None, default=None
            Numbers or labels, see `EmbeddingDisplay`. None means the predictions.
        name : str or None, default=None
            Name of the values. For predictions, None means "Log risk".
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        EmbeddingDisplay
        """
        check_is_fitted(estimator)
        if name is None:
            name = "Log risk" if values is None else "Value"
        values = estimator.predict(X) if values is None else values
        return cls(estimator.transform(X), values, name=name).plot(ax)

    def plot(self, ax=None):
        """Draw a point for each sample.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        EmbeddingDisplay
            Itself.
        """
        ax = new_axes(ax, (5.5, 4.5))
        x, y = self.components.T
        if self.labels is None:
            points = ax.scatter(x, y, c=self.values, cmap="cividis", **_POINT)
            ax.figure.colorbar(points, ax=ax, label=self.name).outline.set_visible(
                False
            )
        else:
            for label, color in zip(self.labels, COLORS):
                rows = self.values.astype(str) == label
                ax.scatter(x[rows], y[rows], color=color, label=label, **_POINT)
            ax.legend(title=self.name, fontsize="small", edgecolor="none")
        for axis, k in ((ax.xaxis, 0), (ax.yaxis, 1)):
            share = f"{100 * self.explained[k]:.0f} % of the variance"
            axis.set_label_text(f"Principal component {k + 1} ({share})")
        # Distances mean the same in both directions.
        ax.set_aspect("equal", adjustable="datalim")
        tidy(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _check_labels(labels):
    """Raise if there are more labels than colours."""
    if len(labels) > len(COLORS):
        raise ValueError(
            f"At most {len(COLORS)} labels can be told apart by colour, got "
            f"{len(labels)}. Merge rare ones, or pass numbers."
        )

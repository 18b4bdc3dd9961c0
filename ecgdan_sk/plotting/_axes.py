"""Helpers of all displays; matplotlib is imported when a picture is drawn."""

import numpy as np

# Told apart with any colour vision (Okabe and Ito, 2008), dark ones first for print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#666666"


def pyplot():
    """matplotlib.pyplot."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "ecgdan_sk.plotting needs matplotlib: pip install ecgdan_sk[plot]"
        ) from error
    return plt


def new_axes(ax, figsize=(5.5, 4.0)):
    """`ax` itself, or the Axes of a new figure with a size in inches."""
    if ax is None:
        _, ax = pyplot().subplots(figsize=figsize, layout="constrained")
    return ax


def tidy(ax):
    """Remove the frame above and to the right."""
    ax.spines[["top", "right"]].set_visible(False)


def within_unit(*artists):
    """Keep the margins of an axis of probabilities from going beyond 0 and 1.

    Unlike limits that are set, this lets Axes that share an axis find common ones.
    """
    for artist in artists:
        artist.sticky_edges.y.extend([0, 1])


def sequential(n):
    """`n` colours from light to dark, in order of lightness with any colour vision."""
    if n == 2:
        return [COLORS[0], COLORS[1]]
    return list(pyplot().get_cmap("viridis")(np.linspace(0.72, 0.05, n)))


def draw_matrix(ax, values, leads, label, **scale):
    """A square for each pair of leads, rows attending, columns attended."""
    image = ax.imshow(values, **scale)
    for axis, said in [(ax.xaxis, "Attended lead"), (ax.yaxis, "Attending lead")]:
        axis.set_ticks(range(len(leads)), leads, fontsize=8)
        axis.set_tick_params(length=0)
        axis.set_label_text(said)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.03)
    bar.set_label(label)
    bar.outline.set_visible(False)


def checked_map(values, shape, name):
    """Check the shape of numbers, where None means any length; None stays None."""
    if values is None:
        return None
    values = np.asarray(values, dtype=np.float64)
    if len(values.shape) != len(shape) or any(
        want not in (None, got) for want, got in zip(shape, values.shape)
    ):
        raise ValueError(f"Expected {name} of shape {shape}, got {values.shape}.")
    return values

"""Difference of attention between two groups of patients."""

import numpy as np

from ..records import LEADS
from ._axes import checked_map, draw_matrix, new_axes

_LEVEL = 0.05


class GroupDifferenceDisplay:
    """Attention across leads: difference between high-risk and low-risk ECGs.

    Red means more attention in the high-risk group, blue less. Dots mark p < 0.05.

    Parameters
    ----------
    difference : array-like of shape (n_leads, n_leads)
        Mean attention across leads, high-risk group minus low-risk group.
    p_values : array-like of shape (n_leads, n_leads) or None, default=None
        p-values of no difference, corrected for the number of comparisons.
    leads : sequence of str or None, default=None
        Leads, in the order of the matrix. None means the twelve of `LEADS`.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        The last drawing.

    See Also
    --------
    ecgdan_sk.explain.compare_groups : The differences that are drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.plotting import GroupDifferenceDisplay
    >>> difference = np.array([[0.02, -0.02], [0.1, -0.1]])
    >>> display = GroupDifferenceDisplay(difference, leads=("I", "II")).plot()
    >>> display.ax_.get_xlabel()
    'Attended lead'
    """

    def __init__(self, difference, p_values=None, *, leads=None):
        self.leads = LEADS if leads is None else tuple(leads)
        shape = (len(self.leads), len(self.leads))
        self.difference = checked_map(difference, shape, "difference")
        self.p_values = checked_map(p_values, shape, "p_values")

    @classmethod
    def from_comparison(cls, comparison, *, ax=None):
        """Draw the result of `ecgdan_sk.explain.compare_groups`.

        Parameters
        ----------
        comparison : GroupComparison
            Comparison of the attention across leads.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        GroupDifferenceDisplay
        """
        if np.ndim(comparison.difference) != 2:
            raise ValueError(
                "Expected a comparison of attention across leads, of shape (n_leads, "
                f"n_leads), got {np.shape(comparison.difference)}. Compare what "
                "attention_maps returned."
            )
        leads = [key for _, key in comparison.names[: len(comparison.difference)]]
        return cls(comparison.difference, comparison.p_value, leads=leads).plot(ax)

    def plot(self, ax=None):
        """Draw the matrix.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        GroupDifferenceDisplay
            Itself.
        """
        ax = new_axes(ax, (5.2, 4.4))
        most = np.nanmax(np.abs(self.difference), initial=1e-12)
        scale = {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
        label = "Attention weight, high \N{MINUS SIGN} low risk"
        draw_matrix(ax, self.difference, self.leads, label, **scale)
        if self.p_values is not None:
            rows, columns = np.nonzero(self.p_values < _LEVEL)
            ax.plot(columns, rows, "o", ms=4, color="black")
            ax.set_title(f"Dots: p < {_LEVEL:g}", fontsize="small", loc="left")
        self.ax_, self.figure_ = ax, ax.figure
        return self

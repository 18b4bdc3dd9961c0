"""Values with intervals, one row for each group or change: a forest plot."""

import numpy as np

from .._outcomes import time_told
from ._axes import COLORS, GREY, new_axes, tidy


class ForestDisplay:
    """Forest plot: one row per name with a value and interval, and a reference line.

    Parameters
    ----------
    names : sequence of str
        Names of the rows, from the top.
    values : array-like of shape (n_rows,)
        Values of the rows; NaN leaves a row empty.
    low, high : array-like of shape (n_rows,) or None, default=None
        Limits of the intervals.
    is_small : array-like of shape (n_rows,) or None, default=None
        Rows with too few events for a reliable value; they are drawn hollow and grey.
    reference : float or None, default=None
        Position of the reference line.
    label : str, default=""
        What the values are.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        The last drawing.

    See Also
    --------
    ecgdan_sk.validation.subgroups : A table of groups.
    ecgdan_sk.validation.robustness : A table of changes.

    Examples
    --------
    >>> from ecgdan_sk.plotting import ForestDisplay
    >>> display = ForestDisplay(["men", "women"], [0.7, 0.6], reference=0.5).plot()
    >>> [tick.get_text() for tick in display.ax_.get_yticklabels()]
    ['men', 'women']
    """

    def __init__(
        self,
        names,
        values,
        *,
        low=None,
        high=None,
        is_small=None,
        reference=None,
        label="",
    ):
        self.names = [str(name) for name in names]
        self.values = self._row_of_each(values, "values")
        self.low = self._row_of_each(low, "low")
        self.high = self._row_of_each(high, "high")
        self.is_small = self._row_of_each(is_small, "is_small")
        self.reference = reference
        self.label = label

    @classmethod
    def from_subgroups(
        cls, found, measure, *, time=None, reference=None, time_unit="days", ax=None
    ):
        """Draw one measure of each group of `validation.subgroups`.

        Parameters
        ----------
        found : Subgroups
            Result for a fitted model.
        measure : str
            Name of the measure, such as "Harrell's C" or "calibration slope".
        time : float or None, default=None
            Horizon of the measure; None for a measure without a horizon.
        reference : float or None, default=None
            Position of the reference line, such as 1 for a slope.
        time_unit : str, default="days"
            Unit of the times of `y`. 1826 days are told as "5 years".
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        ForestDisplay
        """
        table = found.table.reset_index()
        at = table["time"].isna() if time is None else table["time"] == time
        rows = table[at & (table["measure"] == measure)]
        if rows.empty:
            known = table[["time", "measure"]].drop_duplicates().to_numpy().tolist()
            raise ValueError(
                f"There is no measure {measure!r} at time {time}. Known are (time, "
                f"measure): {known}."
            )
        label = measure if time is None else f"{measure}, {time_told(time, time_unit)}"
        names = [f"{row.group} ({row.n_events} events)" for row in rows.itertuples()]
        return cls(
            names,
            rows["value"],
            low=rows["low"],
            high=rows["high"],
            is_small=rows["is_small"],
            reference=reference,
            label=label,
        ).plot(ax)

    @classmethod
    def from_robustness(cls, found, column="changed_third", *, ax=None):
        """Draw the effect of each change of `validation.robustness`.

        Parameters
        ----------
        found : Robustness
            Result for a fitted model.
        column : str, default="changed_third"
            Column of its table.
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        ForestDisplay
        """
        if column not in found.table:
            raise ValueError(
                f"There is no column {column!r}; the table holds "
                f"{', '.join(found.table)}."
            )
        label = column.replace("_", " ").replace("c index", "C-index")
        reference = found.c_index if column == "c_index" else 0.0
        return cls(
            found.table.index, found.table[column], reference=reference, label=label
        ).plot(ax)

    def plot(self, ax=None):
        """Draw the rows.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for the drawing. None makes a figure.

        Returns
        -------
        ForestDisplay
            Itself.
        """
        ax = new_axes(ax, (6.5, 1.2 + 0.26 * len(self.names)))
        for row, value in enumerate(self.values):
            small = self.is_small is not None and bool(self.is_small[row])
            color = GREY if small else COLORS[0]
            if self.low is not None and self.high is not None:
                ax.plot([self.low[row], self.high[row]], [row, row], color=color)
            face = "white" if small else color
            ax.plot(value, row, "o", ms=6, color=color, markerfacecolor=face)
        if self.reference is not None:
            ax.axvline(self.reference, color=GREY, linestyle="--", linewidth=1)
        ax.set_yticks(range(len(self.names)), self.names)
        ax.set_ylim(len(self.names) - 0.5, -0.5)
        ax.set_xlabel(self.label)
        tidy(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _row_of_each(self, values, name):
        """Numbers, one for each row, or None."""
        if values is None:
            return None
        values = np.asarray(values, dtype=np.float64)
        if values.shape != (len(self.names),):
            raise ValueError(
                f"Expected {name} of shape ({len(self.names)},), one for each name, "
                f"got {values.shape}."
            )
        return values

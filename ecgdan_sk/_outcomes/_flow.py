"""Who of a cohort was left out on the way to its outcomes, and why."""

import pandas as pd


class CohortFlow:
    """Leave out rows of a table, one reason at a time, and count them.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        Where the cohort starts.
    start : str
        What its rows are, such as "exams in the table".
    """

    def __init__(self, table, start):
        self.table = table
        self._steps = [(start, 0, len(table))]

    def leave_out(self, wrong, reason):
        """Leave out the rows that `wrong` marks."""
        wrong = pd.Series(wrong, index=self.table.index).astype(bool)
        self.table = self.table[~wrong]
        self._steps.append((reason, int(wrong.sum()), len(self.table)))

    def note(self, n_values, what):
        """Note values that were changed, if there are any."""
        if n_values:
            self._steps.append((f"{n_values} {what}", 0, len(self.table)))

    def to_frame(self):
        """One line per step: the reason, how many it left out and how many remain."""
        return pd.DataFrame(self._steps, columns=["step", "left_out", "remaining"])

    def require_rows(self):
        """Raise if nobody remains."""
        if self.table.empty:
            raise ValueError(
                "Nobody remains in the cohort:\n"
                f"{self.to_frame().to_string(index=False)}\n"
                "Look at the step that leaves out the most."
            )

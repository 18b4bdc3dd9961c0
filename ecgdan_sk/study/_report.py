"""Result of a study, and its tables."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..validation import ValidationReport
from ._model import StudyModel
from ._store import write_csv


@dataclass(frozen=True)
class StudyReport:
    """Result of `run_study`; its tables can also be saved as CSV files.

    Attributes
    ----------
    discrimination : DataFrame
        C-index of each model with its interval, and how much the network is ahead of
        each other model, with interval and p-value; `p_holm` is for all of these
        comparisons together (Holm, 1979).
    folds : DataFrame
        C-index of each model on each fold.
    validation : ValidationReport
        Calibration, net benefit and risks by outcome of the network on patients that
        were not used to fit it.
    kaplan_meier : DataFrame
        Survival of thirds of the network's risk.
    leads : DataFrame
        How far each lead and group of leads moves the risks of unseen patients.
    checks : ECGCheck
        Of the ECGs.
    flow : DataFrame
        How many ECGs were left out, and why.
    horizon : float
        Days by which risks are told.
    model : StudyModel
        Fitted to all patients.
    page : Path
        The HTML file.
    facts : dict
        What the page says of the method: models, folds, seeds, versions.
    """

    discrimination: pd.DataFrame
    folds: pd.DataFrame
    validation: ValidationReport
    kaplan_meier: pd.DataFrame
    leads: pd.DataFrame
    checks: object
    flow: pd.DataFrame
    horizon: float
    model: StudyModel
    page: Path
    facts: dict

    def __str__(self):
        lines = []
        for row in self.discrimination.itertuples():
            line = f"{row.model}: C-index {row.c_index:.3f} "
            line += f"({row.low:.3f} to {row.high:.3f})"
            if row.difference == row.difference:
                line += (
                    f"; the network is ahead by {row.difference:+.3f} "
                    f"({row.difference_low:+.3f} to {row.difference_high:+.3f})"
                )
            lines.append(line)
        return "\n".join([*lines, f"Open {self.page}"])


def write_tables(report, folder, records, y, rank, risks, inputs):
    """Each table as a CSV file."""
    ids = records.ids if records.ids is not None else np.arange(len(records))
    index = pd.Index(ids, name="id")
    days = f"{report.horizon:g}"
    own = {"event": y["event"], "time": y["time"], "rank": rank}
    tables = {
        "discrimination": report.discrimination.set_index("model"),
        "folds": report.folds.set_index("repeat"),
        "calibration": report.validation.table,
        "decision_curve": report.validation.decision_curve,
        "kaplan_meier": report.kaplan_meier.set_index("risk"),
        "leads": report.leads.set_index("name"),
        "flow": report.flow.set_index("step"),
        "checks": report.checks.table.rename_axis("id"),
        "risks": pd.DataFrame(own | {f"risk_{days}_days": risks[:, 0]}, index),
        "measurements": pd.DataFrame(
            inputs.tables["measurements"], index, inputs.names
        ),
    }
    if report.validation.table_one is not None:
        tables["table_one"] = report.validation.table_one.rename_axis("characteristic")
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")

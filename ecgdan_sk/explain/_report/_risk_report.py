"""What a patient's page says, and the page itself."""

import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ._model_card import POOR
from ._page import document


@dataclass(frozen=True, repr=False)
class RiskReport:
    """A patient's page, as `report` makes it; in a notebook it shows itself.

    Attributes
    ----------
    id : str
        Whose page it is.
    outcome : str
        What the risk is of.
    signals : ndarray of shape (12, n_times)
        The ECG in mV, its leads in the order of `LEADS`; NaN where one is absent.
    sampling_rate : float
        Of the ECG, in Hz.
    log_risk : float
        What `predict` says.
    percentile : float
        Share of the other ECGs of the cohort with a lower risk, in per cent; NaN
        without others.
    n_cohort : int
        ECGs in the cohort, this one among them.
    risk_over_time : DataFrame of shape (n_times, 6)
        Probability of the event by each time: of the patient, and quantiles of the
        cohort, "q10" to "q90"; NaN without a cohort.
    risk_table : DataFrame of shape (n_ticks, 6)
        The same at round times.
    time_unit : str
        Of their index.
    temporal : dict of ndarray of shape (n_times,)
        Attention over time by lead; empty where there is none.
    no_attention : str
        Why there is none; empty where there is.
    lead_changes, segment_changes : Series
        Changes of the log risk, as `lead_occlusion` and `segment_occlusion` find them.
    measurements : DataFrame
        Measurements beside published ranges of adults.
    unmeasured : str
        What stood in the way of measuring; empty where nothing did.
    faithfulness : DataFrame or None
        Tests of the explanations on ECGs of the cohort, by explanation, level and test,
        as the function of that name makes them. None without a cohort.
    card : dict of str
        What the model is, how good it was, and what it is for.
    """

    id: str
    outcome: str
    signals: np.ndarray
    sampling_rate: float
    log_risk: float
    percentile: float
    n_cohort: int
    risk_over_time: pd.DataFrame
    risk_table: pd.DataFrame
    time_unit: str
    temporal: dict
    no_attention: str
    lead_changes: pd.Series
    segment_changes: pd.Series
    measurements: pd.DataFrame
    unmeasured: str
    faithfulness: pd.DataFrame | None
    card: dict

    @property
    def is_poorly_calibrated(self):
        """Whether risks mislead in this cohort; the page then withholds the first."""
        return self.card.get("Calibration", "").startswith(POOR)

    def to_html(self):
        """The page as text.

        Returns
        -------
        str
            A whole HTML document that loads nothing.
        """
        return document(self)

    def save_html(self, path):
        """Write the page to one file, which needs no network and no other file.

        Parameters
        ----------
        path : str or path-like
            Of the file; replaced if it is there.

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        path.write_bytes(self.to_html().encode())
        return path

    def _repr_html_(self):
        """The page in a frame, so that neither can reach into the other."""
        return (
            f'<iframe srcdoc="{html.escape(self.to_html())}" sandbox="allow-scripts" '
            'title="ECG risk report" width="100%" height="900" frameborder="0">'
            "</iframe>"
        )

    def __repr__(self):
        place = (
            "" if np.isnan(self.percentile) else f", percentile={self.percentile:.0f}"
        )
        return f"RiskReport(id={self.id!r}, log_risk={self.log_risk:.3g}{place})"

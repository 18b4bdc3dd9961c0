"""The content of a patient's page, and the page itself."""

import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ._model_card import POOR
from ._page import document


@dataclass(frozen=True, repr=False)
class RiskReport:
    """A patient's page, as returned by `report`; a notebook displays it.

    Attributes
    ----------
    id : str
        Identifier of the ECG.
    outcome : str
        Name of the event.
    signals : ndarray of shape (12, n_times)
        The ECG in mV, with leads in the order of `LEADS`; NaN if a lead is absent.
    sampling_rate : float
        Sampling rate of the ECG, in Hz.
    log_risk : float
        Log risk, as returned by `predict`.
    percentile : float
        Percentage of the other ECGs of the cohort with a lower risk; NaN without
        others.
    n_cohort : int
        Number of ECGs in the cohort, including this one.
    risk_over_time : DataFrame of shape (n_times, 6)
        Probability of the event by each time: of the patient, and quantiles of the
        cohort, "q10" to "q90"; NaN without a cohort.
    risk_table : DataFrame of shape (n_ticks, 6)
        The same at round times.
    time_unit : str
        Unit of these times.
    temporal : dict of ndarray of shape (n_times,)
        Attention over time by lead; empty if there is none.
    no_attention : str
        Reason why there is no attention map; empty if there is one.
    lead_changes, segment_changes : Series
        Changes of the log risk, from `lead_occlusion` and `segment_occlusion`.
    measurements : DataFrame
        Measurements beside published normal limits of age and sex.
    unmeasured : str
        Reason why the ECG could not be measured; empty if it was.
    faithfulness : DataFrame or None
        Tests of the explanations on ECGs of the cohort, by explanation, level and test,
        from the function `faithfulness`. None without a cohort.
    card : dict of str
        Model card: model, validation and intended use.
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
        """Whether risks mislead in this cohort, so that the page withholds them."""
        return self.card.get("Calibration", "").startswith(POOR)

    def to_html(self):
        """The page as text.

        Returns
        -------
        str
            A complete HTML document, which loads no other file.
        """
        return document(self)

    def save_html(self, path):
        """Write the page to one file, which needs no internet and no other file.

        Parameters
        ----------
        path : str or path-like
            Path of the file. An existing file is replaced.

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        path.write_bytes(self.to_html().encode())
        return path

    def _repr_html_(self):
        """The page in a frame, isolated from the notebook."""
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

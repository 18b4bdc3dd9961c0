"""Summary of a fit: its data, and its performance on the validation ECGs."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted
from sksurv.util import Surv

from ..metrics import concordance_index
from ..metrics._incidence import pseudo_values
from ._fitting import validation_part


@dataclass(frozen=True)
class FitSummary:
    """Settings, data and validation of a fitted estimator; `print` shows them as text.

    Attributes
    ----------
    settings : dict
        Parameters that differ from their defaults.
    data : dict
        ECGs, patients, leads, length, events of each cause, median follow-up, and the
        duration of the fit in seconds.
    networks : DataFrame
        One row for each network: `epochs` trained; the `best_epoch`, whose weights are
        kept (0 means the start); `n_validation` ECGs with `n_events` and their
        `c_index`; and `observed_expected`, the observed risk divided by the mean
        predicted risk at the median time of the events. NaN if a value is not defined.
    """

    settings: dict
    data: dict
    networks: pd.DataFrame

    def to_frame(self):
        """The networks as a table.

        Returns
        -------
        DataFrame
            A copy of `networks`.
        """
        return self.networks.copy()

    def __str__(self):
        settings = ", ".join(f"{k}={v!r}" for k, v in self.settings.items())
        data = [f"{name}: {_told(value)}" for name, value in self.data.items()]
        table = self.networks.round(3).to_string()
        lines = [f"DualAttentionSurvival({settings})", *data, "", table, "", _CAUTION]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        return f"<pre>{escape(str(self))}</pre>"


_CAUTION = (
    "The best epoch was chosen on these validation ECGs: use cross-validation, or "
    "validation.validate on other patients, for figures to report."
)


class Summarised:
    """Adds `summary` to the survival estimator."""

    def summary(self):
        """Summarise the training cohort and the validation of each network.

        Returns
        -------
        FitSummary
            Settings, data and validation of each network; `print` shows them as text.
            The best epoch was chosen on the validation ECGs, so their values are too
            good.

        Examples
        --------
        >>> from ecgdan_sk import DualAttentionSurvival
        >>> from ecgdan_sk.datasets import make_ecg_cohort
        >>> cohort = make_ecg_cohort(
        ...     60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
        ... )
        >>> model = DualAttentionSurvival(max_epochs=2, n_members=1, random_state=0)
        >>> model.fit(cohort.X, cohort.y).summary().data["ECGs"]
        60
        """
        check_is_fitted(self)
        defaults = type(self)().get_params(deep=False)
        changed = {
            name: "..."
            if name == "pretrained" and not isinstance(value, str)
            else value
            for name, value in self.get_params(deep=False).items()
            if not _same(value, defaults[name])
        }
        networks = pd.DataFrame(self.validation_)
        networks.index = pd.RangeIndex(1, len(networks) + 1, name="network")
        leads = f"{self.n_leads_in_} leads of {self.n_times_in_} samples"
        rate = self.sampling_rate_in_
        data = {"layout": leads + ("" if rate is None else f" at {rate:g} Hz")}
        return FitSummary(changed, {**self.fitted_to_, **data}, networks)


def fitted_to(outcome, patients, seconds):
    """The cohort of a fit in a few numbers."""
    told = {"ECGs": len(outcome.time)}
    if patients is not None:
        told["patients"] = len(np.unique(patients))
    for cause in range(1, outcome.n_causes + 1):
        name = "events" if cause == 1 else f"events of cause {cause}"
        told[name] = int((outcome.causes == cause).sum())
    told["median time"] = round(float(np.median(outcome.time)), 1)
    told["seconds"] = round(seconds, 1)
    return told


def validated(estimator, likelihood, outputs, outcome, patients):
    """Columns of `FitSummary.networks`: each network on its own validation part."""
    horizon = float(np.median(outcome.time[outcome.causes == 1]))
    rows = []
    for i, output in enumerate(outputs):
        seed = estimator.split_seeds_[i]
        _, unseen = validation_part(estimator, seed, outcome.causes, patients)
        member, net = likelihood.of_member(i), estimator.nets_[i]
        epochs = {
            "epochs": len(net.history),
            "best_epoch": dict(net.callbacks_)["best"].epoch_,
        }
        row = _row(member, output[None, unseen], outcome[unseen], horizon)
        rows.append(epochs | row)
    return {name: [row[name] for row in rows] for name in rows[0]}


def _row(member, output, outcome, horizon):
    hazards = member.cumulative_hazards(output, np.array([horizon]), outcome.strata)
    # Exact for one cause; with competing causes, nearly the share of the first.
    expected = -np.expm1(-hazards[:, 0, 0]).mean()
    return {
        "n_validation": len(outcome.time),
        "n_events": int((outcome.causes == 1).sum()),
        "c_index": _concordance(outcome, member.log_risk(output)),
        "observed_expected": float(_observed(outcome, horizon) / expected),
    }


def _concordance(outcome, log_risk):
    y = Surv.from_arrays(outcome.causes == 1, outcome.time)
    given = {"strata": outcome.strata, "entry": outcome.entry}
    try:
        return float(concordance_index(y, log_risk, **given))
    except ValueError:  # too few pairs
        return np.nan


def _observed(outcome, horizon):
    """Risk of the first cause by a time, censored patients taken into account."""
    if outcome.time.max() < horizon or outcome.entry is not None:
        return np.nan
    return pseudo_values(outcome.causes, outcome.time, horizon)[0]


class _Weights:
    """Placeholder in the summary for weights, which are too long to print."""

    def __repr__(self):
        return "<weights>"


def _same(value, default):
    return value is default or (type(value) is type(default) and value == default)


def _told(value):
    return f"{value:,}" if isinstance(value, int) else f"{value}"

"""The model of a study: its network, and the preparation of ECGs for it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .._tensor_files import check_regular, replacing
from .._version import __version__
from ..encoders import Prepare
from ..explain import report
from ..preprocessing import Resample, Window
from ..records._records import as_records
from ..survival import DualAttentionSurvival
from ._checks import without_gaps

_NETWORK, _ABOUT = "network.safetensors", "model.json"
_LONGEST = 2**16  # bytes of what is told about a model
_TOLD = {"encoder": (str, type(None)), "horizon": (int, float), "outcome": str}


@dataclass(frozen=True)
class StudyModel:
    """A fitted network, with the preparation of ECGs of any sampling rate.

    Attributes
    ----------
    network : DualAttentionSurvival
        Fitted.
    encoder : str or None
        Name of the encoder whose sampling rate and band the ECGs get; None does not
        change the band.
    horizon : float
        Horizon of the risks, in days.
    outcome : str
        Name of the event.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.study import StudyModel
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> network = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    >>> model = StudyModel(network.fit(cohort.X, cohort.y), None, 365.0, "the event")
    >>> model.predict_risk(cohort.X, 365).shape
    (60,)
    """

    network: DualAttentionSurvival
    encoder: str | None
    horizon: float
    outcome: str

    def prepared(self, X):
        """Bring ECGs to the sampling rate, the band and the length of the network.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV. A lead that is NaN or infinite in part counts as absent.

        Returns
        -------
        ECGRecords of shape (n_samples, n_leads, n_times)
            Prepared ECGs. Longer ECGs are cut to their start.

        Raises
        ------
        ValueError
            If the ECGs are shorter than those of the network, or if a rate is not
            known.
        """
        records = as_records(X)
        records = records.with_signals(
            without_gaps(records.signals), records.sampling_rate
        )
        rate, n_times = self.network.sampling_rate_in_, self.network.n_times_in_
        if self.encoder is not None:
            records = Prepare(self.encoder).fit_transform(records)
        elif (
            None not in (rate, records.sampling_rate) and records.sampling_rate != rate
        ):
            records = Resample(rate).fit_transform(records)
        if records.shape[2] < n_times:
            unit = "samples" if rate is None else "s"
            have, need = (n / (rate or 1) for n in (records.shape[2], n_times))
            raise ValueError(
                f"The ECGs are {have:g} {unit} long, but the model needs {need:g} "
                f"{unit}. Leave the shorter ones out."
            )
        if records.shape[2] > n_times:
            records = Window(n_times, position="start").fit_transform(records)
        return records

    def predict(self, X):
        """Log risk of each ECG: higher means an earlier event.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.network.predict(self.prepared(X))

    def predict_risk(self, X, time):
        """Probability of the event by a time.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        time : float
            In days.

        Returns
        -------
        ndarray of shape (n_samples,)
            Between 0 and 1.
        """
        return self.network.predict_risk(self.prepared(X), time)

    @property
    def duration(self):
        """Seconds of ECG that the network needs, None if its rate is unknown."""
        rate = self.network.sampling_rate_in_
        return None if rate is None else self.network.n_times_in_ / rate

    def risk_table(self, X, time=None):
        """Table of log risks and risks by the ids of the ECGs.

        Parameters
        ----------
        X : ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        time : float or None, default=None
            Horizon of the risks, in days. None takes `horizon`.

        Returns
        -------
        DataFrame of shape (n_samples, 2)
            `log_risk`, and `risk_..._days` between 0 and 1.
        """
        time = self.horizon if time is None else time
        prepared = self.prepared(X)
        ids = np.arange(len(X)) if X.ids is None else X.ids
        columns = {
            "log_risk": self.network.predict(prepared),
            f"risk_{time:g}_days": self.network.predict_risk(prepared, time),
        }
        return pd.DataFrame(columns, index=pd.Index(ids, name="id"))

    def explain(self, X, id, *, random_state=None, verbose=0):
        """Make the page of one ECG, compared with the others, see `explain.report`.

        Parameters
        ----------
        X : ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV with `ids`.
        id : str
            Identifier of the ECG.
        random_state : int, RandomState instance or None, default=None
            Determines the tests of the explanations.
        verbose : int, default=0
            1 shows progress bars.

        Returns
        -------
        RiskReport
            The page.

        Raises
        ------
        ValueError
            If there is no such ECG.
        """
        ids = np.arange(len(X)) if X.ids is None else X.ids
        found = np.flatnonzero([str(one) == str(id) for one in ids])
        if not len(found):
            raise ValueError(
                f"There is no ECG {str(id)!r}; they are named like {str(ids[0])!r}."
            )
        return report(
            self.network,
            self.prepared(X),
            int(found[0]),
            outcome=self.outcome,
            random_state=random_state,
            verbose=verbose,
        )

    def save(self, path):
        """Save the model to a folder of two files, which hold no code and no ECG.

        Parameters
        ----------
        path : str or path-like
            Folder to create; it must not exist.

        Returns
        -------
        StudyModel
            The model itself.

        Raises
        ------
        FileExistsError
            If there is something under that name.
        """
        path = Path(path)
        if path.exists():
            raise FileExistsError(f"{path} exists already and is left as it is.")
        with replacing(path) as unfinished:
            unfinished.mkdir()
            self.network.save(unfinished / _NETWORK)
            about = {name: getattr(self, name) for name in _TOLD}
            about |= {"version": __version__, "digest": _digest(unfinished / _NETWORK)}
            text = json.dumps(about, indent=1)
            (unfinished / _ABOUT).write_text(text, encoding="utf-8")
        return self

    @classmethod
    def load(cls, path):
        """Read a model from the folder of `save`, or from the file of a network.

        Parameters
        ----------
        path : str or path-like
            Folder, or a file that `DualAttentionSurvival.save` wrote.

        Returns
        -------
        StudyModel
            The model. From a single file, the horizon is half of the longest follow-up.

        Raises
        ------
        FileNotFoundError
            If there is no such folder or file.
        ValueError
            If it was changed after saving.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(
                f"There is no model {path}. Give the folder 'model' of a study."
            )
        if not path.is_dir():
            network = DualAttentionSurvival.load(path)
            return cls(network, None, network.follow_up_ / 2, "the event")
        about = _read_about(path)
        return cls(
            DualAttentionSurvival.load(path / _NETWORK),
            about["encoder"],
            float(about["horizon"]),
            about["outcome"],
        )


def is_model(folder):
    """Whether a folder claims to hold a model."""
    return (Path(folder) / _ABOUT).exists()


def _digest(path):
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_about(folder):
    """Description of the model in a folder; raise if it holds none."""
    file = folder / _ABOUT
    if not file.exists() or not (folder / _NETWORK).exists():
        raise ValueError(
            f"{folder} holds no model: expected {_NETWORK} and {_ABOUT}, as in the "
            "folder 'model' of a study."
        )
    for part in (file, folder / _NETWORK):
        check_regular(part)
    try:
        if file.stat().st_size > _LONGEST:
            raise ValueError("too long")
        about = json.loads(file.read_text("utf-8"))
        whole = all(isinstance(about[name], kinds) for name, kinds in _TOLD.items())
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole or not np.isfinite(about["horizon"]) or about["horizon"] <= 0:
        raise ValueError(f"{file} is damaged. Fetch the model again.")
    if about.get("digest") != _digest(folder / _NETWORK):
        raise ValueError(
            f"{folder / _NETWORK} is not the network that {_ABOUT} tells of. Fetch the "
            "model again."
        )
    return about

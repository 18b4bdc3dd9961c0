"""What the commands write and tell of files."""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from .. import encoders
from .._outcomes import time_told
from .._tensor_files import kind_of
from .._version import __version__
from ..datasets import read_ecg
from ..measurements import ECGMeasurements
from ..records import ECGRecords
from ..records._parts import is_saved
from ._inputs import measured
from ._model import StudyModel, is_model
from ._read import open_ecgs
from ._store import write_csv

_OPTIONAL = {"matplotlib": "plot", "pydicom": "vendor", "pyarrow": "storage"}
_OPTIONAL |= {"sentence_transformers": "text", "optuna": "tune"}


def model_and_ecgs(model, path, sampling_rate, n_jobs):
    """A fitted model, and what `open_ecgs` reads at the length that it needs."""
    model = StudyModel.load(model)
    given = {"sampling_rate": sampling_rate, "duration": model.duration}
    return model, open_ecgs(path, **given, n_jobs=n_jobs, verbose=1)


def save_cohort(found, path):
    """Write what `open_ecgs` read to a folder; return what to tell of it."""
    folder = found.X.save(path)
    report = found.get("report")
    if report is not None:
        write_csv(report.files, folder.with_name(f"{folder.name}-reading.csv"))
    return f"{'' if report is None else report}\n{found.X!r}\n{folder}".strip()


def measure_ecgs(records, n_jobs, verbose):
    """Measurements of each ECG by its id, and, last, why some are missing."""
    index = range(len(records)) if records.ids is None else records.ids
    table, reasons = measured(records, n_jobs, verbose)
    return pd.DataFrame(
        table,
        index=pd.Index(index, name="id"),
        columns=ECGMeasurements().get_feature_names_out(),
    ).assign(reasons=reasons)


def describe(path):
    """What a file or folder is, in lines."""
    if path is None:
        return _of_package()
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    if is_model(path):
        return _of_model(StudyModel.load(path))
    if is_saved(path):
        return _of_records(ECGRecords.open(path))
    if (path / "card.json").exists():
        return f"Encoder. {encoders.card(path)['summary']}"
    if path.suffix == ".safetensors":
        return f"{kind_of(path)}, written by ecgdan_sk"
    return _of_records(read_ecg(path))


def _of_package():
    """Versions, encoders, and what is not installed."""
    lines = [f"ecgdan_sk {__version__}", "Encoders:"]
    for name in encoders.names():
        lines.append(f"  {name}: {encoders.card(name)['summary']}")
    missing = {extra for name, extra in _OPTIONAL.items() if find_spec(name) is None}
    if missing:
        extras = ",".join(sorted(missing))
        lines.append(f"Not installed: pip install 'ecgdan-sk[{extras}]'")
    return "\n".join(lines)


def _of_model(model):
    """A fitted model."""
    network, horizon = model.network, time_told(model.horizon, "days")
    lines = [
        f"Model of {model.outcome}; risks are told by {horizon}",
        f"encoder: {model.encoder or 'none'}",
        f"leads: {', '.join(network.leads_in_)}",
        f"length: {network.n_times_in_} samples",
        f"longest follow-up: {network.follow_up_:g} days",
    ]
    return "\n".join(lines)


def _of_records(records):
    """ECGs and what is known of them."""
    lines = [repr(records), f"leads: {', '.join(records.leads)}"]
    if records.covariates is not None:
        first = records.covariates.iloc[0] if len(records) == 1 else None
        for name in records.covariates:
            column = records.covariates[name]
            if first is not None and column.notna().all() and str(first[name]):
                lines.append(f"{name}: {first[name]}")
            elif first is None:
                lines.append(f"{name}: known of {int(column.notna().sum())}")
    return "\n".join(lines)

"""A study: checked ECGs, models on the same folds, tables, a page, a model."""

import hashlib
import platform
import shutil
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from .._outcomes import as_target, check_survival
from .._version import __version__
from ..encoders import card
from ..records import ECGRecords
from ..validation import ValidationReport, validate
from ..validation._page import characteristics
from . import _scores as scores
from ._checks import check_ecgs, digests_of
from ._engine import one_thread
from ._folds import Plan, fitted_by, run_folds, warnings_of
from ._inputs import make_inputs, usable
from ._methods import NETWORK, NETWORKS, methods_for
from ._model import StudyModel
from ._page import page
from ._read import lines_of
from ._report import StudyReport, write_tables
from ._store import Store, write_text

_YEAR = 365.25
_YEARS = (1, 2, 3, 5, 10)
_FEWEST_EVENTS = 10  # by the horizon that is chosen
_PACKAGES = ("torch", "skorch", "scikit-learn", "scikit-survival", "numpy", "pandas")


def run_study(
    records,
    y,
    out,
    *,
    encoder="ptbxl-100hz",
    network="frozen",
    horizon=None,
    n_splits=2,
    n_repeats=5,
    n_bootstrap=200,
    flow=None,
    reading=None,
    title="Heart failure risk from ECGs",
    outcome="the event",
    notes=(),
    restart=False,
    n_jobs=None,
    random_state=0,
    verbose=0,
):
    """Compare a network on raw ECGs with Cox models, and write all there is to tell.

    A network that starts from a ready encoder, a Cox model of ECG measurements, one of
    age and sex and, where its columns are there, the PREVENT equation meet the same
    folds, which keep patients together. C-indices and paired differences have intervals
    that are corrected for overlapping training sets; calibration, net benefit and
    Kaplan-Meier curves are of patients that were not used to fit. Every finished fold
    is kept: called again after a kill, the study goes on, and ends with the same
    numbers.

    Parameters
    ----------
    records : ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV at a known sampling rate. The covariates `age` and `sex` make a Cox
        model of their own.
    y : structured array of shape (n_samples,)
        Fields (event, time), time in days, of one event.
    out : str or path-like
        Folder of the results, made if it is not there: `report.html`, `tables`,
        `model`, `log.txt`, and `steps` with what is finished. The tables name the ECGs
        by their ids, the page does not.
    encoder : str or path-like, default="ptbxl-100hz"
        Where the network starts, see `encoders.names`.
    network : {"frozen", "trained"}, default="frozen"
        "frozen" fits a head to the features of the encoder, in seconds; "trained"
        trains all of the network, which takes several times as long.
    horizon : float or None, default=None
        Days by which risks are told. None takes the longest of 1, 2, 3, 5 and 10 years
        to which a fifth of the patients was followed.
    n_splits : int, default=2
        Folds of each repeat. Two folds in five repeats compare models best (Dietterich,
        1998).
    n_repeats : int, default=5
        How often the patients are divided into folds.
    n_bootstrap : int, default=200
        Resampled cohorts for the intervals of calibration and net benefit.
    flow : DataFrame or None, default=None
        Who was left out before, as `assemble` tells it.
    reading : ReadingReport or None, default=None
        What became of the files, as `open_ecgs` tells it.
    title : str, default="Heart failure risk from ECGs"
        What stands at the head of the page.
    outcome : str, default="the event"
        What the risk is of.
    notes : sequence of str, default=()
        What a reader must know first, such as that patients are simulated.
    restart : bool, default=False
        Whether steps of another study in `out` are thrown away.
    n_jobs : int or None, default=None
        Processes; None means 1, -1 all processors. The numbers are the same.
    random_state : int, default=0
        Determines everything.
    verbose : int, default=0
        1 shows progress bars.

    Returns
    -------
    StudyReport
        Tables, model and page.

    Raises
    ------
    ValueError
        If `out` holds another study, the events are too few for the folds, or the ECGs
        or outcomes are not as described.

    References
    ----------
    Nadeau and Bengio (2003), Machine Learning 52, 239-281 (intervals); Dietterich
    (1998), Neural Computation 10, 1895-1923 (folds).

    Examples
    --------
    >>> import tempfile
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.records import ECGRecords
    >>> from ecgdan_sk.study import run_study
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> records = ECGRecords(cohort.X, 100, covariates=cohort.covariates)
    >>> report = run_study(
    ...     records, cohort.y, tempfile.mkdtemp(), n_repeats=1, n_bootstrap=0
    ... )
    >>> report.discrimination["model"].tolist()[0]
    'Network on raw ECGs'
    """
    out = Path(out)
    if network not in NETWORKS:
        raise ValueError(f"network must be frozen or trained, got {network!r}.")
    records, y, flow = _usable(records, y, flow)
    event, time = check_survival(y)
    times = (float(horizon) if horizon is not None else _horizon(event, time),)
    settings = {
        "data": _fingerprint(records, y),
        "encoder": str(encoder),
        "encoder_digest": card(encoder)["digest"],
        "network": network,
        "horizon": times[0],
        "n_splits": n_splits,
        "n_repeats": n_repeats,
        "random_state": random_state,
        "version": __version__,
    }
    store = Store.open(out / "steps", settings, restart)
    log = _Log(out / "log.txt")
    if store.is_new:
        shutil.rmtree(out / "model", ignore_errors=True)
    log.say("goes on" if not store.is_new else "begins", settings | _versions())
    checks = check_ecgs(records)
    methods = methods_for(records.covariates, network, encoder, random_state)
    with one_thread():
        inputs = make_inputs(records, methods, encoder, store, n_jobs, verbose)
    plan = Plan(
        inputs,
        as_target(y),
        records.patient_ids,
        methods,
        times,
        n_splits,
        n_repeats,
        random_state,
    )
    results = run_folds(plan, store, n_jobs, verbose)
    log.say(f"{len(results)} fits are there")
    for line in warnings_of(results):
        log.say(line)
    model = _final_model(plan, out / "model", encoder, times[0], outcome, log)
    rank, risks = scores.pooled(plan, results, NETWORK)
    report = StudyReport(
        discrimination=scores.discrimination(plan, results),
        folds=scores.fold_scores(plan, results),
        validation=_validated(
            records, plan, rank, risks, n_bootstrap, n_jobs, random_state
        ),
        kaplan_meier=scores.kaplan_meier(y, rank),
        leads=scores.leads(results, NETWORK),
        checks=checks,
        flow=flow,
        horizon=times[0],
        model=model,
        page=out / "report.html",
        facts=settings
        | _versions()
        | {"outcome": outcome, "reading": lines_of(reading)},
    )
    write_tables(report, out / "tables", records, y, rank, risks, inputs)
    write_text(report.page, page(report, title, notes))
    log.say(f"wrote {report.page.name}")
    return report


class _Log:
    """Log of a study, one line per event."""

    def __init__(self, path):
        self.path = path

    def say(self, what, facts=None):
        """Add a line, with facts below it."""
        lines = [f"{pd.Timestamp.now().isoformat(timespec='seconds')}  {what}"]
        lines += [f"    {name}: {value}" for name, value in (facts or {}).items()]
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def _usable(records, y, flow):
    """ECGs with a lead that can be used, and the flow with the others."""
    if not isinstance(records, ECGRecords) or records.sampling_rate is None:
        raise ValueError(
            "Expected ECGRecords with a sampling rate, got "
            f"{type(records).__name__}: ECGRecords(X, sampling_rate=...)."
        )
    if len(records) != len(y):
        raise ValueError(
            f"Expected one outcome for each ECG, got {len(y)} for {len(records)}."
        )
    if flow is None:
        columns = ["step", "left_out", "remaining"]
        flow = pd.DataFrame([("ECGs", 0, len(records))], columns=columns)
    kept = usable(records)
    if kept.all():
        return records, y, flow
    last = ("no lead without gaps that moves", int((~kept).sum()), int(kept.sum()))
    flow = pd.concat([flow, pd.DataFrame([last], columns=flow.columns)])
    return records[kept], y[kept], flow.reset_index(drop=True)


def _horizon(event, time):
    """The longest round time to which many were followed, and by which some had it."""
    for years in reversed(_YEARS):
        days = years * _YEAR
        followed = (time > days).mean() >= 0.2
        if followed and (event & (time <= days)).sum() >= _FEWEST_EVENTS:
            return days
    return float(np.median(time[event])) if event.any() else _YEAR


def _fingerprint(records, y):
    """A digest of all that the numbers depend on."""
    digest = hashlib.sha256(repr((records.shape, records.leads)).encode())
    digest.update(repr(records.sampling_rate).encode())
    for one in digests_of(records):
        digest.update(one)
    event, time = check_survival(y)
    digest.update(event.tobytes() + time.tobytes())
    for table in (records.covariates, records.patient_ids, records.ids):
        if table is not None:
            hashed = pd.util.hash_pandas_object(
                pd.DataFrame(table).reset_index(drop=True).astype(str)
            )
            digest.update(hashed.to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _versions():
    """Versions of Python and of the numerical packages."""
    found = {"ecgdan_sk": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _final_model(plan, path, encoder, horizon, outcome, log):
    """The network fitted to all, from its folder if it is there."""
    if path.exists():
        return StudyModel.load(path)
    network, told = fitted_by(plan, NETWORK, np.arange(len(plan.y)))
    model = StudyModel(network, str(encoder), horizon, outcome)
    model.save(path)
    log.say("the final model is fitted")
    for text in told:
        log.say(f"its fit warned: {text}")
    return model


class _Pooled:
    """Out-of-fold scores and risks as a model of the rows of the cohort."""

    def __init__(self, score, risks, times):
        self.score, self.risks, self.times = score, risks, times

    def predict(self, rows):
        """Mean ranks."""
        return self.score[rows]

    def predict_risk(self, rows, time):
        """Probability by one of the times."""
        return self.risks[rows, self.times.index(time)]


def _validated(records, plan, rank, risks, n_bootstrap, n_jobs, random_state):
    """Calibration and net benefit of the risks of unseen patients."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*no patient identifier.*")
        report = validate(
            _Pooled(rank, risks, plan.times),
            np.arange(len(plan.y)),
            plan.y,
            times=plan.times,
            groups=plan.groups,
            n_bootstrap=n_bootstrap,
            n_jobs=n_jobs,
            random_state=random_state,
        )
    # Pooled ranks are not those of one model: discrimination is told by the folds.
    told = report.table.index.get_level_values("time").notna()
    told &= report.table.index.get_level_values("measure") != "AUC"
    return _with(report, table=report.table[told], table_one=_table_one(records, plan))


def _with(report, **changes):
    return ValidationReport(**(vars(report) | changes))


def _table_one(records, plan):
    """Characteristics by outcome, without measurements of the device."""
    if records.covariates is None:
        return None
    table = records.covariates.reset_index(drop=True)
    named = [
        name
        for name in table
        if table[name].dtype.kind in "biuf" and not str(name).startswith("device_")
    ]
    named = [name for name in named if table[name].notna().any()]
    return characteristics(table[named], plan.y["event"]) if named else None

"""The command line: from a folder and a table to an answer, and one line where not."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from cohort_writers import write_record
from ecg_writers import (
    aecg_xml,
    cardiosoft_xml,
    muse_xml,
    scp_bytes,
    sierra_xml,
    write_dicom,
    write_edf,
)
from typer.testing import CliRunner

from ecgdan_sk._cli import COMMANDS, app
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import ECGRecords

# Warnings of the readers are lines on stderr here, as users see them.
pytestmark = pytest.mark.filterwarnings("default")

INDEPENDENT = (0, 1, *range(6, 12))
DURATION = 5
RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def write_muse(path, counts, rate):
    path.with_suffix(".xml").write_bytes(
        muse_xml(counts[list(INDEPENDENT)], rate=rate, step=5)
    )


def write_aecg(path, counts, rate):
    path.with_suffix(".xml").write_bytes(aecg_xml(counts, increment=f"{1 / rate:g}"))


def write_text(function, ending):
    def write(path, counts, rate):
        path.with_suffix(ending).write_bytes(function(counts, rate=rate))

    return write


WRITERS = [
    write_text(cardiosoft_xml, ".xml"),
    write_muse,
    write_aecg,
    write_text(sierra_xml, ".xml"),
    write_text(scp_bytes, ".scp"),
    lambda path, counts, rate: write_dicom(path.with_suffix(".dcm"), counts, rate=rate),
    lambda path, counts, rate: write_edf(path.with_suffix(".edf"), counts, rate=rate),
    lambda path, counts, rate: write_record(path.parent, path.name, counts, rate=rate),
]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Folder of ECGs from eight devices at two rates, and a German table with dates."""
    folder = tmp_path_factory.mktemp("hospital")
    ecgs = folder / "ecgs"
    (ecgs / "ward").mkdir(parents=True)
    n = 48
    cohorts = {
        rate: make_ecg_cohort(
            n, sampling_rate=rate, duration=DURATION, event_rate=0.4, random_state=0
        )
        for rate in (250, 500)
    }
    for i in range(n):
        rate = 250 if i % 3 else 500
        counts = np.round(cohorts[rate].X[i] * 200).astype(int)
        where = ecgs / "ward" if i % 2 else ecgs
        WRITERS[i % len(WRITERS)](where / f"ecg{i:02d}", counts, rate)
    (ecgs / "broken.xml").write_text("<RestingECG><Waveform>")
    (ecgs / "copy.edf").write_bytes((ecgs / "ecg06.edf").read_bytes())
    cohort = cohorts[250]
    recorded = pd.Timestamp("2015-01-05") + pd.to_timedelta(np.arange(n) * 7, unit="D")
    ended = recorded + pd.to_timedelta(np.ceil(cohort.y["time"]), unit="D")
    table = pd.DataFrame(
        {
            "Datei": [f"ecg{i:02d}" for i in range(n)],
            "Fallnummer": [f"{i:04d}" for i in range(n)],
            "Alter": [
                f"{age:.1f}".replace(".", ",") for age in cohort.covariates["age"]
            ],
            "Geschlecht": np.where(
                cohort.covariates["sex"] == 1, "weiblich", "männlich"
            ),
            "EKG-Datum": recorded.strftime("%d.%m.%Y"),
            "Herzinsuffizienz": np.where(
                cohort.y["event"], ended.strftime("%d.%m.%Y"), ""
            ),
            "letzter Kontakt": ended.strftime("%d.%m.%Y"),
        }
    )
    table = pd.concat([table, table.iloc[[6]].assign(Datei="copy")])
    table.to_csv(folder / "patienten.csv", sep=";", index=False, encoding="cp1252")
    return folder


COLUMNS = ("--id", "Datei", "--patient", "Fallnummer", "--age", "Alter")
COLUMNS += ("--sex", "Geschlecht", "--ecg-date", "EKG-Datum")
COLUMNS += ("--event-date", "Herzinsuffizienz", "--last-contact", "letzter Kontakt")


@pytest.fixture(scope="module")
def studied(hospital):
    """What the one command printed, and the folder that it wrote."""
    out = hospital / "report"
    found = run(
        *("study", hospital / "ecgs", hospital / "patienten.csv", *COLUMNS),
        *("--out", out, "--n-repeats", 1, "--n-jobs", 1, "--horizon", 1500),
    )
    assert found.exit_code == 0, found.output
    return found, out


def test_one_command_from_a_folder_and_a_table_to_a_report(studied):
    found, out = studied
    assert "Network on raw ECGs: C-index" in found.stdout
    assert "Traceback" not in found.output
    flow = pd.read_csv(out / "tables" / "flow.csv").set_index("step")
    assert flow.loc["copy of another ECG, to the sample", "left_out"] == 1
    assert flow["remaining"].iloc[-1] == 48
    page = (out / "report.html").read_text("utf-8")
    assert "Which leads matter?" in page
    assert "ecg03" not in page
    assert "0003" not in page


def test_the_page_of_a_study_is_seen_whole_and_asks_for_nothing(studied, seen):
    assert seen(studied[1] / "report.html") == []


def test_the_tables_of_a_study_are_of_all_patients(studied):
    _, out = studied
    risks = pd.read_csv(out / "tables" / "risks.csv")
    assert len(risks) == 48
    assert risks["rank"].between(0, 1).all()
    table_one = pd.read_csv(out / "tables" / "table_one.csv").set_index(
        "characteristic"
    )
    assert "sex = 1" in table_one.index
    models = pd.read_csv(out / "tables" / "discrimination.csv")["model"].tolist()
    assert models == [
        "Network on raw ECGs",
        "Cox model of ECG measurements",
        "Cox model of age and sex",
    ]


def test_a_study_that_is_there_is_not_done_again(studied, hospital):
    _, out = studied
    steps = {p: p.stat().st_mtime_ns for p in (out / "steps").iterdir()}
    before = (out / "tables" / "discrimination.csv").read_bytes()
    again = ("study", hospital / "ecgs", hospital / "patienten.csv", *COLUMNS)
    again += ("--out", out, "--n-repeats", 1, "--n-jobs", 1, "--horizon")
    assert run(*again, 1500).exit_code == 0
    assert all(path.stat().st_mtime_ns == at for path, at in steps.items())
    assert (out / "tables" / "discrimination.csv").read_bytes() == before
    other = run(*again, 1400)
    assert other.exit_code == 1
    assert "holds another study: horizon was 1500.0 and is 1400.0" in other.stderr
    assert "--restart" in other.stderr


def test_the_model_of_a_study_predicts_validates_and_explains(studied, hospital):
    _, out = studied
    risks = hospital / "risks.csv"
    found = run("predict", out / "model", hospital / "ecgs", "--out", risks)
    assert found.exit_code == 0, found.output
    table = pd.read_csv(risks)
    assert table.columns.tolist() == ["id", "log_risk", "risk_1500_days"]
    assert table["risk_1500_days"].between(0, 1).all()
    page = hospital / "validation.html"
    given = (out / "model", hospital / "ecgs", hospital / "patienten.csv", *COLUMNS)
    found = run("validate", *given, "--out", page, "--n-bootstrap", 5)
    assert found.exit_code == 0, found.output
    assert "TRIPOD" in page.read_text("utf-8")
    one = hospital / "one.html"
    found = run(
        *("page", out / "model", hospital / "ecgs", "--id", "ecg04", "--out", one)
    )
    assert found.exit_code == 0, found.output
    assert "ecg04" in one.read_text("utf-8")
    found = run("info", out / "model")
    assert "1500 days" in found.stdout


def test_a_cohort_is_read_checked_and_measured(hospital):
    cohort, table = hospital / "cohort", hospital / "measured.csv"
    found = run("read", hospital / "ecgs", "--out", cohort)
    assert found.exit_code == 0, found.output
    assert len(ECGRecords.open(cohort)) == 49
    again = run("read", hospital / "ecgs", "--out", cohort)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    found = run("check", cohort, "--out", hospital / "checks.csv")
    assert "1  copies of another ECG" in found.stdout
    found = run("measure", cohort, "--out", table)
    assert found.exit_code == 0, found.output
    assert pd.read_csv(table)["heart_rate_bpm"].between(30, 200).all()
    assert "49 ECGs" in run("info", cohort).stdout


def test_measuring_says_what_is_missing(tmp_path):
    X = make_ecg_cohort(3, sampling_rate=100, duration=5, random_state=0).X
    X[0, 6] = 0
    X[1] = np.random.default_rng(0).normal(0, 0.3, X[1].shape)
    ECGRecords(X, 100, ids=["a", "b", "c"]).save(tmp_path / "cohort")
    found = run("measure", tmp_path / "cohort", "--out", tmp_path / "table.csv")
    assert found.exit_code == 0, found.output
    assert "2 of 3 ECGs are measured" in found.stdout
    table = pd.read_csv(tmp_path / "table.csv", index_col="id")
    assert table.columns[-1] == "reasons"
    assert table.loc["a", "reasons"] == "flat: V1"
    assert table.loc["b", "reasons"].endswith("too few good leads, 0 of 12")
    assert table.loc["b"].drop("reasons").isna().all()
    assert table.loc["c", "qrs_duration_ms"] > 60


def test_reports_pretrain_an_encoder(hospital, tmp_path):
    names = [f"ecg{i:02d}" for i in range(48)]
    words = ["sinus rhythm" if i % 2 else "atrial fibrillation" for i in range(48)]
    reports = tmp_path / "reports.csv"
    pd.DataFrame({"id": names, "report": words}).to_csv(reports, index=False)
    out = tmp_path / "encoder.safetensors"
    found = run(
        *("pretrain", hospital / "ecgs", reports, "--out", out, "--max-epochs", 1)
    )
    assert found.exit_code == 0, found.output
    assert out.exists()


def needed(command, folder, tmp_path):
    """Arguments of a command whose ECGs are in `folder`."""
    table = tmp_path / "table.csv"
    table.write_text("id,event,time,report\na,1,10,x\nb,0,20,y\n")
    out = ("--out", tmp_path / "out.csv")
    model = tmp_path / "model"
    return {
        "read": (folder, *out),
        "check": (folder, *out),
        "measure": (folder, *out),
        "study": (folder, table, *out),
        "predict": (model, folder, *out),
        "validate": (model, folder, table, *out),
        "page": (model, folder, "--id", "a", *out),
        "pretrain": (folder, table, *out),
        "info": (folder / "nothing",),
    }[command]


NAMES = [command.__name__ for command in COMMANDS if command.__name__ != "demo"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["missing", "empty", "unreadable"])
def test_without_ecgs_a_command_says_so_in_one_line(name, kind, tmp_path):
    folder = tmp_path / "ecgs"
    if kind != "missing":
        folder.mkdir()
    if kind == "unreadable":
        (folder / "a.xml").write_text("nothing")
        (folder / "b.dcm").write_bytes(b"\0" * 200)
    arguments = needed(name, folder, tmp_path)
    before = set(tmp_path.rglob("*"))
    found = run(name, *arguments)
    assert found.exit_code == 1
    errors = [line for line in found.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert len(errors[0]) > 30
    assert "Traceback" not in found.output
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--id", "nothing"), "There is no column 'nothing' for id"),
        (("--event", "Datei"), "neither"),
        (("--id", "Fallnummer"), "No row of the table belongs to an ECG"),
    ],
)
def test_a_wrong_column_is_named(change, said, hospital, tmp_path):
    given = [*COLUMNS, "--out", tmp_path / "out"]
    if change[0] == "--id":
        given[1] = change[1]
    else:
        given = ["--id", "Datei", "--ecg-date", "EKG-Datum", *given[-2:], *change]
        given += ["--last-contact", "letzter Kontakt"]
    found = run("study", hospital / "ecgs", hospital / "patienten.csv", *given)
    assert found.exit_code == 1
    assert said in found.stderr
    assert not (tmp_path / "out").exists()


def test_every_command_shows_an_example():
    for command in COMMANDS:
        found = run(command.__name__, "--help")
        assert found.exit_code == 0
        assert f"ecgdan-sk {command.__name__}" in found.stdout
        assert "--debug" in found.stdout


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(FileNotFoundError):
        RUNNER.invoke(
            app, ["info", str(tmp_path / "x"), "--debug"], catch_exceptions=False
        )


def test_help_is_there_at_once_and_loads_nothing_heavy():
    code = (
        "import sys; from ecgdan_sk._cli import app; "
        "print({'torch', 'sklearn', 'pandas', 'numpy'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved cohort and the table of its outcomes."""
    folder = tmp_path_factory.mktemp("saved")
    cohort = make_ecg_cohort(
        60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=1
    )
    names = [f"p{i}" for i in range(60)]
    ECGRecords(cohort.X, 100, ids=names).save(folder / "cohort")
    pd.DataFrame(
        {"id": names, "event": cohort.y["event"], "time": cohort.y["time"]}
    ).to_csv(folder / "table.csv", index=False)
    return folder


def study_process(saved, out):
    """The study as a process of its own."""
    command = [sys.executable, "-m", "ecgdan_sk", "study"]
    command += [saved / "cohort", saved / "table.csv", "--out", out, "--n-jobs", "1"]
    return subprocess.Popen(
        [*map(str, command), "--n-repeats", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # Whoever runs the tests in the background may have Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(path, process):
    """Wait until a step is there: seconds, minutes on a busy machine."""
    for _ in range(4800):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pytest.fail(f"{path} did not come")


def test_a_killed_study_ends_with_the_same_numbers(saved, tmp_path):
    out = tmp_path / "report"
    process = study_process(saved, out)
    wait_for(out / "steps" / "network-fold00.npz", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "report.html").exists()
    given = ("study", saved / "cohort", saved / "table.csv", "--n-repeats", 1)
    given += ("--n-jobs", 1, "--out")
    assert run(*given, out).exit_code == 0
    assert run(*given, tmp_path / "whole").exit_code == 0
    for name in ("discrimination", "risks", "calibration", "leads", "measurements"):
        broken, whole = (
            (folder / "tables" / f"{name}.csv").read_bytes()
            for folder in (out, tmp_path / "whole")
        )
        assert broken == whole
    settings = json.loads((out / "steps" / "settings.json").read_text("utf-8"))
    assert settings["random_state"] == 0
    assert (out / "log.txt").read_text("utf-8").count("goes on") == 1


def test_a_study_that_is_broken_off_says_how_to_go_on(saved, tmp_path):
    out = tmp_path / "report"
    process = study_process(saved, out)
    wait_for(out / "steps" / "measurements-0000000.npz", process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 130
    assert told.strip().splitlines()[-1].startswith("Broken off.")
    assert "Traceback" not in told
    assert not list(tmp_path.rglob("*.tmp"))

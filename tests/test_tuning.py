"""Searches by Optuna in several processes, and after one was killed."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from glob import glob
from pathlib import Path

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
tuning_job = pytest.importorskip("tuning_job", exc_type=ImportError)


def _start(*arguments):
    command = [sys.executable, "-W", "ignore", tuning_job.__file__, *arguments]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def test_two_processes_share_a_journal_and_repeat_no_trial(tmp_path):
    journal = str(tmp_path / "journal")
    jobs = [_start(journal, "6"), _start(journal, "6")]
    assert [job.wait(120) for job in jobs] == [0, 0]
    # Once more, as after a restart.
    trials = tuning_job.search(journal, 4).get_trials()
    assert sorted(trial.number for trial in trials) == list(range(16))
    assert len({trial.params["lr"] for trial in trials}) == 16
    assert Path(journal).stat().st_size > 0


@pytest.fixture
def postgresql(tmp_path):
    """URL of a database of a server that this test starts, where it is installed."""
    pytest.importorskip("psycopg2")
    folders = [Path(found).parent for found in glob("/usr/lib/postgresql/*/bin/initdb")]
    if not folders:
        pytest.skip("PostgreSQL is not installed")
    # The server refuses to be run by root.
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    data = Path(tempfile.mkdtemp(prefix="ecgdan_sk-"))
    if user:
        shutil.chown(data, **user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **user}
    initdb = [folders[-1] / "initdb", "-D", data, "-U", "ecg", "-A", "trust", "-N"]
    pg_ctl = [folders[-1] / "pg_ctl", "-D", data, "-w", "-l", data / "log"]
    try:
        subprocess.run(initdb, **quiet)
        options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -F"
        subprocess.run([*pg_ctl, "-o", options, "start"], **quiet)
        yield f"postgresql+psycopg2://ecg@127.0.0.1:{port}/postgres"
        subprocess.run([*pg_ctl, "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def test_two_processes_share_a_postgresql_database(postgresql):
    tuning_job.search(postgresql, 1)
    jobs = [_start(postgresql, "4"), _start(postgresql, "4")]
    assert [job.wait(120) for job in jobs] == [0, 0]
    trials = tuning_job.search(postgresql, 1).get_trials()
    assert len({trial.params["lr"] for trial in trials}) == len(trials) == 10


def test_a_killed_trial_is_tried_again(tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    assert _start(url, "1", "die").wait(120) == 1
    time.sleep(3.5)  # heartbeats that do not come
    study = tuning_job.search(url, 2)
    killed, again, other = study.get_trials()
    assert [t.state.name for t in (killed, again, other)] == [
        "FAIL",
        "COMPLETE",
        "COMPLETE",
    ]
    assert again.params["lr"] == killed.params["lr"] != other.params["lr"]

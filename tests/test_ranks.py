"""Several processes train together what one trains alone."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import shared_training
import torch

import ecgdan_sk
from ecgdan_sk._training._ranks import ALONE, current

SCRIPT = Path(shared_training.__file__)
TORCHRUN = "torch.distributed.run --standalone --nproc-per-node=2"
# On a machine without GPUs too, this is what makes it start more than one process.
ACCELERATE = "accelerate.commands.launch --multi_gpu --num_processes=2"
ACCELERATE += " --num_machines=1 --main_process_port=0 --dynamo_backend=no"
ACCELERATE += " --mixed_precision=no"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes and, before them, one left behind."""
    folder = tmp_path_factory.mktemp("ranks")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    shared_training.broken(shared_training.cohort(), folder / "alone")
    _launch(TORCHRUN, folder)
    yield folder
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def ranks(folder):
    return _of_ranks(folder)


def _launch(launcher, folder, *jobs):
    command = [sys.executable, "-W", "ignore", "-m", *launcher.split(), SCRIPT, folder]
    env = os.environ | {"PYTHONPATH": str(Path(ecgdan_sk.__file__).parents[1])}
    command += jobs
    subprocess.run(command, check=True, timeout=300, capture_output=True, env=env)


def _of_ranks(folder):
    return [dict(np.load(folder / f"rank-{rank}.npz")) for rank in range(2)]


def _alone(name, folder):
    return shared_training.results([name], folder).values()


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("step in float64", 1e-13),
        ("step in pieces", 1e-13),
        ("step in float32", 2e-5),
        ("step in bfloat16", 0.05),
        ("survival", 1e-4),
        ("concordance", 1e-4),
        ("pretraining", 1e-4),
        ("restored", 1e-4),
        ("resumed", 1e-4),
    ],
)
def test_two_processes_give_what_one_gives(ranks, folder, tmp_path, name, tolerance):
    _check(ranks, name, tolerance, tmp_path)


def test_accelerate_launches_them_as_well(folder, tmp_path):
    pytest.importorskip("accelerate")
    _launch(ACCELERATE, tmp_path, "rows", "step in float64", "survival")
    ranks = _of_ranks(tmp_path)
    assert [int(found["rows/0"]) for found in ranks] == [18, 19]
    _check(ranks, "step in float64", 1e-13, tmp_path)
    _check(ranks, "survival", 1e-4, tmp_path)


def _check(ranks, name, tolerance, folder):
    """Each process has what one process has that trains alone."""
    for i, expected in enumerate(_alone(name, folder)):
        first, second = (found[f"{name}/{i}"] for found in ranks)
        error = np.linalg.norm(first - expected) / np.linalg.norm(expected)
        assert error <= tolerance
        np.testing.assert_array_equal(second, first)


def test_each_process_reads_its_part_of_a_batch(ranks):
    assert [int(found["rows/0"]) for found in ranks] == [18, 19]


def test_one_process_goes_on_from_the_checkpoint_of_two(ranks, folder, tmp_path):
    assert [str(found["broken/0"]) for found in ranks] == ["broken down"] * 2
    data = shared_training.cohort()
    resumed = shared_training.survival(data, checkpoint_dir=folder / "begun")
    for found, expected in zip(resumed, _alone("survival", tmp_path)):
        assert len(found) == len(expected)
    unbroken = shared_training.survival(data)
    for found, expected in zip(resumed, unbroken):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    (file,) = (folder / "begun").glob("*/*")
    assert file.name == "network-0.safetensors"


def test_processes_that_were_given_other_ecgs_are_told(ranks):
    for found in ranks:
        assert "Process 1 has other ECGs" in str(found["other ECGs/0"])


def test_who_trains_in_a_thread_or_a_process_of_joblib_trains_alone(monkeypatch):
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    assert current() is ALONE
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    found = []
    thread = threading.Thread(target=lambda: found.append(current()))
    thread.start()
    thread.join()
    monkeypatch.setattr("multiprocessing.process._current_process._name", "Loky-1")
    assert [*found, current()] == [ALONE, ALONE]

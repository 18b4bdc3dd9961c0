"""Export of networks to ONNX and to programs of torch.export."""

import json
import logging
import warnings
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from .._tensor_files import replacing

FORMATS = ("onnx", "torch")
# Largest difference between the outputs of the file and of the network.
_TOLERANCE = 1e-5


def export_network(path, format, network, leads, n_times, *, output, about):
    """Write a network for ECGs (n_samples, n_leads, n_times), and check the file.

    `output` is the name of the output, and `about` holds further texts by name. If the
    outputs differ, it raises RuntimeError and leaves no file.
    """
    check_format(format)
    network = deepcopy(network).cpu().eval().requires_grad_(False)
    example = torch.from_numpy(_example(len(leads), n_times))
    batch = torch.export.Dim("n_samples")
    with _quiet(), torch.no_grad():
        expected = network(example).numpy()
        program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
        about = _said(leads, output, about)
        with replacing(path) as temporary:
            write, run = _WAYS[format]
            write(program, temporary, output, about)
            found = run(temporary, example.numpy())
            _check_same(found, expected, path)


def check_format(format):
    """Raise unless networks can be written in this format."""
    if format == "torchscript":
        raise ValueError(
            "format='torchscript' is not supported, because torch deprecates it. Give "
            "format='torch', a program that torch.export.load reads, or format='onnx'."
        )
    if format not in FORMATS:
        raise ValueError(f"Expected a format of {FORMATS}, got {format!r}.")


class Named(nn.Module):
    """Network with one input, which is named `ecg`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ecg: Tensor) -> Tensor:
        return self.network(ecg)


def _example(n_leads, n_times):
    """Noise in mV, (3, n_leads, n_times), with an absent lead unless it is alone."""
    X = np.random.default_rng(0).normal(0, 0.2, (3, n_leads, n_times))
    X = X.astype(np.float32)
    if n_leads > 1:
        X[1, -1] = np.nan
    return X


def _said(leads, output, about):
    """Metadata of the file, as texts by name."""
    return {
        "input": "ecg",
        "input_shape": "n_samples, n_leads, n_times",
        "unit": "mV; a lead that is NaN throughout is absent",
        "leads": ",".join(leads),
        "output": output,
        **{name: str(value) for name, value in about.items()},
    }


def _write_onnx(program, path, output, about):
    _imported("onnx"), _imported("onnxscript")
    written = torch.onnx.export(
        program, input_names=["ecg"], output_names=[output], verbose=False
    )
    written.model.metadata_props.update(about)
    written.save(path, external_data=False)


def _run_onnx(path, X):
    options = ["CPUExecutionProvider"]
    session = _imported("onnxruntime").InferenceSession(path, providers=options)
    return session.run(None, {"ecg": X})[0]


def _write_torch(program, path, output, about):
    with open(path, "wb") as file:
        torch.export.save(program, file, extra_files={"about.json": json.dumps(about)})


def _run_torch(path, X):
    with open(path, "rb") as file:
        return torch.export.load(file).module()(torch.from_numpy(X)).numpy()


_WAYS = {"onnx": (_write_onnx, _run_onnx), "torch": (_write_torch, _run_torch)}


def _check_same(found, expected, path):
    off = float(np.abs(found - expected).max())
    if not off <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise RuntimeError(
            f"{path} was not written: the outputs of the exported network differ by "
            f"{off:.2g} from those of the network. Try other versions of torch and "
            "onnxscript."
        )


@contextmanager
def _quiet():
    """Silence messages of torch about its internals."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _imported(name):
    try:
        return __import__(name)
    except ImportError as error:
        raise ImportError(
            f"format='onnx' needs {name}: pip install ecgdan_sk[onnx]."
        ) from error

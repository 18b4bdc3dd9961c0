"""A training that was killed goes on where it stood, bit for bit."""

from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.history import History

from .._tensor_files import read_tensors, write_tensors
from ._ranks import current
from ._seeds import random_states, restore_random_states

_KIND = "training checkpoint"


class Checkpoint(Callback):
    """Writes all that a training needs to go on, after each epoch, in one step.

    It stands behind the callbacks whose state it keeps. Of several processes the first
    writes, and reads for all.

    Parameters
    ----------
    path : str or path-like
        File of this training.
    """

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        """Write the state between two epochs."""
        self.write(net, is_done=False)

    def write(self, net, is_done):
        """Write the weights, the optimizer, the best so far and the random numbers."""
        if not current().is_first:
            return
        best = _best(net)
        tensors = {
            **_named("module", net.module_.state_dict()),
            **_named("criterion", net.criterion_.state_dict()),
            **_named("best module", best.weights_[0] if best.weights_ else {}),
            **_named("best criterion", best.weights_[1] if best.weights_ else {}),
            **_named("optimizer", _moments(net)),
            **_named("random", random_states()),
        }
        content = {
            "is_done": is_done,
            "history": list(net.history),
            "best": [best.best_ if np.isfinite(best.best_) else None, best.epoch_],
        }
        write_tensors(self.path, _KIND, tensors, content)

    def resume(self, net):
        """Bring an initialized net to where the file stands; is the training done?"""
        ranks, found = current(), None
        if ranks.is_first and Path(self.path).exists():
            found = read_tensors(self.path, _KIND)
        found = ranks.from_first(found)
        if found is None:
            return False
        tensors, content = found
        net.module_.load_state_dict(_part(tensors, "module"))
        net.criterion_.load_state_dict(_part(tensors, "criterion"))
        _restore_moments(net, _part(tensors, "optimizer"))
        restore_random_states(_part(tensors, "random"), net.device)
        net.history_ = History(content["history"])
        best = _best(net)
        kept = [_part(tensors, f"best {part}") for part in ("module", "criterion")]
        best.weights_ = kept if kept[0] else None
        score, best.epoch_ = content["best"]
        best.best_ = -np.inf if score is None else score
        return content["is_done"]


def _best(net):
    """The callback that keeps the best weights."""
    return dict(net.callbacks_)["best"]


def _named(prefix, tensors):
    return {f"{prefix}/{name}": value.cpu().numpy() for name, value in tensors.items()}


def _part(tensors, prefix):
    """The tensors of a prefix, without it."""
    return {
        name.removeprefix(f"{prefix}/"): torch.from_numpy(value)
        for name, value in tensors.items()
        if name.startswith(f"{prefix}/")
    }


def _moments(net):
    """State of AdamW for each parameter."""
    state = net.optimizer_.state_dict()["state"]
    return {f"{i}/{k}": v for i, moments in state.items() for k, v in moments.items()}


def _restore_moments(net, moments):
    state = net.optimizer_.state_dict()
    parameters = [p for group in net.optimizer_.param_groups for p in group["params"]]
    for name, value in moments.items():
        i, kind = name.split("/")
        parameter = parameters[int(i)]
        if value.shape == parameter.shape:
            # As it lies in memory, where a fused optimizer takes one beside the other.
            value = torch.empty_like(parameter, device="cpu").copy_(value)
        state["state"].setdefault(int(i), {})[kind] = value
    net.optimizer_.load_state_dict(state)

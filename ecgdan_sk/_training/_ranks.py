"""Processes that share a training: each computes its part of every batch.

A launcher such as `torchrun` starts one script several times. Each process, a rank,
calls the same `fit`. The loss compares all ECGs of a batch, so each rank gathers all
outputs and computes the whole loss. Its backward pass keeps the rows of the rank, and
the gradients of the network's parameters are summed. Normalisations also use the whole
batch, and random numbers are drawn for all of its ECGs. So any number of processes
ends with the same weights, except for rounding.
"""

import atexit
import hashlib
import multiprocessing
import os
import threading
from contextlib import nullcontext

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# A part of one ECG could not be told from what is drawn for a batch as a whole.
_FEWEST_ROWS = 2


def current():
    """Processes that share the current training of this thread, or `ALONE`."""
    # Whoever trains in threads, or in processes of joblib, trains there alone.
    if not dist.is_available() or threading.current_thread() != threading.main_thread():
        return ALONE
    if not dist.is_initialized():
        if not _is_launched():
            return ALONE
        if torch.cuda.is_available():
            torch.cuda.set_device(_own_card())
        dist.init_process_group()
        atexit.register(_leave)
    return Ranks() if dist.get_world_size() > 1 else ALONE


class Alone:
    """The only process of a training, which has all rows of a batch."""

    rank, n_ranks = 0, 1

    @property
    def is_first(self):
        """Whether this process writes, and decides."""
        return self.rank == 0

    def device(self, device):
        """Where this process computes."""
        return device

    def check_batches(self, n_rows, n_batches):
        """Raise unless each process has enough of every batch."""

    def check_same(self, dataset, validation):
        """Raise unless all processes were given the same ECGs."""

    def part(self, n_rows):
        """The rows of this process, of so many."""
        return slice(None)

    def pieces(self, views, n_rows, size):
        """Parts of its rows that pass the network one after the other."""
        return list(zip(*(view.split(size) for view in views)))

    def augmented(self, augmentation, x, recorded, n_rows):
        """Own rows of the augmented batch, which is augmented as a whole."""
        return augmentation(x, recorded)

    def in_one_batch(self, n_rows=None):
        """A context in which networks normalise, and draw, over the whole batch."""
        return nullcontext()

    def gathered(self, own, n_rows):
        """Values of all processes in the order of the rows; differentiable."""
        return own

    def summed(self, value):
        """The sum of a tensor or number over all processes."""
        return value

    def from_first(self, value):
        """Value of the first process."""
        return value

    def take_from_first(self, *modules):
        """Copy parameters and buffers of the first process."""


ALONE = Alone()


class Ranks(Alone):
    """Several processes, each with consecutive rows of every batch."""

    def __init__(self):
        self.rank, self.n_ranks = dist.get_rank(), dist.get_world_size()

    def device(self, device):
        """A card of its own, where cards compute."""
        return f"cuda:{_own_card()}" if device == "cuda" else device

    def check_batches(self, n_rows, n_batches):
        """Raise unless each process has enough of every batch."""
        smallest = n_rows // n_batches
        if smallest // self.n_ranks < _FEWEST_ROWS:
            raise ValueError(
                f"{self.n_ranks} processes share batches of {smallest} ECGs, but each "
                f"needs {_FEWEST_ROWS} of them. Start fewer processes, or raise "
                "batch_size."
            )

    def check_same(self, dataset, validation):
        """Raise unless all processes were given the same ECGs."""
        parts = [part for part in (dataset, validation) if part is not None]
        digests = [None] * self.n_ranks
        dist.all_gather_object(digests, [_digest(part) for part in parts])
        others = [rank for rank, own in enumerate(digests) if own != digests[0]]
        if others:
            raise ValueError(
                f"Process {others[0]} has other ECGs or outcomes than process 0, but "
                "all must train on the same ones. Read the same cohort in each, "
                "in the same order, and fix every random_state before fit; or start "
                "one process."
            )

    def part(self, n_rows):
        """The rows of this process, of so many."""
        first, last = (n_rows * r // self.n_ranks for r in (self.rank, self.rank + 1))
        return slice(first, last)

    def pieces(self, views, n_rows, size):
        """As many parts in each process, as they normalise together."""
        n_pieces = -(-n_rows // (self.n_ranks * size))
        return list(zip(*(view.tensor_split(n_pieces) for view in views)))

    def augmented(self, augmentation, x, recorded, n_rows):
        """Own rows of the augmented batch, which is augmented as a whole."""
        rows = self.part(n_rows)
        # The ECGs of other processes are missing here, but their random draws are not.
        whole = (
            _embedded(x, rows, n_rows),
            _embedded(recorded, rows, n_rows, torch.zeros),
        )
        return tuple(view[rows] for view in augmentation(*whole))

    def in_one_batch(self, n_rows=None):
        """Context in which networks normalise and draw over the whole batch.

        Without a number of rows, random draws are unchanged.
        """
        return _OneBatch(n_rows, None if n_rows is None else self.part(n_rows))

    def gathered(self, own, n_rows):
        """Values of all processes in the order of the rows; differentiable."""
        return _Gathered.apply(own, self.part(n_rows), n_rows)

    def summed(self, value):
        """The sum of a tensor or number over all processes."""
        if not isinstance(value, Tensor):
            values = [None] * self.n_ranks
            dist.all_gather_object(values, value)
            return sum(values)
        dist.all_reduce(value)
        return value

    def sum_gradients(self, module, criterion):
        """Sum the gradients of the network's parameters over the processes.

        Parameters of the loss already have their whole gradient in each process.
        """
        parts = [(module, 1.0), (criterion, 1.0 / self.n_ranks)]
        found = [
            (parameter.grad, share)
            for part, share in parts
            for parameter in part.parameters()
            if parameter.grad is not None
        ]
        flat = torch.cat([(grad * share).flatten() for grad, share in found])
        dist.all_reduce(flat)
        sizes = [grad.numel() for grad, _ in found]
        for (grad, _), total in zip(found, flat.split(sizes)):
            grad.copy_(total.view_as(grad))

    def from_first(self, value):
        """Value of the first process."""
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def take_from_first(self, *modules):
        """Copy parameters and buffers of the first process."""
        for module in modules:
            for value in module.state_dict().values():
                # In the order of the axes, however they lie in memory.
                taken = value.contiguous()
                dist.broadcast(taken, src=0)
                value.copy_(taken)


class _Gathered(torch.autograd.Function):
    """Rows of all ranks, gathered on each rank.

    Each rank computes the same loss, so backward only selects the rank's own rows.
    """

    @staticmethod
    def forward(ctx, own, rows, n_rows):
        ctx.rows = rows
        whole = _embedded(own, rows, n_rows, torch.zeros)
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx, grad):
        return grad[ctx.rows], None, None


class _OneBatch(TorchFunctionMode):
    """Lets networks normalise, and draw for each ECG, as if they saw the whole batch.

    By the functions of torch, so that it holds for networks of a user's own: whatever
    calls `batch_norm`; `rand`, `randn` and `dropout` where the ECGs are the first axis.
    """

    def __init__(self, n_rows, rows):
        super().__init__()
        self.n_rows, self.rows = n_rows, rows
        self.n_own = None if rows is None else rows.stop - rows.start

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call `func`, or its replacement for the whole batch."""
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return _batch_norm(*args, **kwargs)
        if func is F.dropout:
            return self._dropout(func, *args, **kwargs)
        if func in (torch.rand, torch.randn):
            return self._drawn(func, args, kwargs)
        return func(*args, **kwargs)

    def _drawn(self, func, size, kwargs):
        if len(size) == 1 and not isinstance(size[0], int):
            size = tuple(size[0])
        if not size or size[0] != self.n_own:
            return func(*size, **kwargs)
        return func(self.n_rows, *size[1:], **kwargs)[self.rows]

    def _dropout(self, func, input, p=0.5, training=True, inplace=False):
        if not training or input.shape[:1] != (self.n_own,):
            return func(input, p, training, inplace)
        kept = func(input.new_ones(self.n_rows, *input.shape[1:]), p)[self.rows]
        return input.mul_(kept) if inplace else input * kept


def _batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    """`F.batch_norm`, by the statistics of the whole batch where it trains."""
    if not training:
        running = running_mean, running_var, weight, bias
        return F.batch_norm(input, *running, False, momentum, eps)
    n_channels = input.shape[1]
    weight = input.new_ones(n_channels) if weight is None else weight
    bias = input.new_zeros(n_channels) if bias is None else bias
    return _WholeBatchNorm.apply(
        input, weight, bias, running_mean, running_var, momentum, eps
    )


class _WholeBatchNorm(torch.autograd.Function):
    """Normalisation over the batch of all ranks; `nn.SyncBatchNorm` refuses CPUs."""

    @staticmethod
    def forward(ctx, x, weight, bias, running_mean, running_var, momentum, eps):
        mean, var = torch.batch_norm_update_stats(x, None, None, 0.0)
        mean, var = mean.double(), var.double()
        n_own = mean.new_tensor([x.numel() // x.shape[1]])
        sums = torch.cat([n_own, n_own * mean, n_own * (var + mean.square())])
        dist.all_reduce(sums)
        n = sums[0]
        mean, square = (sums[1:] / n).chunk(2)
        var = square - mean.square()
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((var * n / (n - 1)).to(running_var), momentum)
        mean, var = mean.to(weight), var.to(weight)
        ctx.save_for_backward(x, weight, mean, var, n)
        ctx.eps = eps
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight, mean, var, n = ctx.saved_tensors
        # With fixed statistics first; then what each value changes of them.
        to_x, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, var, None, None, False, ctx.eps, [True] * 3
        )
        sums = torch.cat([to_weight, to_bias]).double()
        dist.all_reduce(sums)
        along, shift = (sums / n).chunk(2)
        root = (var.double() + ctx.eps).rsqrt()
        slope = weight * root.square() * along
        offset = weight * root * shift - slope * mean
        shape = (1, -1) + (1,) * (x.ndim - 2)
        slope, offset = (v.to(x.dtype).view(shape) for v in (slope, offset))
        # In place: new memory for each would cost more than the sums.
        to_x = to_x.addcmul_(x, slope, value=-1).sub_(offset)
        return to_x, to_weight, to_bias, None, None, None, None


def _embedded(own, rows, n_rows, empty=torch.empty):
    """Own rows at their places among all, the others being empty."""
    whole = empty(n_rows, *own.shape[1:], dtype=own.dtype, device=own.device)
    whole[rows] = own
    return whole


def _digest(dataset):
    """Digest of the ECGs and targets of a training."""
    digest = hashlib.sha256(f"{dataset.signals.shape}".encode())
    digest.update(np.ascontiguousarray(dataset.rows).tobytes())
    digest.update(np.ascontiguousarray(dataset.target).tobytes())
    for row in np.linspace(0, len(dataset.signals) - 1, 16).astype(int):
        signals = np.asarray(dataset.signals[row : row + 1], np.float32)
        digest.update(np.ascontiguousarray(signals).tobytes())
    return digest.hexdigest()


def _is_launched():
    """Whether a launcher started this very process as one of several."""
    is_main = multiprocessing.current_process().name == "MainProcess"
    is_told = all(name in os.environ for name in _LAUNCHED)
    return is_main and is_told and int(os.environ["WORLD_SIZE"]) > 1


def _own_card():
    """Number of the GPU of this process."""
    rank = dist.get_rank() if dist.is_initialized() else os.environ["RANK"]
    return int(os.environ.get("LOCAL_RANK", rank)) % torch.cuda.device_count()


def _leave():
    """End the group that this module began."""
    if dist.is_initialized():
        dist.destroy_process_group()

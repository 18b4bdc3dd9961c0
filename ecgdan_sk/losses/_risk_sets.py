"""Risk sets, and sums over them in log space.

There are n samples in G groups. A group is a distinct time of a stratum, and groups are
in order of falling time.
"""

import torch
from torch import Tensor

_STEP = 64.0


class RiskSets:
    """Samples in order of falling time, and the risk set of each distinct time.

    Without strata and entry times, each sample is at risk at every earlier time, and
    sums over risk sets are cumulative sums. Otherwise each sample is at risk in a range
    of groups, and a tree over the groups gives the sums. Both take O(n log n)
    operations, and neither subtracts.

    Attributes
    ----------
    order : Tensor of shape (n_samples,)
        Positions of the samples, sorted.
    group : Tensor of shape (n_samples,)
        Group of each sorted sample.
    n_groups : int
        Number of groups.
    """

    def __init__(
        self, time: Tensor, strata: Tensor | None = None, entry: Tensor | None = None
    ) -> None:
        self.tree = None
        if strata is None and entry is None:
            self.order = _falling(time)
            key = time[self.order]
        else:
            key, end_key = _keys(time, strata, entry)
            self.order = key.argsort()
            key = key[self.order]
        distinct, self.group, size = key.unique_consecutive(
            return_inverse=True, return_counts=True
        )
        self.n_groups = len(distinct)
        self._last = size.cumsum(0) - 1
        if strata is not None or entry is not None:
            end = torch.searchsorted(distinct, end_key[self.order])
            self.tree = RangeTree(self.group, end, self.n_groups)

    def log_at_risk(self, log_x: Tensor) -> Tensor:
        """Log sum over the samples at risk: sorted (n_samples,) to (n_groups,)."""
        if self.tree is not None:
            return self.tree.spread(log_x)
        return cumulative_logsumexp(log_x)[self._last]

    def log_over_times(self, log_x: Tensor) -> Tensor:
        """Log sum over the groups in which each sample is at risk, (n_samples,)."""
        if self.tree is not None:
            return self.tree.collect(log_x)
        return cumulative_logsumexp(log_x.flip(0)).flip(0)[self.group]


class RangeTree:
    """Sums over ranges of leaves, in log space, by a binary tree.

    A range is the union of at most two nodes per level, so no sum needs a subtraction.

    Parameters
    ----------
    first, end : Tensor of shape (n_ranges,)
        First leaf of each range, and the leaf after its last.
    n_leaves : int
        Number of leaves.
    """

    def __init__(self, first: Tensor, end: Tensor, n_leaves: int) -> None:
        self.n_leaves = n_leaves
        self.n_levels = (n_leaves - 1).bit_length() + 1
        self.nodes = []
        for _ in range(self.n_levels):
            inside = first < end
            left, right = inside & (first % 2 == 1), inside & (end % 2 == 1)
            self.nodes.append([(first * left, left), ((end - 1) * right, right)])
            first, end = (first + 1) // 2, end // 2

    def spread(self, log_x: Tensor) -> Tensor:
        """For each leaf, the log sum over the ranges that contain it."""
        total = None
        for level in reversed(range(self.n_levels)):
            here = log_x.new_full((1 << (self.n_levels - 1 - level),), -torch.inf)
            for node, used in self.nodes[level]:
                here = _log_add_at(here, node, log_x.masked_fill(~used, -torch.inf))
            if total is not None:
                here = torch.logaddexp(here, total.repeat_interleave(2))
            total = here
        return total[: self.n_leaves]

    def collect(self, log_x: Tensor) -> Tensor:
        """For each range, the log sum over its leaves."""
        n_empty = (1 << (self.n_levels - 1)) - self.n_leaves
        here = torch.cat([log_x, log_x.new_full((n_empty,), -torch.inf)])
        total = log_x.new_full(self.nodes[0][0][0].shape, -torch.inf)
        for level in range(self.n_levels):
            for node, used in self.nodes[level]:
                part = here[node].masked_fill(~used, -torch.inf)
                total = torch.logaddexp(total, part)
            if len(here) > 1:
                here = torch.logaddexp(here[::2], here[1::2])
        return total


def cumulative_logsumexp(x: Tensor) -> Tensor:
    """Log of the cumulative sum of exp(x), for x of shape (n_samples,).

    Exponents are relative to the running maximum, rounded up to a step. Within a step,
    float32 neither overflows nor loses a relevant term. Few steps are needed, so this
    takes at most a fifth of the time of `torch.logcumsumexp`.
    """
    level = (x.cummax(0).values / _STEP).ceil().nan_to_num(0.0, neginf=0.0)
    level, size = level.unique_consecutive(return_counts=True)
    pieces, before = [], x.new_full((), -torch.inf)
    for part, top in zip(x.split(size.tolist()), level * _STEP):
        total = (part - top).exp().cumsum(0) + (before - top).exp()
        pieces.append(total.log() + top)
        before = pieces[-1][-1]
    return torch.cat(pieces)


def _falling(time: Tensor) -> Tensor:
    """Positions in order of falling time."""
    if time.dtype == torch.float32:
        # As integers, the bits of floats have the same order, and torch sorts integers
        # in rising order six times as fast.
        bits = time.view(torch.int32)
        return (~(bits ^ ((bits >> 31) & 0x7FFFFFFF))).argsort()
    return time.argsort(descending=True)


def _keys(
    time: Tensor, strata: Tensor | None, entry: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sort keys of end and entry: integers that rise by stratum, then as time falls."""
    both = time if entry is None else torch.cat([time, entry])
    distinct, rank = both.unique(return_inverse=True)
    n, n_ranks = len(time), len(distinct)
    entered = rank[n:] if entry is not None else torch.full_like(rank, -1)
    start = torch.zeros_like(rank[:n])
    if strata is not None:
        start = strata.unique(return_inverse=True)[1] * (n_ranks + 1)
    return start + n_ranks - 1 - rank[:n], start + n_ranks - 1 - entered


def _log_add_at(total: Tensor, index: Tensor, log_x: Tensor) -> Tensor:
    """Add exp(log_x) to exp(total) at `index`, which may repeat, in log space."""
    top = total.scatter_reduce(0, index, log_x, "amax")
    top = top.masked_fill(top == -torch.inf, 0.0)
    scaled = (total - top).exp().index_add(0, index, (log_x - top[index]).exp())
    return top + scaled.log()

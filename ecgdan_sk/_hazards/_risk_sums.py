"""Sums over everyone at risk, which stay in log space."""

import numpy as np


def log_at_risk(log_x, time, entry, at):
    """Log of the sum of exp(log_x) over everyone at risk at each of the times `at`."""
    if entry is not None:
        first = np.searchsorted(at, entry, side="right")
        return _log_range_sums(
            log_x, first, np.searchsorted(at, time, side="right"), len(at)
        )
    order = np.argsort(time)
    at_risk = np.logaddexp.accumulate(log_x[order][::-1])[::-1]
    return at_risk[np.searchsorted(time[order], at)]


def _log_range_sums(log_x, first, end, n_leaves):
    """At each leaf the sum over the ranges first <= leaf < end, in log space.

    Each range is the union of at most two nodes at each level of a binary tree, so that
    nothing is subtracted, as it would be of those who left from those who came.
    """
    levels, n_nodes = [], 1 << max(n_leaves - 1, 0).bit_length()
    while n_nodes:
        nodes, inside = np.full(n_nodes, -np.inf), first < end
        for node, used in (
            (first, inside & (first % 2 == 1)),
            (end - 1, inside & (end % 2 == 1)),
        ):
            np.logaddexp.at(nodes, node[used], log_x[used])
        levels.append(nodes)
        first, end, n_nodes = (first + 1) // 2, end // 2, n_nodes // 2
    total = levels.pop()
    while levels:
        total = np.logaddexp(levels.pop(), total.repeat(2))
    return total[:n_leaves]

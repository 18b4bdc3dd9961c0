"""Deletion and insertion: does the risk follow the order that an explanation gives?

n ECGs, U units, R random orders.
"""

import numpy as np

from .._model import log_risk

_MOST_POINTS = 12


def gains_over_random(estimator, X, whole, units, n_orders, rng):
    """Gain over random order, by test: arrays (n,) of areas in log risk.

    Deletion removes units, the most important first: the log risk should quickly reach
    the value of an ECG without any unit. Insertion adds them to the empty ECG in the
    same order: the log risk should quickly reach the value of the whole ECG. The gain
    is the area between this curve and the mean of the curves in random order. In ECGs
    of high risk, units that raise the risk come first; in ECGs of low risk, units that
    lower it.
    """
    direction = np.where(whole < 0, -1.0, 1.0)
    values = units.values * direction[:, None] if units.is_signed else units.values
    own = _areas(estimator, X, direction, units.without, _ranks(values))
    random = np.mean(
        [
            _areas(estimator, X, direction, units.without, _ranks(draw))
            for draw in _random_values(values, n_orders, rng)
        ],
        axis=0,
    )
    return {"deletion": random[0] - own[0], "insertion": own[1] - random[1]}


def _random_values(values, n_orders, rng):
    """Values in random order; units that an ECG lacks stay without a place in it."""
    for _ in range(n_orders):
        yield np.where(np.isnan(values), np.nan, rng.uniform(size=values.shape))


def _ranks(values):
    """Place (n, U) of each unit, the highest value first and NaN last."""
    order = np.argsort(-values, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def _areas(estimator, X, direction, without, ranks):
    """Areas (2, n) below the curves of deletion and of insertion."""
    n_units = ranks.shape[1]
    # Few units need every step; with many, some steps show the course.
    taken = np.unique(np.linspace(0, n_units, min(n_units, _MOST_POINTS) + 1).round())
    curves = [
        [direction * log_risk(estimator, without(X, gone)) for gone in masks]
        for masks in (
            [ranks < n for n in taken],
            [ranks >= n for n in taken],
        )
    ]
    return np.trapezoid(curves, taken / n_units, axis=1)

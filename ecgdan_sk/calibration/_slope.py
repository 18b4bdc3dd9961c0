"""The slope of a log risk: a Cox model of one parameter."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from ..losses import cox_loss

_STEEPEST = 20.0  # log hazard per standard deviation of the risk


def cox_slope(risk, event, time, *, strata=None, entry=None):
    """Log hazard ratio per unit of the log risk, stratified.

    None if all log risks are equal.
    """
    spread = risk.std()
    if spread == 0:
        return None
    columns = {"strata": strata, "entry": entry}
    columns = {n: torch.from_numpy(c) for n, c in columns.items() if c is not None}
    log_risk, event, time = (
        torch.from_numpy(np.asarray(values)) for values in (risk / spread, event, time)
    )

    def loss(slope):
        return cox_loss(slope * log_risk, event, time, **columns).item()

    best = minimize_scalar(loss, bounds=(-1, _STEEPEST), options={"xatol": 1e-8})
    return float(best.x / spread)

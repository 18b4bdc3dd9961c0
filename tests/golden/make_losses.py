"""Make losses.json: losses by pycox and torchsurv.

The tests read the inputs from here too, and need neither of the two.

Run `python tests/golden/make_losses.py` in an environment of its own with pycox 0.3 and
torchsurv 0.2.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).with_name("losses.json")
N_INTERVALS = 6


def cox_sample(seed, ties):
    """Log risk, event, time with or without ties, and stratum of 60 samples."""
    rng = np.random.default_rng(seed)
    log_risk, time = 2 * rng.standard_normal(60), rng.random(60) + 0.1
    event, strata = rng.random(60) < 0.6, rng.integers(0, 3, 60)
    time = np.ceil(8 * time) if ties else time
    return tuple(torch.from_numpy(x) for x in (log_risk, event, time, strata))


def discrete_sample(seed):
    """Logits, event, and the interval of the event or the last one survived."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((50, N_INTERVALS))
    event, interval = rng.random(50) < 0.5, rng.integers(0, N_INTERVALS, 50)
    return tuple(torch.from_numpy(x) for x in (logits, event, interval))


def by_pycox(seed):
    """Cox's loss without ties, and the losses of discrete time."""
    torch.set_default_dtype(torch.float64)
    from pycox.models.data import pair_rank_mat
    from pycox.models.loss import (
        DeepHitSingleLoss,
        cox_ph_loss,
        nll_logistic_hazard,
        nll_pmf,
    )

    log_risk, event, time, _ = cox_sample(seed, ties=False)
    logits, is_event, interval = discrete_sample(seed)
    rank = pair_rank_mat(interval.numpy(), is_event.numpy().astype(float))
    given = logits, interval, is_event.double()
    return {
        "cox": cox_ph_loss(log_risk, time, event.double(), eps=0.0).item(),
        "logistic_hazard": nll_logistic_hazard(*given).item(),
        "pmf": nll_pmf(*given, epsilon=0.0).item(),
        "deephit": DeepHitSingleLoss(0.2, 0.1)(
            *given, torch.from_numpy(rank).double()
        ).item(),
    }


def by_torchsurv(seed):
    """Cox's loss with ties, by event; without and with strata."""
    from torchsurv.loss.cox import neg_partial_log_likelihood

    log_risk, event, time, strata = cox_sample(seed, ties=True)
    return {
        f"{ties}{name}": neg_partial_log_likelihood(
            log_risk, event, time, ties_method=ties, reduction="sum", strata=given
        ).item()
        / event.sum().item()
        for ties in ("efron", "breslow")
        for name, given in (("", None), ("_strata", strata))
    }


def main():
    """Write the file."""
    golden = {
        "programs": {name: version(name) for name in ("pycox", "torchsurv", "torch")},
        # torchsurv computes in float32, whatever it is given.
        "torchsurv": [by_torchsurv(seed) for seed in range(3)],
        "pycox": [by_pycox(seed) for seed in range(3)],
    }
    FILE.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()

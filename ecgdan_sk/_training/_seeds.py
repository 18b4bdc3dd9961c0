"""Random numbers that leave the caller's as they were."""

from contextlib import contextmanager

import torch
from sklearn.utils import check_random_state


@contextmanager
def seeded(random_state):
    """Seed torch from `random_state`; the caller's generators stay as they were."""
    seed = check_random_state(random_state).randint(2**31 - 1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield

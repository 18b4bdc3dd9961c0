"""Round numbers along an axis."""

import numpy as np


def nice_ticks(end, n_most=6):
    """Round numbers from 0 to at most `end`, about so many."""
    rough = end / n_most
    unit = 10.0 ** np.floor(np.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * (1 - 1e-9))
    # Whole multiples, so that 0.3 is not 0.30000000000000004.
    return np.round(np.arange(int(end / step * (1 + 1e-9)) + 1) * step, 12)

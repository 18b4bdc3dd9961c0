"""Times to the first event from dates: the event, death, the end of follow-up."""

import numpy as np
import pandas as pd
from sksurv.util import Surv

_DAY = pd.Timedelta(days=1)


def as_outcome(causes, days, *, competing):
    """Structured target of (event, time in days); with `competing`, of causes."""
    causes, days = np.asarray(causes), np.asarray(days, dtype=np.float64)
    if not competing:
        return Surv.from_arrays(causes == 1, days, "event", "time")
    y = np.empty(len(days), dtype=[("event", np.int64), ("time", np.float64)])
    y["event"], y["time"] = causes, days
    return y


def first_of(start, event, death, last_contact):
    """First event after `start`, and the days until then.

    All are datetime Series with one row per person; `event` and `death` are NaT where
    there was none. An event or a death later than `last_contact` was not under
    observation. An event on the day of death comes first.

    Returns causes (0 censored, 1 event, 2 death) and days.
    """
    end = last_contact.where(death.isna() | (death > last_contact), death)
    died = death.notna() & (death <= last_contact)
    had_event = event.notna() & (event <= end)
    causes = np.where(had_event, 1, np.where(died, 2, 0))
    return causes, (end.where(~had_event, event) - start) / _DAY

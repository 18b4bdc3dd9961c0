"""A simulated cohort for a first look."""

from sklearn.utils import Bunch

from ..datasets import make_ecg_cohort
from ..records import ECGRecords


def demo_cohort(n_samples, random_state):
    """Simulated ECGs as `X`, their outcomes `y`, and a `note` that says so."""
    rate = 250
    cohort = make_ecg_cohort(
        n_samples,
        sampling_rate=rate,
        event_rate=0.5,
        random_state=random_state,
        verbose=1,
    )
    ids = [f"simulated-{i:05d}" for i in range(n_samples)]
    X = ECGRecords(cohort.X, rate, covariates=cohort.covariates, ids=ids)
    note = (
        "All of this is SIMULATED, the ECGs and the outcomes. Half of the risk lies in "
        "shapes of the ECG that no interval and no amplitude captures, so that the "
        "network should be ahead; age and sex matter only through the ECG."
    )
    return Bunch(X=X, y=cohort.y, note=note)

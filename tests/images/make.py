"""The pictures that tests compare with stored ones; run as a script, it stores them.

    python tests/images/make.py [name ...]

Data are written out or drawn from seeded generators here, so that a picture changes
only where drawing does. Look at each picture before you commit it.
"""

import sys
from pathlib import Path

import matplotlib.image
import matplotlib.style
import numpy as np
from sksurv.util import Surv

from ecgdan_sk.plotting import (
    AttentionDisplay,
    CalibrationDisplay,
    DecisionCurveDisplay,
    ECGDisplay,
    EmbeddingDisplay,
    GroupDifferenceDisplay,
    KaplanMeierDisplay,
    MeasurementDisplay,
    SurvivalCurveDisplay,
    TimeDependentAUCDisplay,
    TrainingCurveDisplay,
)
from ecgdan_sk.records import LEADS, ECGRecords

FOLDER = Path(__file__).parent
RATE = 250
STYLE = {"font.family": "DejaVu Sans", "figure.dpi": 50, "savefig.dpi": 50}


def ecgs(n=1, seconds=10):
    """ECGs (n, 12, T) of Gaussian waves, 75 beats per minute; one lead is absent."""
    time = np.arange(seconds * RATE) / RATE % 0.8
    height = np.array([0.8, 1.2, 0.5, -1, 0.3, 0.9, -0.8, -1.4, 0.6, 1.6, 1.4, 1.1])
    waves = [
        (0.2, 0.12, 0.025),
        (0.4, 1.0, 0.012),
        (0.43, -0.2, 0.01),
        (0.65, 0.25, 0.05),
    ]
    beat = sum(h * np.exp(-0.5 * ((time - at) / w) ** 2) for at, h, w in waves)
    scale = 1 + 0.2 * np.arange(n)
    return np.float32(scale[:, None, None] * height[:, None] * beat)


def follow_up(n=300):
    """Log risks, and outcomes in days that follow them."""
    rng = np.random.default_rng(0)
    log_risk = rng.normal(size=n)
    event = rng.exponential(2500 * np.exp(-log_risk))
    end = rng.uniform(300, 2500, n)
    return log_risk, Surv.from_arrays(event <= end, np.minimum(event, end))


def probability_of_event(log_risk, time=1000):
    """What a perfect model predicts for `follow_up`."""
    return 1 - np.exp(-time / 2500 * np.exp(log_risk))


def attention():
    """Maps of the shape that the network gives."""
    rng = np.random.default_rng(0)
    cross_lead = rng.dirichlet(np.full(12, 3.0), 12)
    time = np.arange(10 * RATE) / RATE
    temporal = 1 + 3 * np.exp(-0.5 * ((time - np.arange(12)[:, None] * 0.8) / 0.2) ** 2)
    return {
        "cross_lead": cross_lead,
        "lead_importance": cross_lead.mean(0),
        "lead_importance_sd": np.full(12, 0.01),
        "temporal": temporal / temporal.sum(1, keepdims=True),
    }


def ecg_3x4():
    X = ecgs()
    X[:, 4] = np.nan
    records = ECGRecords(X, RATE, ids=["Patient 7"])
    return ECGDisplay.from_signals(records)


def ecg_12x1():
    return ECGDisplay.from_signals(ecgs(), sampling_rate=RATE, layout="12x1")


def ecg_short():
    return ECGDisplay.from_signals(ecgs(seconds=3), sampling_rate=RATE)


def ecg_several():
    return ECGDisplay.from_signals(ecgs(3), sampling_rate=RATE)


def attention_all():
    ecg = ecgs()[0]
    return AttentionDisplay(LEADS, ecg=ecg, sampling_rate=RATE, **attention()).plot()


def group_difference():
    difference = attention()["cross_lead"] - 1 / 12
    p_values = np.where(np.abs(difference) > 0.08, 0.01, 0.5)
    return GroupDifferenceDisplay(difference, p_values).plot()


def kaplan_meier():
    log_risk, y = follow_up()
    return KaplanMeierDisplay.from_predictions(y, log_risk)


def kaplan_meier_two_groups():
    log_risk, y = follow_up()
    return KaplanMeierDisplay.from_predictions(y, log_risk, quantiles=(0.9,))


def survival_curves():
    times = np.linspace(0, 2500, 60)
    hazard = np.exp(np.sort(follow_up()[0]))[:, None] / 2500
    curves = np.exp(-hazard * times)
    return SurvivalCurveDisplay(times, curves[[50, 290]], curves).plot()


def calibration():
    log_risk, y = follow_up()
    risk = probability_of_event(1.5 * log_risk)
    return CalibrationDisplay.from_predictions(y, risk, time=1000)


def time_dependent_auc():
    log_risk, y = follow_up()
    few = {"n_resamples": 30, "random_state": 0, "times": [300, 600, 900, 1200]}
    noisy = log_risk + np.random.default_rng(1).normal(size=len(log_risk))
    first = TimeDependentAUCDisplay.from_predictions(y, log_risk, name="True", **few)
    return TimeDependentAUCDisplay.from_predictions(
        y, noisy, name="Noisy", ax=first.ax_, **few
    )


def decision_curve():
    log_risk, y = follow_up()
    return DecisionCurveDisplay.from_predictions(
        y, probability_of_event(log_risk), time=1000
    )


def training_curve():
    epochs = np.arange(30)
    train = [5 - 0.05 * epochs, 4.9 - 0.04 * epochs[:25]]
    valid = [4 + 0.002 * (epochs - 15) ** 2, 4.1 + 0.003 * (epochs[:25] - 12) ** 2]
    return TrainingCurveDisplay(train, valid).plot()


def measurement():
    return MeasurementDisplay.from_signals(ecgs(), sampling_rate=RATE)


def embedding_numbers():
    features = np.random.default_rng(0).normal(size=(120, 6)) * [5, 3, 1, 1, 1, 1]
    return EmbeddingDisplay(features, features[:, 0], name="Log risk").plot()


def embedding_labels():
    features = np.random.default_rng(0).normal(size=(120, 6)) * [5, 3, 1, 1, 1, 1]
    return EmbeddingDisplay(features, features[:, 0] > 0, name="Event").plot()


PICTURES = {
    make.__name__: make
    for make in (
        ecg_3x4,
        ecg_12x1,
        ecg_short,
        ecg_several,
        attention_all,
        group_difference,
        kaplan_meier,
        kaplan_meier_two_groups,
        survival_curves,
        calibration,
        time_dependent_auc,
        decision_curve,
        training_curve,
        measurement,
        embedding_numbers,
        embedding_labels,
    )
}


def drawn(make):
    """RGB values (height, width, 3) in uint8 of a picture, drawn without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.style.context(["default", STYLE]):
        figure = make().figure_
        figure.set_dpi(STYLE["figure.dpi"])
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        matplotlib.image.imsave(FOLDER / f"{name}.png", drawn(PICTURES[name]))

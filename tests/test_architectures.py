"""One face for every network: an architecture of one's own goes through it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk.architectures import Architecture, Compact, Paper
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.explain import attention_maps, lead_occlusion
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.network import ECGEncoder
from ecgdan_sk.records import LEADS, ECGRecords

QUICK = {"max_epochs": 2, "batch_size": 64, "n_members": 1, "random_state": 0}


class ResidualEncoder(ECGEncoder):
    """A plain 1-D residual network: (B, L, T) to (B, width)."""

    def __init__(self, n_leads, width, scale):
        super().__init__(scale)
        self.stem = nn.Conv1d(n_leads, width, 15, 8, 7)
        self.norm = nn.BatchNorm1d(width)
        self.conv = nn.Conv1d(width, width, 5, 1, 2)

    def forward(self, x, present=None):
        x = F.relu(self.norm(self.stem(self.scaled(x))))
        return (x + self.conv(x)).amax(2)


class Residual(Architecture):
    def __init__(self, width=16):
        self.width = width

    @property
    def latent_dim(self):
        return self.width

    def encoder(self, n_leads, n_times, *, scale=1.0, pretraining=False):
        return ResidualEncoder(n_leads, self.width, scale)


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        120, sampling_rate=100, duration=2.5, event_rate=0.4, random_state=0
    )


@pytest.fixture(scope="module")
def fitted(cohort):
    model = DualAttentionSurvival(architecture=Residual(), **QUICK)
    return model.fit(cohort.X, cohort.y)


def test_a_network_of_ones_own_learns_the_risk(cohort, fitted):
    assert isinstance(fitted.network_.encoder, ResidualEncoder)
    assert fitted.transform(cohort.X).shape == (120, 16)
    assert len(fitted.get_feature_names_out()) == 16
    start = fitted.history_[0, "train_loss"]
    longer = clone(fitted).set_params(max_epochs=8, lr=0.01).fit(cohort.X, cohort.y)
    assert longer.history_[-1, "train_loss"] < start
    again = clone(fitted).fit(cohort.X, cohort.y)
    np.testing.assert_array_equal(again.predict(cohort.X), fitted.predict(cohort.X))


def test_it_is_pretrained_and_goes_on_to_the_risk(cohort):
    pretrainer = ECGReportPretrainer(
        architecture=Residual(), max_epochs=2, random_state=0
    ).fit(cohort.X, cohort.scp_codes)
    weights = pretrainer.encoder_weights_
    model = DualAttentionSurvival(
        architecture=Residual(), pretrained=weights, freeze_encoder=True, **QUICK
    )
    np.testing.assert_allclose(
        model.fit(cohort.X, cohort.y).transform(cohort.X),
        pretrainer.transform(cohort.X),
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="Set width=16"):
        clone(model).set_params(architecture__width=8).fit(cohort.X, cohort.y)
    with pytest.raises(ValueError, match="Set architecture='Residual'"):
        clone(model).set_params(architecture="compact").fit(cohort.X, cohort.y)
    few = ECGRecords(cohort.X[:, :6], leads=LEADS[:6])
    with pytest.raises(ValueError, match="pretrained on the leads"):
        clone(model).fit(few, cohort.y)


def test_it_says_what_it_cannot(cohort, fitted, tmp_path):
    with pytest.raises(ValueError, match="temporal map does not exist.*lead_occlusion"):
        attention_maps(fitted, cohort.X[:2], maps=("temporal",))
    assert lead_occlusion(fitted, cohort.X[:2]).to_frame().shape == (2, 12)
    with pytest.raises(TypeError, match="a file holds no code"):
        fitted.save(tmp_path / "model.safetensors")
    assert not [*tmp_path.iterdir()]
    decoded = clone(fitted).set_params(reconstruction_weight=1.0)
    with pytest.raises(ValueError, match="has no decoder"):
        decoded.fit(cohort.X, cohort.y)


def test_its_parameters_are_tuned(cohort, fitted):
    search = GridSearchCV(
        clone(fitted), {"architecture__width": [4, 8]}, cv=EventKFold(2, random_state=0)
    ).fit(cohort.X, cohort.y)
    assert fitted.architecture.width == 16
    best = search.best_estimator_
    assert (
        best.transform(cohort.X).shape[1] == search.best_params_["architecture__width"]
    )


@pytest.mark.parametrize("kind", [Compact, Paper])
def test_a_name_stands_for_the_object_with_its_defaults(cohort, kind):
    by_name, by_object = (
        DualAttentionSurvival(architecture=given, **QUICK | {"max_epochs": 1})
        .fit(cohort.X, cohort.y)
        .predict(cohort.X)
        for given in (kind.name, kind())
    )
    np.testing.assert_array_equal(by_name, by_object)


@pytest.mark.parametrize("kind", [Compact, Paper])
def test_encoders_and_decoders_fit_together(kind):
    torch.manual_seed(0)
    architecture, x = kind(), torch.randn(3, 12, 100)
    present = torch.ones(3, 12, dtype=torch.bool)
    encoder, decoder = (
        architecture.encoder(12, 100).eval(),
        architecture.decoder(12, 100),
    )
    parts = encoder.parts(x, present)
    torch.testing.assert_close(parts[0], encoder(x))
    assert parts[0].shape == (3, architecture.latent_dim)
    assert decoder(parts, present, 100).shape == x.shape
    assert bool(encoder.lead_parameters()) is architecture.leads_stay_leads


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Compact(n_channels=6), "multiple of 4"),
        (Compact(latent_dim=0), "'latent_dim' parameter of Compact"),
        (Paper(lead_attention="no"), "'lead_attention' parameter of Paper"),
        ("resnet", "'architecture' parameter of DualAttentionSurvival"),
    ],
)
def test_wrong_parameters_are_told(cohort, architecture, message):
    with pytest.raises(ValueError, match=message):
        DualAttentionSurvival(architecture=architecture).fit(cohort.X, cohort.y)

"""Changes of training ECGs."""

import pytest
import torch

from ecgdan_sk.augmentation import crop, mask_leads


def test_crop_is_a_stretch_of_the_ecg():
    x = torch.arange(100.0).expand(3, 12, 100)
    starts = set()
    for _ in range(50):
        cropped = crop(x, 0.25)
        assert cropped.shape == (3, 12, 25)
        assert (cropped.diff() == 1).all()
        starts.add(cropped[0, 0, 0].item())
    assert len(starts) > 20
    assert crop(x, 1.0).shape == x.shape


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.999])
def test_mask_leads_keeps_one_and_never_adds(probability):
    torch.manual_seed(0)
    present = torch.rand(500, 12) < 0.5
    present[:, 0] = True
    masked = mask_leads(present, probability)
    assert masked.any(1).all()
    assert not (masked & ~present).any()


def test_mask_leads_masks_as_often_as_asked():
    torch.manual_seed(0)
    masked = mask_leads(torch.ones(20_000, 12, dtype=torch.bool), 0.2)
    # Half of the ECGs, a fifth of their leads.
    assert (~masked).float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert masked.all(1).float().mean().item() == pytest.approx(0.53, abs=0.03)

"""What the parameters that both estimators have mean for the training of a net."""

from .._architectures import architecture_of
from ..augmentation import Augmentation


def shared_settings(estimator):
    """Parameters of `train_net`, by name."""
    crop = estimator.crop
    if crop is None:
        crop = architecture_of(estimator).default_crop
    return {
        "augmentation": Augmentation(crop, estimator.lead_masking),
        **{
            name: getattr(estimator, name)
            for name in (
                "reconstruction_weight",
                "max_epochs",
                "patience",
                "micro_batch_size",
                "lr",
                "weight_decay",
                "callbacks",
                "device",
                "precision",
                "verbose",
            )
        },
    }

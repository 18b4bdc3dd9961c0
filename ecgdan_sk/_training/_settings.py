"""Training settings from the parameters that both estimators share."""

from ..augmentation import Augmentation


def shared_settings(estimator, default_crop):
    """Parameters of `train_net`, by name; the crop by default is the architecture's."""
    crop = default_crop if estimator.crop is None else estimator.crop
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

"""HuBERT-ECG (Coppola et al. 2024), by the HuBERT of the `transformers` library."""

from torch import Tensor, nn


class HuBERT(nn.Module):
    """Leads one after the other (B, L * T) to features (B, W), means over tokens.

    Parameters
    ----------
    **config : dict
        Parameters of `transformers.HubertConfig` that differ from its own.
    """

    def __init__(self, **config):
        super().__init__()
        try:
            from transformers import HubertConfig, HubertModel
        except ImportError as error:
            raise ImportError(
                "HuBERT-ECG needs transformers: pip install ecgdan_sk[text]."
            ) from error
        # Nothing is masked but in training.
        self.model = HubertModel(HubertConfig(**config, mask_time_prob=0.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).last_hidden_state.mean(1)

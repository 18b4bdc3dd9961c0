"""Write paper_network.json: outputs of the paper's network for weights from a formula.

The published network's own outputs are too large to keep here. These come from
`ecgdan_sk.paper_network` in the state in which it matched all of those, so that a
change of the network shows where they are not at hand.
Run: python make_paper_network.py
"""

import json
from pathlib import Path

import torch

from ecgdan_sk.paper_network import PaperAutoencoder, PaperRiskHead

PATH = Path(__file__).with_name("paper_network.json")


def outputs():
    """Latent features, reconstruction, log risk and attention maps of two ECGs."""
    network = filled(PaperAutoencoder(n_times=64))
    head = filled(PaperRiskHead())
    x = wave((2, 12, 64), start=0.5)
    with torch.no_grad():
        latent = network.encoder(x)
        lead, temporal = network.encoder.attention_maps(x)
        return {
            "latent": latent[:, ::32],
            "reconstruction": network(x)[:, ::5, ::8],
            "log_risk": head(latent),
            "lead_attention": lead[:, ::4],
            "temporal_attention": temporal[:, ::4],
        }


def filled(module):
    """`module` in eval mode with weights and statistics that owe nothing to chance."""
    for i, (name, value) in enumerate(module.state_dict().items()):
        if value.is_floating_point():
            positive = name.endswith("running_var")
            size = 1.0 if positive else max(1, value[0].numel()) ** -0.5
            value.copy_(size * (wave(value.shape, start=i) + 1.5 * positive))
    return module.eval()


def wave(shape, start):
    """Numbers between -1 and 1 that do not repeat."""
    position = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(start + position * 2**0.5).float().reshape(shape)


if __name__ == "__main__":
    golden = {
        "source": "tests/golden/make_paper_network.py",
        "torch": torch.__version__,
        "outputs": {name: value.tolist() for name, value in outputs().items()},
    }
    PATH.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")

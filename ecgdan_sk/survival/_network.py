"""The risk network: an encoder of any architecture with a risk head."""

from ..network import HeadedEncoder


def risk_net(
    architecture, *, n_leads, n_times, n_outputs, dropout, decoder, zero_start, scale
) -> HeadedEncoder:
    """A new network with random weights: ECGs (B, L, T) to (B,) or (B, n_outputs)."""
    return HeadedEncoder(
        architecture.encoder(n_leads, n_times, scale=scale),
        architecture.risk_head(n_outputs, dropout=dropout, zero_start=zero_start),
        architecture.decoder(n_leads, n_times) if decoder else None,
    )

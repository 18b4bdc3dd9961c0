"""ECGs and their outcomes, simulated from waves, beats, noise and patients."""

"""Training of one network on one version: steps, epochs, checkpoints, signals."""

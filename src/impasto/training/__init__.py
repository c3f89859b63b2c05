"""Training a network: data, loop, checkpoints, export."""

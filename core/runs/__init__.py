"""Runs: configuration, the loop, run folders, checkpoints and metrics."""

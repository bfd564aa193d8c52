"""Runs an exported policy with nothing but numpy.

from numpy_policy import Policy
policy = Policy("policy.npz")
action = policy(observation)          # [39] -> [4], in [-1, 1]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


class Policy:
    """The actor of a run: an MLP with ReLU whose last layer holds mean and log-std; acts by
    tanh(mean)."""

    def __init__(self, path: str | Path):
        with np.load(path) as file:
            count = sum(name.startswith("kernel_") for name in file)
            self._layers = [(file[f"kernel_{i}"], file[f"bias_{i}"]) for i in range(count)]
            self.task, self.protocol = str(file["task"]), str(file["protocol"])

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Maps observations [..., O] to actions [..., A]."""
        x = np.asarray(observation, np.float32)
        for kernel, bias in self._layers[:-1]:
            x = np.maximum(x @ kernel + bias, 0.0)
        kernel, bias = self._layers[-1]
        mean, _ = np.split(x @ kernel + bias, 2, axis=-1)
        return np.tanh(mean)

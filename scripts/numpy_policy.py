"""Runs an exported policy with nothing but numpy.

from numpy_policy import Policy
policy = Policy("policy.npz")
action = policy(observation)          # [39] -> [4], in [-1, 1]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


class Policy:
    """The actor of a run, an MLP, acting without noise.

    The file holds the layers, `activation` (`relu` or `tanh`), `head` (`tanh`: the action is tanh
    of the mean; `clip`: the mean clipped to [-1, 1]; `argmax`: the number of a discrete action),
    and, where observations are normalised, `obs_mean`, `obs_std` and `obs_limit`. The last layer
    may have standard deviations behind the means.
    """

    def __init__(self, path: str | Path):
        with np.load(path) as file:
            count = sum(name.startswith("kernel_") for name in file)
            self._layers = [(file[f"kernel_{i}"], file[f"bias_{i}"]) for i in range(count)]
            self.task, self.protocol = str(file["task"]), str(file["protocol"])
            text = lambda name, default: str(file[name]) if name in file else default
            self._activation, self._head = text("activation", "relu"), text("head", "tanh")
            self._normalise = None
            if "obs_mean" in file:
                self._normalise = (file["obs_mean"], file["obs_std"], float(file["obs_limit"]))
            last = len(self._layers[-1][1])
            self._actions = int(file["action_size"]) if "action_size" in file else last // 2

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Maps observations [..., O] to actions [..., A], or to the numbers of discrete actions."""
        x = np.asarray(observation, np.float32)
        if self._normalise is not None:
            mean, std, limit = self._normalise
            x = np.clip((x - mean) / std, -limit, limit)
        for kernel, bias in self._layers[:-1]:
            x = x @ kernel + bias
            x = np.tanh(x) if self._activation == "tanh" else np.maximum(x, 0.0)
        kernel, bias = self._layers[-1]
        mean = (x @ kernel + bias)[..., : self._actions]
        if self._head == "argmax":
            return np.argmax(mean, axis=-1)
        return np.tanh(mean) if self._head == "tanh" else np.clip(mean, -1.0, 1.0)

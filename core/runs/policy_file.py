"""Policies from the files that `scripts/export.py` writes: a network that only acts."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num


class Layers(NamedTuple):
    """The arrays of an exported policy: a pytree."""

    kernels: tuple[Float[Array, "I O"], ...]
    biases: tuple[Float[Array, " O"], ...]
    shift: Float[Array, " obs"]  # observations are (obs - shift) / scale, limited
    scale: Float[Array, " obs"]


@dataclasses.dataclass(frozen=True)
class Exported:
    """What an exported policy has in place of a learner.

    Attributes:
        obs_size: size of an observation.
        action_size: size of an action, or the number of discrete ones.
        activation: `relu` or `tanh`.
        head: `tanh` (the action is tanh of the mean), `clip` or `argmax`.
        limit: of normalised observations.
    """

    obs_size: int
    action_size: int
    activation: str
    head: str
    limit: float

    def mode(self, params: Layers, obs: Float[Array, "N obs"]) -> Num[Array, "N ..."]:
        """The actions of a deterministic policy."""
        x = jnp.clip((obs - params.shift) / params.scale, -self.limit, self.limit)
        *hidden, last = zip(params.kernels, params.biases, strict=True)
        for kernel, bias in hidden:
            x = x @ kernel + bias
            x = jnp.tanh(x) if self.activation == "tanh" else jnp.maximum(x, 0.0)
        mean = (x @ last[0] + last[1])[..., : self.action_size]
        if self.head == "argmax":
            return jnp.argmax(mean, axis=-1)
        return jnp.tanh(mean) if self.head == "tanh" else jnp.clip(mean, -1.0, 1.0)


def read(path: Path) -> tuple[str, str, Exported, Layers]:
    """Reads a policy: its task, protocol, network and arrays.

    Raises:
        ValueError: it is not an exported policy.
    """
    try:
        with np.load(path) as file:
            found: dict[str, Any] = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"policy {path} cannot be read: {error}") from error
    count = max(1, *(sum(n.startswith(kind) for n in found) for kind in ("kernel_", "bias_")))
    needed = {"task", "protocol", "action_size", "activation", "head"}
    missing = sorted(
        (needed | {f"{kind}_{i}" for kind in ("kernel", "bias") for i in range(count)}) - set(found)
    )
    if missing:
        raise ValueError(f"{path} is no policy of scripts/export.py: it lacks {', '.join(missing)}")
    size = found["kernel_0"].shape[0]
    layers = Layers(
        tuple(jnp.asarray(found[f"kernel_{i}"], jnp.float32) for i in range(count)),
        tuple(jnp.asarray(found[f"bias_{i}"], jnp.float32) for i in range(count)),
        jnp.asarray(found.get("obs_mean", np.zeros(size)), jnp.float32),
        jnp.asarray(found.get("obs_std", np.ones(size)), jnp.float32),
    )
    network = Exported(
        size,
        int(found["action_size"]),
        str(found["activation"]),
        str(found["head"]),
        float(found.get("obs_limit", np.inf)),
    )
    return str(found["task"]), str(found["protocol"]), network, layers


__all__ = ["Exported", "Layers", "read"]

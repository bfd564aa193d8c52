"""This project's own large reward model: the network with trained parameters, and its file."""

from __future__ import annotations

import dataclasses
import functools
import json
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from core_jax.reward_models.large_reward import network
from core_jax.reward_models.large_reward.judge import (
    Frames,
    Judgements,
    UniformJudge,
    join,
    judgements,
)
from core_jax.reward_models.large_reward.network import SIZE, RewardNet

OWN = "own"
_AT_ONCE = 64  # frames that pass through the network together
_UNIFORM_STD = float(np.std(np.linspace(0.0, 1.0, network.BINS)))


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedJudge(UniformJudge):
    """The network as a judge: pure functions of its parameters, jitted once.

    Progress is the mean of the distribution over eleven values, its confidence 1 - its standard
    deviation over that of a uniform one. Completion is a probability p, and comparison 2 p - 1;
    their confidence is |2 p - 1|.

    Attributes:
        words: the vocabulary.
        params: the network's.
        abstain_below: confidence below which there is no answer.
        name: for logs.
    """

    words: tuple[str, ...]
    params: Any
    abstain_below: float = 0.0
    name: str = OWN
    sees: bool = True
    size: int = SIZE

    def _answers(
        self,
        question: str,
        frames: tuple[Frames, ...],
        instruction: str,
        start: Frames | None,
        goal: Frames | None,
    ) -> Judgements:
        pictures = [_pictures(f) for f in frames]
        count = len(pictures[0])
        ends = [np.zeros_like(pictures[0]) if x is None else _pictures(x) for x in (start, goal)]
        tokens = np.repeat(network.tokenize(self.words, [instruction]), _AT_ONCE, axis=0)
        given = np.tile([[start is not None, goal is not None]], (_AT_ONCE, 1))
        parts = [judgements(np.zeros(0), np.zeros(0))]
        for i in range(0, count, _AT_ONCE):
            rows = np.minimum(np.arange(i, i + _AT_ONCE), count - 1)  # the last one fills up
            value, confidence = _ask(
                question, len(self.words), self.params, tuple(p[rows] for p in pictures), tokens,
                ends[0][rows], ends[1][rows], given,
            )  # fmt: skip
            kept = min(_AT_ONCE, count - i)
            value, confidence = np.asarray(value)[:kept], np.asarray(confidence)[:kept]
            parts.append(judgements(value, confidence, self.abstain_below))
        return join(parts)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _ask(
    question: str,
    words: int,
    params: Any,
    frames: tuple[jax.Array, ...],
    tokens: jax.Array,
    start: jax.Array,
    goal: jax.Array,
    given: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Values and confidences [B] of one question."""
    net = RewardNet(network.UNKNOWN + 1 + words)
    call: Any = functools.partial(net.apply, params)
    scene = call(tokens, start, goal, given, method="scene")
    joined = [call(call(f, method="pictures"), scene, method="joined") for f in frames]
    if question == "progress":
        chances = jax.nn.softmax(call(*joined, method="progress"))
        levels = jnp.linspace(0.0, 1.0, network.BINS)
        mean = chances @ levels
        std = jnp.sqrt(jnp.maximum(chances @ levels**2 - mean**2, 0.0))
        return mean, jnp.clip(1.0 - std / _UNIFORM_STD, 0.0, 1.0)
    chance = jax.nn.sigmoid(call(*joined, method=question))
    confidence = jnp.abs(2.0 * chance - 1.0)
    return (chance if question == "completion" else 2.0 * chance - 1.0), confidence


def save(path: Path, words: tuple[str, ...], params: Any) -> None:
    """Writes parameters, rounded to float16, and vocabulary as an .npz file."""
    rounded = jax.tree.map(lambda x: np.asarray(x, np.float16), params["params"])
    flat: Any = flatten_dict(rounded, sep="/")
    np.savez_compressed(path, words=np.array(words), **flat)


def load(path: Path | str = OWN, abstain_below: float = 0.0) -> TrainedJudge:
    """Reads a model.

    Args:
        path: a file of `save`, or `own` for the one that is part of the package.
        abstain_below: confidence below which it gives no answer.

    Raises:
        ValueError: there is no such file, or it is another's.
    """
    own = str(path) == OWN
    file: Any = _own_file() if own else Path(path)
    try:
        with file.open("rb") as opened, np.load(opened) as stored:
            words = tuple(str(w) for w in stored["words"])
            flat = {k: jnp.asarray(stored[k], jnp.float32) for k in stored.files if k != "words"}
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no file of a large reward model: {error}") from error
    params = {"params": unflatten_dict(flat, sep="/")}
    return TrainedJudge(words, params, abstain_below, OWN if own else Path(path).stem)


def card() -> dict[str, Any]:
    """How the package's model was trained, and its figures on held-out data."""
    file = resources.files("core_jax.reward_models.large_reward") / f"{OWN}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def _own_file() -> Any:
    return resources.files("core_jax.reward_models.large_reward") / f"{OWN}.npz"


def _pictures(frames: Frames) -> np.ndarray:
    if frames.pictures is None:
        raise ValueError("this judge looks at pictures, and the frames have none")
    if frames.pictures.shape[1:] != (SIZE, SIZE, 3):
        raise ValueError(
            f"pictures of shape {frames.pictures.shape}; it must be [B, {SIZE}, {SIZE}, 3]"
        )
    return frames.pictures

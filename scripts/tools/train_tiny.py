"""Trains `tiny`, the small image-text model that stands in for CLIP, on this project's renderer.

    python scripts/tools/train_tiny.py frames FOLDER
    python scripts/tools/train_tiny.py train FOLDER
    python scripts/tools/train_tiny.py leave-one-out FOLDER

`frames` plays scripted experts of all skills, down to nearly random ones, on the ten tasks, and
keeps pictures with their progress. `train` fits pictures to captions of their task and level of
progress (symmetric InfoNCE, Radford et al. 2021; all captions of the same task and level are right,
and those of the levels beside it in part) and writes `reward_models/embedding/tiny.npz`.
`leave-one-out` trains without each task in turn, its words included, and says how the score (cosine
with the goal caption) correlates with progress on episodes of that task; `train` says the same for
episodes that it was not given. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict

from core_jax import envs
from core_jax.envs.metaworld import experts
from core_jax.prompts.captions import LEVELS, goal_caption, graded_captions
from core_jax.reward_models.embedding import tiny
from core_jax.training import cache
from core_jax.visual.frames import FrameRenderer

# The tasks whose pictures the model knows.
TASKS = tuple(sorted((*envs.names("metaworld"), *envs.names("softgym"))))
EDGES = (0.1, 0.35, 0.65, 0.9)  # of progress, between the levels
EPISODES = {"fold-cloth": 48, "flatten-rope": 16, "pass-water": 8}  # 32 elsewhere
STEPS = 120  # of a Meta-World episode
TRAINED = 0.75  # share of the episodes that are trained on
PER_TASK = 2_000  # pictures of a task that are kept, the same number of each level
# How right captions of the level beside a picture's own are. Were they wrong, the score would say
# little more than whether the task is done.
NEAR = 0.4
SHIFT = 3  # pixels by which a picture is shifted at random
OUT = Path(__file__).parents[2] / "reward_models" / "embedding" / "tiny.npz"


def main() -> None:
    """Makes frames, trains, or evaluates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("frames", "train", "leave-one-out"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--protocol", choices=envs.PROTOCOLS, default="paper")
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    cache.enable()
    if flags.what == "frames":
        frames(flags.folder, flags.tasks, flags.protocol, flags.seed)
        return
    data = read(flags.folder)
    rows = {}
    if flags.what == "train":
        words, params = train(data, TASKS, flags)
        rounded = jax.tree.map(lambda x: np.asarray(x, np.float16), params["params"])
        flat = flatten_dict(rounded, sep="/")
        np.savez_compressed(OUT, words=np.array(words), **flat)
        model = tiny.make_tiny(words, {"params": jax.tree.map(np.float32, rounded)})
        rows = {t: correlation(data, t, model) for t in TASKS}
    else:
        for task in TASKS:
            words, params = train(data, [t for t in TASKS if t != task], flags)
            rows[task] = correlation(data, task, tiny.make_tiny(words, params))
            print(task, rows[task], flush=True)
    print(json.dumps({"what": flags.what, "steps": flags.steps, **rows}))


def frames(folder: Path, tasks: Sequence[str], protocol: str, seed: int) -> None:
    """A file for each task with pictures of graded behaviour; those that exist are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        index = TASKS.index(task)
        path, began = folder / f"{task}-{protocol}.npz", time.monotonic()
        if path.exists():
            continue
        env = envs.make(task, protocol)
        snapshots, progress, success = play(env, jax.random.key(seed + index))
        level = np.where(success > 0, 4, np.digitize(progress, EDGES))
        rng = np.random.default_rng(seed + index)
        kept = [
            rng.permutation(np.flatnonzero(level.reshape(-1) == i))[: PER_TASK // len(LEVELS)]
            for i in range(len(LEVELS))
        ]
        chosen = np.concatenate(kept)
        # As methods render by default: the gripper hidden, no shadows, one ray per pixel.
        draw = FrameRenderer(env, tiny.SIZE, False, False, 1, 32)
        episode = np.broadcast_to(np.arange(len(level))[:, None], level.shape)
        np.savez_compressed(
            path,
            picture=draw.render(snapshots.reshape(-1, snapshots.shape[-1])[chosen]),
            task=np.full(len(chosen), index),
            level=level.reshape(-1)[chosen],
            progress=progress.reshape(-1)[chosen],
            trained=episode.reshape(-1)[chosen] < TRAINED * len(level),
        )
        counts = [len(k) for k in kept]
        print(task, protocol, counts, f"{time.monotonic() - began:.0f} s", flush=True)


def read(folder: Path) -> dict[str, np.ndarray]:
    """All files as one: arrays over pictures; `task` is an index into `TASKS`."""
    files = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    return {name: np.concatenate([file[name] for file in files]) for name in files[0].files}


def play(env: Any, key: jax.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Snapshots, progress and success `[E, T, ...]` of episodes, from a perfect expert's to those
    of random actions, in random order."""
    suite = env.spec.suite
    count = EPISODES.get(env.spec.name, 32)
    order, key = jax.random.split(key)
    deficit = jax.random.permutation(order, jnp.linspace(0.0, 1.3, count))
    keys = jax.random.split(key, count)
    if suite == "metaworld":
        poor = experts.POOR
        skills = experts.Skill(
            noise=deficit * poor.noise,
            noise_lag=jnp.full(count, 8.0),
            slip=deficit * poor.slip,
            slip_length=jnp.full(count, 30.0),
            stop=deficit * poor.stop,
        )
        one = lambda key, skill: experts.rollout(env, key, skill, STEPS)
        done = jax.device_get(jax.jit(jax.vmap(one))(keys, skills))
        return done.snapshot, done.progress, done.success
    expert = envs.expert(env.spec.name)

    def episode(key: jax.Array, deficit: jax.Array) -> Any:
        def step(state: Any, key: jax.Array) -> Any:
            noise = jax.random.normal(key, (env.action_size,))
            action = jnp.clip(expert(state.obs) * (1 - deficit / 1.3) + deficit * noise, -1.0, 1.0)
            state = env.step(state, action)
            row = env.snapshot(state.pipeline_state), state.metrics["progress"]
            return state, (*row, state.metrics["success"])

        return jax.lax.scan(step, env.reset(key), jax.random.split(key, env.spec.horizon))[1]

    snapshots, progress, success = jax.device_get(jax.jit(jax.vmap(episode))(keys, deficit))
    return snapshots, progress, success


def train(data: dict[str, np.ndarray], tasks: Sequence[str], flags: Any) -> tuple[list[str], Any]:
    """Words and parameters of a model of some tasks. Words of other tasks alone are "", which is no
    word."""
    given = np.array([t in tasks for t in TASKS])
    texts, classes = [], []
    for index, task in enumerate(TASKS):
        for level, captions in enumerate(graded_captions(task)):
            texts += captions
            classes += len(captions) * [5 * index + level]
    classes = np.array(classes)
    in_use = given[classes // 5]
    split = [re.findall(r"[a-z]+", text) for text in texts]
    known = {w for words, use in zip(split, in_use, strict=True) if use for w in words}
    words = [w if w in known else "" for w in sorted({w for words in split for w in words})]
    tokens = tiny.tokenize(tiny.numbered(words), texts)
    kept = data["trained"] & given[data["task"]]
    pictures, labels = data["picture"][kept], (5 * data["task"] + data["level"])[kept]
    # Each level of each task as often: some are rare.
    weight = 1.0 / np.bincount(labels, minlength=5 * len(given))[labels]
    net = tiny.TinyModel(tiny.UNKNOWN + 1 + len(words))
    params: Any = net.init(jax.random.key(flags.seed), pictures[:1], tokens[:1])
    opt = optimizer(flags.steps).init(params)
    rng, began = np.random.default_rng(flags.seed), time.monotonic()
    for i in range(flags.steps):
        at = rng.choice(len(labels), flags.batch, p=weight / weight.sum())
        key = jax.random.fold_in(jax.random.key(flags.seed + 1), i)
        batch = (pictures[at], labels[at], tokens, classes, in_use)
        params, opt, value = step(net, flags.steps, params, opt, batch, key)
        if i % 100 == 0 or i == flags.steps - 1:
            print(f"step {i} loss {float(value):.3f} {time.monotonic() - began:.0f} s", flush=True)
    return words, params


@functools.partial(jax.jit, static_argnums=(0, 1))
def step(net: tiny.TinyModel, steps: int, params: Any, opt: Any, batch: Any, key: Any) -> Any:
    """One update on pictures that are shifted, and lighter or darker."""
    pictures, labels, *captions = batch
    shift_key, light_key, forget_key = jax.random.split(key, 3)
    shifts = jax.random.randint(shift_key, (len(labels), 2), 0, 2 * SHIFT + 1)
    wide = jnp.pad(pictures, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), "edge")
    cut = lambda p, s: jax.lax.dynamic_slice(p, (s[0], s[1], 0), pictures.shape[1:])
    light = jax.random.uniform(light_key, (len(labels), 1, 1, 1), minval=0.85, maxval=1.1)
    seen = jnp.clip(jax.vmap(cut)(wide, shifts) * light, 0, 255)
    value, grads = jax.value_and_grad(loss, argnums=1)(
        net, params, seen, labels, *captions, forget_key
    )
    updates, opt = optimizer(steps).update(grads, opt, params)
    return optax.apply_updates(params, updates), opt, value


def optimizer(steps: int) -> optax.GradientTransformation:
    """Adam with a warm-up and a cosine decay."""
    rate = optax.warmup_cosine_decay_schedule(0.0, 2e-3, 50, steps)
    return optax.adamw(rate, weight_decay=1e-3)


def loss(
    net: tiny.TinyModel,
    params: Any,
    pictures: jax.Array,
    labels: jax.Array,
    tokens: jax.Array,
    classes: jax.Array,
    in_use: jax.Array,
    key: jax.Array,
) -> jax.Array:
    """Symmetric InfoNCE; captions of a picture's class are right, those of near levels in part.

    Args:
        net, params: the model.
        pictures: [B, H, W, 3].
        labels: class of each picture [B].
        tokens: of all captions [C, L]; a tenth of the words are unknown, at random.
        classes: of the captions [C].
        in_use: captions that there are [C].
        key: chooses the words.
    """
    forget = jax.random.bernoulli(key, 0.1, tokens.shape) & (tokens > 0)
    logits: Any = net.apply(params, pictures, jnp.where(forget, tiny.UNKNOWN, tokens))
    logits = jnp.where(in_use, logits, -1e9)
    apart = jnp.abs(labels[:, None] - classes)
    same_task = labels[:, None] // 5 == classes // 5
    right = jnp.where(same_task & in_use, NEAR**apart, 0.0)
    per_row = right / jnp.maximum(right.sum(1, keepdims=True), 1)
    per_column = right / jnp.maximum(right.sum(0, keepdims=True), 1)
    rows = jnp.sum(per_row * jax.nn.log_softmax(logits, 1), 1)
    columns = jnp.sum(per_column * jax.nn.log_softmax(logits, 0), 0)
    return -jnp.mean(rows) - jnp.sum(columns) / jnp.sum(in_use)


def correlation(data: dict[str, np.ndarray], task: str, model: Any) -> dict[str, float]:
    """Pearson's and Spearman's correlation of score and progress on episodes not trained on."""
    kept = (data["task"] == TASKS.index(task)) & ~data["trained"]
    caption = goal_caption(task, envs.spec(task).instruction)
    text = model.text_features(model.tokenize([caption]))[0]
    score = np.asarray(model.image_features(data["picture"][kept]) @ text)
    progress = data["progress"][kept]
    ranks = lambda x: np.unique(x, return_inverse=True, return_counts=True)
    middle = lambda x: (lambda _, i, n: (np.cumsum(n) - (n - 1) / 2)[i])(*ranks(x))
    pearson = np.corrcoef(score, progress)[0, 1]
    spearman = np.corrcoef(middle(score), middle(progress))[0, 1]
    return {"pearson": round(float(pearson), 3), "spearman": round(float(spearman), 3)}


if __name__ == "__main__":
    main()

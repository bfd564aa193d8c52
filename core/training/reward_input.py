"""What the residual reward looks at: the part of the state that a picture shows, or the picture.

Pictures are never kept. A transition carries its world's snapshot, some dozen numbers, and the
network over pictures renders it wherever it is applied. Neighbouring pictures are nearly the same
(80 a second), so only every few steps one is looked at; between, the reward is interpolated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from core_jax import envs
from core_jax.agents.replay import ReplayState, Transition
from core_jax.envs import rendering
from core_jax.reward_models import networks, preference
from core_jax.runs.config import Config

_CACHED = 8
"""Pictures whose way through the network fits a CPU's cache (its first layer makes 30,000 numbers
of each). Of three members, eight at a time take a quarter to a third of the time of 256; with their
gradient, for which they are looked at twice, half to two thirds."""


class Sight(NamedTuple):
    """The residual reward's eyes.

    Attributes:
        model: the residual reward over frames.
        frames: `(next_obs [..., O], snapshot [..., K]) -> [..., F]`, what `model` is given.
        every: steps from one frame that is looked at to the next.
        scaled: whether frames are standardised first.
        compiler_options: for jitted functions that look.
    """

    model: preference.PreferenceModel
    frames: Callable[[jax.Array, jax.Array], jax.Array]
    every: int
    scaled: bool
    compiler_options: dict[str, bool | int] | None


def make_sight(config: Config, env: envs.TaskEnv) -> Sight:
    """Builds what `config.residual_input` asks for."""
    if config.residual_input == "state":
        model = preference.make_preference(config.residual)
        return Sight(model, lambda obs, _: env.spec.frame_view(obs), 1, True, None)
    pixels = config.pixels

    def draw(snapshots: jax.Array, shifts: jax.Array | None) -> jax.Array:
        def one(snapshot, shift):
            return rendering.render(
                env.view(snapshot, pixels.gripper),
                env.spec.camera,
                pixels.size,
                pixels.size,
                pixels.samples,
                pixels.shadows,
                shift,
            )

        return jax.vmap(one)(snapshots, shifts)

    fitting = dataclasses.replace(
        config.residual,
        clip_frames=pixels.clip_frames,
        shared_batches=True,
        batches=pixels.batches,
        learning_rate=pixels.learning_rate,
    )
    cached = min(config.render_batch, _CACHED) if jax.default_backend() == "cpu" else None
    network = networks.pixel_network(draw, cached or config.render_batch, pixels.shift, cached)
    model = preference.make_preference(fitting, network)
    return Sight(model, lambda _, snapshot: snapshot, pixels.every, False, looking_options())


def looking_options() -> dict[str, bool | int] | None:
    """Compiler options for jitted functions that render: XLA's older CPU emitters, which compile
    physics faster (`devices.prepare_cpu`), run ray casting many times slower, and code that is not
    optimised (tests compile so) slower still."""
    if jax.default_backend() != "cpu":
        return None
    options: dict[str, bool | int] = {"xla_backend_optimization_level": 3}
    if jax.__version_info__ < (0, 11):
        options["xla_cpu_use_fusion_emitters"] = True
    return options


def see_block(
    sight: Sight, state: preference.PreferenceState, ring: ReplayState, block: Transition
) -> jax.Array:
    """Residual reward of a block `[T, N]` that is about to follow what is in `ring`."""
    frames = sight.frames(block.next_obs, block.snapshot)
    if sight.every == 1:
        return sight.model.predict(state, frames)
    seen = sight.model.predict(state, frames[sight.every - 1 :: sight.every])
    newest = (ring.cursor - 1) % ring.data.cut.shape[0]
    before = ring.data.residual[newest]
    known = (ring.data.cut[newest] == 0) & (ring.size > 0)
    before = jnp.concatenate([before[None], seen[:-1]])
    known = jnp.concatenate([known[None], block.cut[sight.every - 1 : -1 : sight.every] == 0])
    return interpolate(seen, before, known, block.cut)


def see_replay(
    sight: Sight, state: preference.PreferenceState, ring: ReplayState, batch: int
) -> jax.Array:
    """Residual reward of all that is in replay, `[rows, N]`; rows never filled hold anything.

    Args:
        batch: frames looked at at once; bounds the memory.
    """
    data, every = ring.data, sight.every
    if every == 1:
        return sight.model.predict(state, sight.frames(data.next_obs, data.snapshot))
    snapshots = data.snapshot[every - 1 :: every]
    groups, lanes = snapshots.shape[:2]
    at_once = min(max(1, batch // lanes), groups)
    filled = (ring.size + every - 1) // every

    def look(i: jax.Array, seen: jax.Array) -> jax.Array:
        # The last window is moved back to end with the rows; what it repeats stays the same.
        start = jnp.minimum(i * at_once, groups - at_once)
        window = jax.lax.dynamic_slice_in_dim(snapshots, start, at_once)
        return jax.lax.dynamic_update_slice_in_dim(
            seen, sight.model.predict(state, window), start, 0
        )

    seen = data.residual[every - 1 :: every]
    seen = jax.lax.fori_loop(0, (filled + at_once - 1) // at_once, look, seen)
    ends = data.cut[every - 1 :: every]
    # What is before the oldest group in the ring is the newest one, or nothing.
    oldest = (jnp.arange(groups) == (ring.cursor - ring.size) // every % groups)[:, None]
    known = (jnp.roll(ends, 1, axis=0) == 0) & ~oldest
    return interpolate(seen, jnp.roll(seen, 1, axis=0), known, data.cut)


def interpolate(seen: jax.Array, before: jax.Array, known: jax.Array, cut: jax.Array) -> jax.Array:
    """Values of every step `[G * E, N]` from the values of each group's last step.

    Linear from the step before the group to its last one. Where an episode ends inside a group,
    the steps up to the end keep the value before and those after have the value seen.

    Args:
        seen: [G, N] at the groups' last steps.
        before: [G, N] at the steps before the groups.
        known: [G, N] whether `before` is of the same episode as the group's first step.
        cut: [G * E, N] 1 where an episode ended.
    """
    chex.assert_equal_shape([seen, before, known])
    groups, lanes = seen.shape
    every = cut.shape[0] // groups
    ends = (cut.reshape(groups, every, lanes) > 0).at[:, -1].set(False)
    ended = jnp.cumsum(ends, axis=1) - ends  # ends before this step, within the group
    ahead = jnp.sum(ends, axis=1, keepdims=True) - ended  # ends at or after it
    share = ((jnp.arange(every) + 1.0) / every)[None, :, None]
    before = jnp.where(known, before, seen)[:, None]
    linear = before + share * (seen[:, None] - before)
    value = jnp.where(ended > 0, seen[:, None], jnp.where(ahead > 0, before, linear))
    return value.reshape(groups * every, lanes)

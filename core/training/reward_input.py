"""What a learned reward looks at: the part of the state that a picture shows, or the picture.

Pictures are never kept. A transition carries its world's snapshot, some dozen numbers, and the
network over pictures renders it wherever it is applied. Neighbouring pictures are nearly the same
(80 a second), so only every few steps one is rendered; in between, the reward is interpolated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Protocol

import chex
import jax
import jax.numpy as jnp
from annotated_types import Ge

from core_jax import envs
from core_jax.agents.replay import ReplayState
from core_jax.reward_models import networks, preference
from core_jax.reward_models.denoise import RimeConfig
from core_jax.reward_models.fitting import EnsembleState
from core_jax.reward_models.source import Columns, Metrics
from core_jax.training.devices import rendering_options
from core_jax.training.shared import shared

InputKind = Literal["state", "pixels"]

_CACHED = 8
"""Pictures whose activations fit a CPU's cache (the first layer makes 30,000 numbers of each). With
three members, eight at a time take a quarter to a third of the time of 256; with their gradient,
for which they pass through the network twice, half to two thirds."""


@dataclasses.dataclass(frozen=True)
class PixelConfig:
    """Pictures for a learned reward (`--residual-input pixels`)."""

    size: Annotated[int, Ge(networks.SMALLEST_PICTURE)] = 64
    """Height and width."""
    samples: Annotated[int, Ge(1)] = 1
    """Rays per pixel along each side; more is smoother and slower."""
    shadows: bool = False
    """Whether things cast shadows."""
    gripper: bool = False
    """Whether the gripper is visible; the paper hides it, because it hides what matters."""
    every: Annotated[int, Ge(1)] = 5
    """Steps from one rendered picture to the next; the reward in between is interpolated."""
    shift: Annotated[float, Ge(0)] = 4.0
    """A fit sees pictures shifted at random by up to this many pixels."""
    rescore_every: Annotated[int, Ge(1)] = 3
    """Fits from one relabelling of all replay to the next; the first two always relabel."""


@dataclasses.dataclass(frozen=True)
class RewardInput:
    """How steps become the frames that a reward network reads.

    Attributes:
        network: one member's network over frames.
        frames: `(next_obs [..., O], snapshot [..., K]) -> [..., F]`.
        every: steps from one frame that is read to the next.
        scaled: whether frames are standardised first.
        compiler_options: for jitted functions that read frames.
    """

    network: networks.Network
    frames: Callable[[jax.Array, jax.Array], jax.Array]
    every: int
    scaled: bool
    compiler_options: dict[str, bool | int] | None = dataclasses.field(compare=False)


def make_input(
    kind: InputKind,
    env: envs.TaskEnv,
    pixels: PixelConfig,
    hidden: Sequence[int],
    render_batch: int,
    embedding: int | None = None,
) -> RewardInput:
    """Builds the input of a learned reward.

    Args:
        kind: state or pixels.
        env: whose steps are read.
        pixels: how pictures are rendered; not read for states.
        hidden: widths of the network over states; not read for pixels.
        render_batch: most pictures rendered at once.
        embedding: the network gives vectors of this width in place of rewards.
    """
    return _input(kind, env, pixels, tuple(hidden), render_batch, embedding)


@shared(16)
def _input(
    kind: InputKind,
    env: envs.TaskEnv,
    pixels: PixelConfig,
    hidden: tuple[int, ...],
    render_batch: int,
    embedding: int | None,
) -> RewardInput:
    if kind == "state":
        network = networks.state_network(hidden)
        if embedding is not None:
            network = networks.state_embedding(hidden, embedding)
        return RewardInput(network, lambda obs, _: env.spec.frame_view(obs), 1, True, None)

    if not env.spec.has_pictures:
        raise ValueError(f"task {env.spec.name} has no pictures to read")

    def draw(snapshots: jax.Array, shifts: jax.Array | None) -> jax.Array:
        def one(snapshot, shift):
            size, look = pixels.size, (pixels.samples, pixels.shadows, pixels.gripper)
            return env.picture(snapshot, size, size, *look, shift)

        return jax.vmap(one)(snapshots, shifts)

    cached = min(render_batch, _CACHED) if jax.default_backend() == "cpu" else None
    batch = cached or render_batch
    network = networks.pixel_network(draw, batch, pixels.shift, cached, embedding)
    options = rendering_options()
    return RewardInput(network, lambda _, snapshot: snapshot, pixels.every, False, options)


class RewardModel(Protocol):
    """A learned reward over frames as pure functions, such as `preference.PreferenceModel`."""

    @property
    def init(self) -> Callable[..., EnsembleState]: ...
    @property
    def standardise(self) -> Callable[..., EnsembleState]: ...
    @property
    def predict(self) -> Callable[..., jax.Array]: ...
    @property
    def members(self) -> Callable[..., jax.Array]: ...
    @property
    def fit(self) -> Callable[..., tuple[EnsembleState, Metrics]]: ...


class FramedLabels(Protocol):
    """Labels of frames: preferences, ratings."""

    def with_frames(self, of: Callable[..., jax.Array]) -> Any:
        """The labels with `of(next_obs, snapshot)` in place of these two."""
        ...


@dataclasses.dataclass(frozen=True)
class NetworkSource:
    """A learned reward over frames as a `RewardSource` with one column.

    Attributes:
        name: of the source and of its column.
        model: the ensemble as pure functions, which also say what labels it is fitted to.
        input: what it reads.
        render_batch: most frames read at once when all of replay is scored.
    """

    name: str
    model: RewardModel
    input: RewardInput
    render_batch: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.name,)

    @property
    def compiler_options(self) -> dict[str, bool | int] | None:
        """Rendering's, where the frames are pictures."""
        return self.input.compiler_options

    def init(self, key: jax.Array, example: Any) -> EnsembleState:
        """A fresh ensemble."""
        return self.model.init(key, self.input.frames(example.next_obs, example.snapshot))

    def score(
        self, state: EnsembleState, steps: Any, ring: ReplayState | None = None
    ) -> tuple[Columns, Metrics]:
        """Rewards `[T, N]` of steps that follow what is in `ring`."""
        frames = self.input.frames(steps.next_obs, steps.snapshot)
        every = self.input.every
        if every == 1:
            return {self.name: self.model.predict(state, frames)}, {}
        read = self.model.predict(state, frames[every - 1 :: every])
        if ring is None:
            before, known = read[0], jnp.zeros(read.shape[1:], bool)
        else:
            newest = (ring.cursor - 1) % ring.data.cut.shape[0]
            before = ring.data.rewards[self.name][newest]
            known = (ring.data.cut[newest] == 0) & (ring.size > 0)
        before = jnp.concatenate([before[None], read[:-1]])
        known = jnp.concatenate([known[None], steps.cut[every - 1 : -1 : every] == 0])
        return {self.name: interpolate(read, before, known, steps.cut)}, {}

    def rescore(self, state: EnsembleState, ring: ReplayState) -> Columns:
        """Rewards of all that is in replay, `[rows, N]`; rows never filled hold anything."""
        data, every = ring.data, self.input.every
        if every == 1:
            frames = self.input.frames(data.next_obs, data.snapshot)
            return {self.name: self.model.predict(state, frames)}
        snapshots = data.snapshot[every - 1 :: every]
        groups, envs_ = snapshots.shape[:2]
        at_once = min(max(1, self.render_batch // envs_), groups)
        filled = (ring.size + every - 1) // every

        def read_window(i: jax.Array, read: jax.Array) -> jax.Array:
            # The last window is moved back to end with the rows; what it repeats stays the same.
            start = jnp.minimum(i * at_once, groups - at_once)
            window = jax.lax.dynamic_slice_in_dim(snapshots, start, at_once)
            values = self.model.predict(state, window)
            return jax.lax.dynamic_update_slice_in_dim(read, values, start, 0)

        read = data.rewards[self.name][every - 1 :: every]
        read = jax.lax.fori_loop(0, (filled + at_once - 1) // at_once, read_window, read)
        return {self.name: interpolate_ring(read, ring, every)}

    def score_episode(self, state: EnsembleState, steps: Any) -> Columns:
        """Rewards `[T]` of one episode; every frame is read."""
        frames = self.input.frames(steps.next_obs, steps.snapshot)
        return {self.name: self.model.predict(state, frames)}

    def fit(
        self, state: EnsembleState, labels: FramedLabels, count: jax.Array, key: jax.Array
    ) -> tuple[EnsembleState, Metrics]:
        """Fits to labels in which (next_obs, snapshot) stand for the frames."""
        return self.model.fit(state, labels.with_frames(self.input.frames), count, key)

    def standardise(self, state: EnsembleState, steps: Any) -> EnsembleState:
        """The state with the mean and spread of some steps' frames, where frames are scaled."""
        if not self.input.scaled:
            return state
        return self.model.standardise(state, self.input.frames(steps.next_obs, steps.snapshot))


def pixel_fit(group: str, frames: int) -> dict[str, object]:
    """Settings of a fit to pictures, which cost more than states: fewer batches of fewer frames,
    and all members read the same ones.

    Args:
        group: name of the method's group of settings of the ensemble.
        frames: of a clip in a batch.
    """
    return {
        f"{group}.learning_rate": 1e-3,
        f"{group}.batches": 12,
        f"{group}.clip_frames": frames,
        f"{group}.shared_batches": True,
    }


def make_preference_source(
    name: str,
    config: preference.PreferenceConfig,
    input: RewardInput,
    render_batch: int,
    denoise: RimeConfig | None = None,
) -> NetworkSource:
    """A reward learned from preferences, as a source and column of that name; `denoise` filters the
    labels that it is fitted to."""
    model = _preference(config, input.network, denoise)
    return NetworkSource(name, model, input, render_batch)


_preference = shared(16)(preference.make_preference)


def interpolate_ring(read: jax.Array, ring: ReplayState, every: int) -> jax.Array:
    """Values of all that is in replay `[rows, N]` from those of each group's last step [G, N], both
    as the ring lies in memory."""
    ends = ring.data.cut[every - 1 :: every]
    # What is before the oldest group in the ring is the newest one, or nothing.
    oldest = jnp.arange(len(read)) == (ring.cursor - ring.size) // every % len(read)
    known = (jnp.roll(ends, 1, axis=0) == 0) & ~oldest[:, None]
    return interpolate(read, jnp.roll(read, 1, axis=0), known, ring.data.cut)


def interpolate(read: jax.Array, before: jax.Array, known: jax.Array, cut: jax.Array) -> jax.Array:
    """Values of every step `[G * E, N]` from the values of each group's last step.

    Linear from the step before the group to its last one. Where an episode ends inside a group,
    the steps up to the end keep the value before and those after have the value read.

    Args:
        read: [G, N] at the groups' last steps.
        before: [G, N] at the steps before the groups.
        known: [G, N] whether `before` is of the same episode as the group's first step.
        cut: [G * E, N] 1 where an episode ended.
    """
    chex.assert_equal_shape([read, before, known])
    groups, envs_ = read.shape
    every = cut.shape[0] // groups
    ends = (cut.reshape(groups, every, envs_) > 0).at[:, -1].set(False)
    ended = jnp.cumsum(ends, axis=1) - ends  # ends before this step, within the group
    ahead = jnp.sum(ends, axis=1, keepdims=True) - ended  # ends at or after it
    share = ((jnp.arange(every) + 1.0) / every)[None, :, None]
    before = jnp.where(known, before, read)[:, None]
    linear = before + share * (read[:, None] - before)
    value = jnp.where(ended > 0, read[:, None], jnp.where(ahead > 0, before, linear))
    return value.reshape(groups * every, envs_)

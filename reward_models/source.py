"""`RewardSource`: anything that gives steps a reward, as pure functions over named columns.

A compiled formal reward, an ensemble fitted to preferences, a frozen image-text score and the
benchmark's own reward all have this shape, so training, metrics and reports know none of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax

Columns = dict[str, jax.Array]
Metrics = dict[str, jax.Array]


class Steps(Protocol):
    """Environment steps, arrays `[T, N, ...]`; a transition of replay has these fields."""

    @property
    def action(self) -> jax.Array: ...
    @property
    def next_obs(self) -> jax.Array: ...
    @property
    def target(self) -> jax.Array: ...
    @property
    def snapshot(self) -> jax.Array: ...
    @property
    def truth(self) -> Any: ...
    @property
    def cut(self) -> jax.Array: ...


class RewardSource(Protocol):
    """Scores steps on the device.

    Attributes:
        name: key of its state; unique within a run.
        columns: the reward columns that it fills.
        compiler_options: of the XLA programs that score with it, if it needs any.
    """

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def compiler_options(self) -> dict[str, bool | int] | None: ...

    def init(self, key: jax.Array, example: Any) -> Any:
        """Returns the source's state, given one step as an example (arrays without axes T, N)."""
        ...

    def score(self, state: Any, steps: Any, ring: Any = None) -> tuple[Columns, Metrics]:
        """Scores steps `[T, N]` that are about to be added to replay.

        Args:
            state: from `init` or `fit`.
            steps: see `Steps`.
            ring: replay before they are added (`agents.replay.ReplayState`); None without.

        Returns:
            Each column `[T, N]`, and scalar metrics.
        """
        ...

    def rescore(self, state: Any, ring: Any) -> Columns:
        """Scores everything in replay `[rows, N]`; rows never filled may hold anything."""
        ...

    def score_episode(self, state: Any, steps: Any) -> Columns:
        """Scores one episode `[T]` exactly, step by step, for plots and videos."""
        ...


class LearnedSource(RewardSource, Protocol):
    """A source that is fitted to labels."""

    def fit(self, state: Any, labels: Any, count: jax.Array, key: jax.Array) -> tuple[Any, Metrics]:
        """Fits to the first `count` of the labels; returns the new state and scalar metrics."""
        ...


class HostSource(Protocol):
    """Scores steps outside of the device, such as by a served model, between collecting and
    inserting them. What it returns is part of the transition from then on.

    Attributes:
        columns: the reward columns that it fills.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...

    def score(self, steps: Any) -> Mapping[str, Any]:
        """Scores steps `[S, T, N, ...]` (arrays on the host); each column is `[S, T, N]`."""
        ...


@runtime_checkable
class ContinuingSource(HostSource, Protocol):
    """A host source that remembers the worlds from one call of `score` to the next."""

    def score_episode(self, steps: Any) -> Mapping[str, Any]:
        """Scores whole episodes `[S, T, N, ...]` that are not part of the training."""
        ...


class StatelessSource:
    """What a source without state, or with a plain `score`, has in common with all others."""

    compiler_options: dict[str, bool | int] | None = None

    def init(self, key: jax.Array, example: Any) -> Any:
        """No state."""
        del key, example
        return ()

    def rescore(self, state: Any, ring: Any) -> Columns:
        """As `score`."""
        return self.score(state, ring.data, None)[0]  # pyright: ignore[reportAttributeAccessIssue]

    def score_episode(self, state: Any, steps: Any) -> Columns:
        """As `score`."""
        return self.score(state, steps, None)[0]  # pyright: ignore[reportAttributeAccessIssue]


@dataclasses.dataclass(frozen=True)
class GroundTruth(StatelessSource):
    """The benchmark's own reward as a column, for the baselines that are given it.

    Attributes:
        field: of the steps' `truth`: dense, progress or success.
        column: the column's name.
    """

    field: str
    column: str

    @property
    def name(self) -> str:
        """As the column."""
        return self.column

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def score(self, state: Any, steps: Steps, ring: Any = None) -> tuple[Columns, Metrics]:
        """The field of the steps' ground truth."""
        del state, ring
        return {self.column: getattr(steps.truth, self.field)}, {}


class FillsColumns(Protocol):
    """Anything that fills reward columns."""

    @property
    def columns(self) -> tuple[str, ...]: ...


def columns_of(sources: Sequence[FillsColumns]) -> tuple[str, ...]:
    """All columns of some sources.

    Raises:
        ValueError: two sources fill the same column.
    """
    names = [column for source in sources for column in source.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two reward sources fill the column {', '.join(twice)}")
    return tuple(names)

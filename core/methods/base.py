"""What a method is to the loop: its settings, where its reward comes from, and its run.

A method's own state lives in a `MethodRun`. The loop trains chunk by chunk; at every boundary it
runs the triggers that are due, in order, then evaluates, logs and saves. Whether a trigger is due
depends on environment steps alone, so that a resumed run is the uninterrupted run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from core_jax import envs
from core_jax.agents.learner import Learner
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.rounds import Labelling
from core_jax.methods.triggers import Trigger
from core_jax.models.base import ChatModel
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.programs import Program
from core_jax.training.state import SeedState
from core_jax.training.train import Train

FitCall = tuple[Callable[..., Any], tuple[Any, ...]]
"""A jitted function of all seeds that fits a learned reward, and its arguments after the seeds."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What a run offers its method.

    Attributes:
        training: sizes and schedule.
        env: one world.
        learner: what acts and is updated.
        seed: number of the first seed.
        title: of the run, for headings.
        folder: the run's.
        store: the run's labels.
        labelling: makes what takes rounds of queries to the teacher, which is shown that many
            frames of a clip. None where the method asks for no labels.
        judge: what a scripted teacher compares: `reward` or `progress`.
        wait_for_labels: whether a round must be answered before training continues.
        chat_model: makes the language model that writes rewards, for a kind of prompt.
        note: logs a line.
    """

    training: TrainingConfig
    env: envs.TaskEnv
    learner: Learner
    seed: int
    title: str
    folder: Path
    store: LabelStore
    labelling: Callable[[int], Labelling]
    judge: str
    wait_for_labels: bool
    chat_model: Callable[[str], ChatModel]
    note: Callable[[str], None]

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return self.training.seeds


class MethodRun(Protocol):
    """A method's state during one run.

    Attributes:
        triggers: what is done when.
        phase: name of the present phase.
    """

    @property
    def triggers(self) -> Sequence[Trigger]: ...
    @property
    def phase(self) -> str: ...

    def prepare(self, seeds: SeedState) -> SeedState:
        """The seeds that a new run starts from, such as with policies that were learned before; not
        called on a resumed one."""
        ...

    def begin(self) -> None:
        """Before the first chunk of a new run; not called on a resumed one."""
        ...

    def programs(self) -> Mapping[str, Sequence[Program]]:
        """The reward programs in use: program column -> one for each seed."""
        ...

    def row(self) -> dict[str, Any]:
        """What every row of metrics says of the method."""
        ...

    def summary(self) -> dict[str, Any]:
        """What the run's summary says of the method."""
        ...

    def problem(self) -> Exception | None:
        """Why the run cannot continue, if it cannot: a checkpoint is saved and this is raised."""
        ...

    def arrays(self) -> dict[str, Any]:
        """Host arrays for a checkpoint; their shapes never change during a run."""
        ...

    def state(self) -> dict[str, Any]:
        """The rest of its state, JSON-able, for a checkpoint."""
        ...

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint."""
        ...

    def fit_call(self) -> FitCall | None:
        """The fit of its learned reward to all labels that a run can have, so that it can be
        compiled without a run; None where nothing is learned."""
        ...

    def close(self) -> None:
        """Ends what is under way; called before the summary is made and at the end."""
        ...


class Method(Protocol):
    """A method: stateless.

    Attributes:
        name: as `--method` knows it.
        summary: one line.
        config: class of its settings, a frozen dataclass that can be made without arguments. Its
            fields are flags; a field that is a dataclass is a group of flags.
        learner: the learner unless another is chosen; "" for the usual one.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    config: ClassVar[type]
    learner: ClassVar[str]

    def asks_teacher(self, config: Any) -> bool:
        """Whether it asks a teacher for labels."""
        ...

    def asks_writer(self, config: Any) -> bool:
        """Whether a language model writes its reward programs."""
        ...

    def prompt_kind(self) -> str:
        """Whose prompts and calling convention reward programs have: core, eureka, text2reward."""
        ...

    def presets(self, config: Any, task: str) -> Mapping[str, Any]:
        """Defaults that depend on its settings or on the task: dotted flag name -> value."""
        ...

    def unused(self, config: Any) -> Mapping[str, str]:
        """Flags that have no effect with these settings: dotted name -> why."""
        ...

    def check(self, config: Any, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """Raises a ValueError that names what is wrong with settings that do not fit together."""
        ...

    def parallel_seeds(self, config: Any, training: TrainingConfig) -> int:
        """Most seeds that are trained side by side, trials of candidates included."""
        ...

    def rewards(self, config: Any, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """Where its reward comes from."""
        ...

    def empty_arrays(
        self, config: Any, training: TrainingConfig, env: envs.TaskEnv
    ) -> dict[str, Any]:
        """Arrays as `MethodRun.arrays` returns them at the start."""
        ...

    def start(self, config: Any, context: Context, train: Train) -> MethodRun:
        """Starts a run."""
        ...


class BaseMethod:
    """Defaults for a method that asks nobody and has no settings of its own to check."""

    learner: ClassVar[str] = ""

    def asks_teacher(self, config: Any) -> bool:
        """No."""
        del config
        return False

    def asks_writer(self, config: Any) -> bool:
        """No."""
        del config
        return False

    def prompt_kind(self) -> str:
        """CoRe's."""
        return "core"

    def presets(self, config: Any, task: str) -> Mapping[str, Any]:
        """None."""
        del config, task
        return {}

    def unused(self, config: Any) -> Mapping[str, str]:
        """None."""
        del config
        return {}

    def check(self, config: Any, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """Nothing to check."""

    def parallel_seeds(self, config: Any, training: TrainingConfig) -> int:
        """The run's seeds."""
        del config
        return training.seeds

    def empty_arrays(
        self, config: Any, training: TrainingConfig, env: envs.TaskEnv
    ) -> dict[str, Any]:
        """None."""
        del config, training, env
        return {}


class BaseRun:
    """Defaults for a run whose reward never changes."""

    triggers: Sequence[Trigger] = ()

    @property
    def phase(self) -> str:
        """Always the same."""
        return "training"

    def prepare(self, seeds: SeedState) -> SeedState:
        """As they are."""
        return seeds

    def begin(self) -> None:
        """Nothing to do."""

    def programs(self) -> Mapping[str, Sequence[Program]]:
        """None."""
        return {}

    def row(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def summary(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def problem(self) -> Exception | None:
        """None."""
        return None

    def arrays(self) -> dict[str, Any]:
        """None."""
        return {}

    def state(self) -> dict[str, Any]:
        """None."""
        return {}

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Nothing to restore."""

    def fit_call(self) -> FitCall | None:
        """None."""
        return None

    def close(self) -> None:
        """Nothing to end."""

"""The registry of teachers: names, settings, what each can answer, and how it is made.

To add one: write a class with the `Teacher` protocol of `core_jax.feedback.queries`, a function
that makes its `Labelling`, and an entry in `TEACHERS`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_jax.feedback.teachers.replay_config import ReplayTeacherConfig
from core_jax.feedback.teachers.scripted_config import ScriptedConfig
from core_jax.feedback.teachers.vlm_config import VLMConfig

if TYPE_CHECKING:  # what a teacher needs is imported when it is made
    from core_jax.envs import TaskEnv
    from core_jax.feedback.labels import LabelStore
    from core_jax.feedback.rounds import Labelling
    from core_jax.feedback.teachers.vlm import Labeller

ALL_KINDS = frozenset({"pair", "rating", "progress", "completion", "order"})


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a run offers to the teacher that is made for it."""

    env: TaskEnv | None  # whose clips are labelled; scripted, person and replay do not need it
    store: LabelStore  # the run's labels
    folder: Path  # the run's
    frames_shown: int  # pictures of a clip
    seed: int  # the run's first one
    max_unanswered_rounds: int
    labeller: Labeller | None  # the model that a vlm asks


@dataclasses.dataclass(frozen=True)
class TeacherEntry:
    """One kind of teacher."""

    config: type | None  # its settings; None: it has none
    answers: frozenset[str]  # values of `query.asks`
    make: Callable[[Any, Surroundings], tuple[str, Labelling]]


def names() -> tuple[str, ...]:
    """Names of all teachers."""
    return tuple(TEACHERS)


def get(name: str) -> TeacherEntry:
    """A teacher's entry.

    Raises:
        ValueError: there is none of that name; suggests the nearest.
    """
    if name in TEACHERS:
        return TEACHERS[name]
    near = difflib.get_close_matches(name, TEACHERS, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown teacher {name!r}.{hint} Valid: {', '.join(TEACHERS)}.")


def config_class(name: str) -> type | None:
    """The class of a teacher's settings; None for a teacher without any."""
    return get(name).config


def make_labelling(
    teacher: str,
    config: Any,
    *,
    store: LabelStore,
    folder: Path,
    frames_shown: int,
    seed: int,
    env: TaskEnv | None = None,
    max_unanswered_rounds: int = 3,
    labeller: Labeller | None = None,
) -> tuple[str, Labelling]:
    """The teacher's full name, under which its labels are kept, and what takes rounds to it.

    Args:
        teacher: one of `names()`.
        config: settings of the class that `get(teacher).config` says; None for the defaults.
        store: the run's labels.
        folder: the run's.
        frames_shown: pictures of a clip that a teacher is shown.
        seed: the run's first one, for scripted teachers' errors.
        env: whose clips are labelled; only `vlm` needs it, to render them.
        max_unanswered_rounds: see `FeedbackConfig`.
        labeller: the model that a `vlm` asks.

    Raises:
        ValueError: an unknown teacher, settings of another class, or something it needs is missing.
    """
    entry = get(teacher)
    if config is None and entry.config is not None:
        config = entry.config()
    if entry.config is not None and not isinstance(config, entry.config):
        wanted = entry.config.__name__
        raise ValueError(f"teacher {teacher!r} takes a {wanted}, not {type(config).__name__}")
    given = Surroundings(env, store, folder, frames_shown, seed, max_unanswered_rounds, labeller)
    return entry.make(config, given)


def _scripted(config: ScriptedConfig, given: Surroundings) -> tuple[str, Labelling]:
    from core_jax.feedback.rounds import AtOnce
    from core_jax.feedback.teachers.scripted import ScriptedTeacher

    teacher = ScriptedTeacher(config, given.seed, given.frames_shown)
    return teacher.name, AtOnce(teacher, given.store)


def _vlm(config: VLMConfig, given: Surroundings) -> tuple[str, Labelling]:
    from core_jax.feedback.rounds import InBackground
    from core_jax.feedback.teachers.vlm import VLMTeacher
    from core_jax.visual.frames import FrameRenderer

    if given.labeller is None or given.env is None:
        missing = "labeller, the model to ask" if given.labeller is None else "env, to render clips"
        raise ValueError(f"teacher 'vlm' needs {missing}")
    batch = 2 * given.frames_shown if config.question == "core" else 2
    pictures = FrameRenderer(given.env, config.size, config.gripper, config.shadows, 1, batch)
    teacher = VLMTeacher(config, given.labeller, pictures, given.store, given.frames_shown)
    labelling = InBackground(teacher, given.store, config.in_flight, given.max_unanswered_rounds)
    return teacher.name, labelling


def _person(config: None, given: Surroundings) -> tuple[str, Labelling]:
    from core_jax.feedback.person.labelling import NAME, PersonLabelling

    return NAME, PersonLabelling(given.store)


def _replay(config: ReplayTeacherConfig, given: Surroundings) -> tuple[str, Labelling]:
    from core_jax.feedback.rounds import AtOnce
    from core_jax.feedback.teachers.replay import ReplayTeacher

    teacher = ReplayTeacher(config)
    return teacher.name, AtOnce(teacher, given.store)


TEACHERS: dict[str, TeacherEntry] = {
    "scripted": TeacherEntry(ScriptedConfig, ALL_KINDS, _scripted),
    "vlm": TeacherEntry(VLMConfig, ALL_KINDS - {"order"}, _vlm),
    "person": TeacherEntry(None, frozenset({"pair", "rating", "progress", "completion"}), _person),
    "replay": TeacherEntry(ReplayTeacherConfig, ALL_KINDS, _replay),
}

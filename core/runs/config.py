"""What a run is. `Config` composes the settings of the rooms; nothing below `core.runs` sees it
whole.

Defaults are CoRe's schedule on Meta-World with the updates per environment step chosen for a
laptop's CPU; `core_jax.runs.presets` has those of other tasks and methods.
"""

from __future__ import annotations

import dataclasses
import difflib
import numbers
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from core_jax import envs, methods
from core_jax.agents import learner as learners
from core_jax.feedback import teachers
from core_jax.models.chat_config import MODELS, ChatConfig
from core_jax.training.config import TrainingConfig


@dataclasses.dataclass(frozen=True)
class Config:
    """One run: a task, a method, a budget, and how fast to spend it."""

    task: str = "drawer-open"
    """What is learned: a built-in task, or module:attribute of a brax environment of your own."""
    method: str = "core"
    """Where the reward comes from."""
    protocol: str = "paper"
    """paper: nothing is random at reset; random: the benchmark's own resets."""
    randomise: Annotated[float, Ge(0), Le(3)] = 0.0
    """Meta-World: how far the physics of training worlds differs. Friction, damping, masses and the
    fingers' stiffness are multiplied or divided by up to 1 plus this, anew at each reset.
    Evaluations have the task's own physics."""
    teacher: str = "scripted"
    """Who gives labels. scripted: ground truth; vlm: a vision-language model; person: whoever runs
    `core-jax label RUN` meanwhile; replay: another run's labels."""
    learner: str = "sac"
    """How the policy is learned."""
    model: str = "replay"
    """Who writes formal rewards. replay: recorded replies; gemini; openai: OpenAI, or any service
    that speaks its protocol (see --chat.base-url)."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 0
    """The first seed; the others follow it."""
    sweep: Any = dataclasses.field(default_factory=dict)
    """A hyperparameter of the learner and its values, such as `sac.actor_lr 1e-4 3e-4`: each is
    trained with every seed, all as one program. May be given several times; every combination is
    trained."""
    wait_for_labels: bool = False
    """Wait for every round of a vlm's or a person's answers, as the paper does, instead of
    continuing to train."""
    max_cost: Annotated[float, Gt(0)] = 5.0
    """USD that a run may spend on gemini and openai. It stops before a request that could exceed
    them; --resume with more continues it."""
    eval_every: Annotated[int, Ge(1)] = 10_000
    """Environment steps between evaluations."""
    stop_at: Annotated[float | None, Gt(0), Le(1)] = None
    """Success at which training ends early: when the mean over seeds has been at least this in
    three evaluations in a row. None trains for all steps."""
    final_episodes: Annotated[int, Ge(1)] = 50
    """Episodes of the evaluation at the end."""
    checkpoint_every: Annotated[int, Ge(0)] = 20_000
    """Environment steps between checkpoints; 0 keeps only the last."""

    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    """Sizes and schedule of training."""
    settings: Any = None
    """The method's settings, an instance of its config class."""
    learner_settings: Any = None
    """The learner's settings."""
    teacher_settings: Any = None
    """The teacher's settings; None for a teacher without any."""
    chat: ChatConfig = dataclasses.field(default_factory=ChatConfig)
    """The hosted language model, where one is asked."""

    def __post_init__(self) -> None:
        """Fills in the default settings of the chosen method, learner and teacher."""
        if isinstance(self.sweep, Mapping):
            lists = {k: _listed(v) for k, v in self.sweep.items()}
            object.__setattr__(self, "sweep", lists)
        for name, cls in (
            ("settings", _method_class(self.method)),
            ("learner_settings", _learner_class(self.learner)),
            ("teacher_settings", _teacher_class(self.teacher)),
        ):
            if getattr(self, name) is None and cls is not None:
                object.__setattr__(self, name, cls())

    @property
    def recipe(self) -> methods.Method:
        """The method itself."""
        return methods.get(self.method)

    @property
    def asks_teacher(self) -> bool:
        """Whether labels are asked for."""
        return self.recipe.asks_teacher(self.settings)

    @property
    def asks_writer(self) -> bool:
        """Whether a language model writes rewards."""
        return self.recipe.asks_writer(self.settings)

    @property
    def hosted(self) -> bool:
        """Whether any hosted model is asked."""
        return self.labeller is not None or (self.asks_writer and self.model != "replay")

    @property
    def labeller(self) -> tuple[str, ChatConfig] | None:
        """The hosted model that a vlm teacher asks, and its settings; None without one."""
        if not (self.asks_teacher and self.teacher == "vlm"):
            return None
        vlm = self.teacher_settings
        return (self.model, self.chat) if vlm.model == "same" else (vlm.model, vlm.chat)


def suggest(what: str, value: str, valid: Iterable[str], more: str = "") -> None:
    """Raises ValueError unless `value` is one of `valid`; suggests the nearest."""
    valid = tuple(valid)
    if value in valid:
        return
    near = difflib.get_close_matches(str(value), valid, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {what} {value!r}.{hint} Valid: {', '.join(valid)}{more}.")


def check_names(values: Mapping[str, Any]) -> None:
    """Raises ValueError for an unknown task, method, protocol, teacher, learner or model."""
    task = values.get("task", "drawer-open")
    if ":" not in str(task):
        suggest("task", task, envs.names())
    method = values.get("method", "core")
    if not methods.known(str(method)):
        own = "; or module:attribute, or core_jax.register_method(...), for one of your own"
        suggest("method", method, methods.names(), own)
    for what, valid in (
        ("protocol", envs.PROTOCOLS),
        ("teacher", teachers.names()),
        ("learner", learners.names()),
        ("model", MODELS),
    ):
        if what in values:
            suggest(what, values[what], valid)


def _listed(values: Any) -> Any:
    """The values of a swept setting as a list of floats, as JSON keeps them; anything else as it
    is, for a check to refuse."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        return values
    return [float(v) if isinstance(v, numbers.Real) else v for v in values]


def _method_class(name: str) -> type | None:
    return methods.get(name).config if methods.known(name) else None


def _learner_class(name: str) -> type | None:
    return learners.config_class(name) if name in learners.names() else None


def _teacher_class(name: str) -> type | None:
    return teachers.config_class(name) if name in teachers.names() else None

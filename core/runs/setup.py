"""From a config to the parts of a run: environment, learner, training functions, teacher,
method."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core_jax import envs
from core_jax.agents.learner import ActionSpace, make_learner
from core_jax.feedback import teachers
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.labels.shown import pictures_shown
from core_jax.feedback.rounds import Labelling
from core_jax.methods.base import Context, MethodRun
from core_jax.models import (
    UsageLedger,
    check_chat_model,
    check_labeller,
    make_chat_model,
    make_labeller,
    open_ledger,
)
from core_jax.runs import members
from core_jax.runs.config import Config
from core_jax.training.config import TrainingConfig
from core_jax.training.devices import configure_jax
from core_jax.training.shared import shared
from core_jax.training.train import Train
from core_jax.training.train import make_train as make_training

SharedModels = Callable[[str, Callable[[], Any]], Any]
"""Gives the hosted model of a role, from a function that makes it (`core_jax.runs.processes`)."""


@dataclasses.dataclass
class Parts:
    """What a run is made of.

    Attributes:
        train: the functions that train.
        method: the method's state.
        teacher: the teacher's name; "" if labels are not asked for.
        store: the labels.
        ledger: what hosted models have cost; None if none is asked.
    """

    train: Train
    method: MethodRun
    teacher: str
    store: LabelStore
    ledger: UsageLedger | None

    def spent(self) -> tuple[int, float]:
        """Tokens and USD of the whole run; recordings and scripted teachers cost nothing."""
        return self.ledger.spent() if self.ledger else (0, 0.0)

    def pictures(self) -> int:
        """Pictures that the teacher was shown, of the seed with the most; 0 for a scripted one."""
        counts: Counter[int] = Counter()
        for one in pictures_shown(self.store, self.teacher):
            counts[one.seed] += one.pictures
        return max(counts.values(), default=0)

    def close(self) -> None:
        """Ends what is under way and closes all files."""
        self.method.close()
        self.store.close()
        if self.ledger:
            self.ledger.close()


def make_train(config: Config, env: envs.TaskEnv | None = None) -> Train:
    """The training functions of a config, for a loop of one's own.

    Args:
        config: checked by `core_jax.check`.
        env: one world of your own, in place of the config's task.
    """
    configure_jax(parallel_seeds(config))
    return make_functions(config, make_world(config) if env is None else env)


def parallel_seeds(config: Config) -> int:
    """Most seeds that are trained side by side, members of a sweep and trials included."""
    return config.recipe.parallel_seeds(config.settings, _training(config))


def make_world(config: Config) -> envs.TaskEnv:
    """The environment of a config; for a task of the package and equal settings the same object,
    so that runs of one process share what is compiled for it.

    Raises:
        ValueError: one that cannot vary its physics, as `randomise` wants.
    """
    if config.task in envs.names():
        return _world(config.task, config.protocol, config.randomise)
    return _varied(envs.make(config.task, protocol=config.protocol), config.randomise)


@shared(8)
def _world(task: str, protocol: str, randomise: float) -> envs.TaskEnv:
    return _varied(envs.make(task, protocol=protocol), randomise)


def _varied(env: envs.TaskEnv, randomise: float) -> envs.TaskEnv:
    return env.randomised(randomise) if randomise else env


def make_functions(config: Config, env: envs.TaskEnv) -> Train:
    """The training functions of a config.

    Raises:
        ValueError: the learner cannot act in this environment.
    """
    space = ActionSpace(env.action_size, getattr(env.spec, "discrete", False))
    learner = make_learner(config.learner, config.learner_settings, env.observation_size, space)
    training = _training(config)
    rewards = config.recipe.rewards(config.settings, training, env)
    return make_training(training, env, learner, rewards)


def make_parts(
    config: Config,
    out: Path,
    note: Callable[[str], None],
    env: envs.TaskEnv | None = None,
    base_url_trusted: bool = True,
    models: SharedModels | None = None,
) -> Parts:
    """Builds a run in its folder.

    Args:
        config: checked.
        out: the run's folder.
        note: logs a line.
        env: an environment in place of the config's task.
        base_url_trusted: whether the user gave the service's address, and not a config file.
        models: gives hosted models that several processes share.
    """
    shared: SharedModels = models or (lambda role, make: make())
    env = make_world(config) if env is None else _varied(env, config.randomise)
    train = make_functions(config, env)
    store = LabelStore(out / "labels.sqlite")
    ledger = open_ledger(config.max_cost, out, note) if config.hosted else None
    name = ""
    made: list[Labelling] = []

    def labelling(frames_shown: int) -> Labelling:
        nonlocal name
        asked, feedback = None, getattr(config.settings, "feedback", None)
        if config.labeller is not None and ledger is not None:
            make = functools.partial(
                make_labeller, *config.labeller, ledger=ledger, base_url_trusted=base_url_trusted
            )
            asked = shared("labeller", make)
        name, found = teachers.make_labelling(
            config.teacher,
            config.teacher_settings,
            env=env,
            store=store,
            folder=out,
            frames_shown=frames_shown,
            seed=config.seed,
            max_unanswered_rounds=getattr(feedback, "max_unanswered_rounds", 3),
            labeller=asked,
        )
        made.append(found)
        return found

    context = Context(
        training=_training(config),
        env=env,
        learner=train.plan.learner,
        seed=config.seed,
        title=f"{config.method} on {config.task} ({config.protocol})",
        folder=out,
        store=store,
        labelling=labelling,
        judge=_judge(config),
        wait_for_labels=config.wait_for_labels,
        chat_model=lambda kind: _chat_model(config, kind, ledger, base_url_trusted, shared),
        note=note,
    )
    method = config.recipe.start(config.settings, context, train)
    return Parts(train, method, name, store, ledger)


def _training(config: Config) -> TrainingConfig:
    """Sizes and schedule, with one seed for each member of the sweep."""
    return dataclasses.replace(config.training, seeds=len(members.of(config)))


def check_outside(config: Config, base_url_trusted: bool = True) -> None:
    """Raises a ValueError if a recording or the key of a hosted model is missing, or if the key
    must not be sent to where the service is."""
    if config.asks_writer:
        check_chat_model(
            config.model,
            config.chat,
            task=config.task,
            writer=config.recipe.prompt_kind(),
            base_url_trusted=base_url_trusted,
        )
    if config.labeller is not None:
        check_labeller(*config.labeller, base_url_trusted=base_url_trusted)


def _chat_model(
    config: Config,
    kind: str,
    ledger: UsageLedger | None,
    base_url_trusted: bool,
    shared: SharedModels,
) -> Any:
    make = functools.partial(
        make_chat_model,
        config.model,
        config.chat,
        task=config.task,
        writer=kind,
        ledger=ledger,
        base_url_trusted=base_url_trusted,
    )
    return make() if config.model == "replay" else shared("writer", make)


def _judge(config: Config) -> str:
    """What a scripted teacher compares; its thresholds are in units of that."""
    parameters = getattr(config.teacher_settings, "parameters", None)
    return parameters().judge if parameters else "reward"

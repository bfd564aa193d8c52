"""Reports on teachers.

    python scripts/tools/teacher_report.py --run RUN
    python scripts/tools/teacher_report.py --task T --teacher scripted|vlm|replay

The first evaluates the labels that a run has; the second asks a teacher about pairs of clips of
scripted experts of all skills, in both orders. With `--run RUN --ask` the teacher that the other
flags name is asked about the run's questions.

Writes `teachers.png`, `teachers.md` and `teachers.json`; the table goes to stdout, too, whose last
line is one JSON object. What is asked goes to labels of the report's own folder, so nothing is paid
for twice, and a report that stopped continues when it is started again.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro
from annotated_types import Ge, Gt, Le

from core_jax import envs, files
from core_jax.feedback.expert_pairs import expert_questions
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.quality import Quality, quality
from core_jax.feedback.queries import Pair, PairLabel
from core_jax.feedback.rounds import Entry, Round
from core_jax.feedback.teachers import make_labelling
from core_jax.feedback.teachers import names as teacher_names
from core_jax.feedback.teachers.replay_config import ReplayTeacherConfig
from core_jax.feedback.teachers.scripted_config import PRESETS, ScriptedConfig
from core_jax.feedback.teachers.vlm_config import VLMConfig, check_vlm
from core_jax.models import ChatError, check_labeller, make_labeller, open_ledger
from core_jax.models.chat_config import ChatConfig
from core_jax.report import teachers
from core_jax.runs import fields, run_folder
from core_jax.runs.config import suggest
from core_jax.training import cache, devices

DESCRIPTION = """Evaluates the labels of a run (--run RUN), or asks a teacher about pairs of clips
of scripted experts (--task T --teacher NAME).

A teacher's own settings are flags, too: --scripted.*, --vlm.*, --replay.* and --chat.* (the hosted
model), as core-jax train lists them (train --teacher NAME --help).
"""


@dataclasses.dataclass(frozen=True)
class OwnFlags:
    """CoRe-JAX: how good are the teachers?"""

    run: Path | None = None
    """A run's folder: its questions, in place of experts' clips."""
    ask: bool = False
    """Ask --teacher about the run's questions, in place of evaluating the labels that are there."""
    teacher: str = "scripted"
    """The teacher to ask: scripted, vlm or replay."""
    teachers: tuple[str, ...] = ()
    """Several side by side: vlm, replay, and scripted- with a kind, such as scripted-oracle."""
    questions: Annotated[int, Ge(1)] = 200
    """Number of questions, each asked in both orders; of a run the first ones."""
    out: Path = Path("teacher-report")
    """The report's folder."""
    task: str = "drawer-open"
    """Whose experts' clips are asked about."""
    protocol: str = "paper"
    """paper: nothing is random at reset; random: the benchmark's own resets."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 0
    clip_length: Annotated[int, Ge(1), Le(150)] = 20
    """Steps of a clip of experts."""
    dense_scale: Annotated[float, Gt(0.0)] = 0.1
    """The ground-truth dense reward of experts' clips is multiplied by this."""
    frames_shown: Annotated[int, Ge(1)] = 3
    """Pictures of each clip that a teacher is shown."""
    model: str = "gemini"
    """Which service a vlm asks, where --vlm.model is same: gemini or openai."""
    max_cost: Annotated[float, Gt(0.0)] = 5.0
    """USD that the report may spend."""


@dataclasses.dataclass(frozen=True)
class Flags(OwnFlags):
    """With the settings that have flags and are not listed: there are several times as many."""

    chat: ChatConfig = dataclasses.field(default_factory=ChatConfig)
    scripted: ScriptedConfig = dataclasses.field(default_factory=ScriptedConfig)
    vlm: VLMConfig = dataclasses.field(default_factory=VLMConfig)
    replay: ReplayTeacherConfig = dataclasses.field(default_factory=ReplayTeacherConfig)

    @property
    def labeller(self) -> tuple[str, ChatConfig]:
        """The service that a vlm asks, and its settings."""
        same = self.vlm.model == "same"
        return (self.model, self.chat) if same else (self.vlm.model, self.vlm.chat)


class Asked(NamedTuple):
    """One teacher of a report."""

    teacher: str  # a name of the registry
    settings: Any


def main() -> int:
    """Writes the report; returns 2 for a bad flag or a teacher that does not answer."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        tyro.cli(OwnFlags, description=DESCRIPTION)  # lists them and exits
    flags = tyro.cli(Flags, description=DESCRIPTION)
    devices.prepare_cpu(1)
    cache.enable()
    try:
        check_group("", flags)
        if flags.run is not None and not flags.ask:
            found, title = judged(flags.run), f"the labels of {flags.run.name}"
        else:
            found, title = asked(flags)
    except (ValueError, ChatError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    flags.out.mkdir(parents=True, exist_ok=True)
    teachers.draw(found, title, flags.out / "teachers.png")
    (flags.out / "teachers.md").write_text(teachers.markdown(found))
    content = {"about": title, "teachers": teachers.as_json(found)}
    files.write_json(flags.out / "teachers.json", content)
    print(teachers.markdown(found))
    print(json.dumps({"report": str(flags.out), **content}))
    return 0


def judged(run: Path) -> dict[str, Quality]:
    """Quality of every teacher by the answers that a run has.

    Raises:
        ValueError: it has none.
    """
    store = _labels(run)
    answered: dict[str, tuple[list[Pair], list[PairLabel]]] = {}
    for question in _distinct(store):
        for name, answer in store.answers(question.key()).items():
            assert isinstance(answer, PairLabel)  # the store checks it against the question
            questions, answers = answered.setdefault(name, ([], []))
            questions.append(question)
            answers.append(answer)
    store.close()
    if not answered:
        raise ValueError(f"{run} has no labels of pairs yet")
    return {name: quality(*both) for name, both in answered.items()}


def asked(flags: Flags) -> tuple[dict[str, Quality], str]:
    """Asks teachers in both orders; quality by their names, and what they were asked about."""
    teachers_, (task, protocol) = _teachers(flags), (flags.task, flags.protocol)
    if flags.run is not None:
        of_run = run_folder.load_config(flags.run)
        task, protocol = of_run.task, of_run.protocol
    suggest("task", task, envs.names())
    suggest("protocol", protocol, envs.PROTOCOLS)
    env = envs.make(task, protocol=protocol)
    if flags.run is not None:
        store = _labels(flags.run)
        questions = [q._replace(seed=0, round=0) for q in _distinct(store)[: flags.questions]]
        store.close()
        title = f"questions of {flags.run.name}"
    else:
        questions = expert_questions(
            env,
            flags.questions,
            clip_length=flags.clip_length,
            dense_scale=flags.dense_scale,
            seed=flags.seed,
        )
        title = f"clips of scripted experts, {task} ({protocol})"
    flags.out.mkdir(parents=True, exist_ok=True)
    store = LabelStore(flags.out / "labels.sqlite")
    try:
        found = dict(_ask(flags, one, env, store, questions) for one in teachers_)
    finally:
        store.close()
    return found, title


def _teachers(flags: Flags) -> list[Asked]:
    """The teachers that the flags name, with checked settings."""
    found = []
    for name in flags.teachers or (flags.teacher,):
        if name.startswith("scripted-"):
            suggest("teacher", name, tuple(f"scripted-{kind}" for kind in PRESETS))
            kind = name.removeprefix("scripted-")
            found.append(Asked("scripted", dataclasses.replace(flags.scripted, kind=kind)))
            continue
        suggest("teacher", name, teacher_names())
        if name == "person":
            raise ValueError("a person is evaluated by a run's labels: leave --ask out")
        found.append(Asked(name, getattr(flags, name)))
        if name == "vlm":
            check_vlm(flags.vlm, *flags.labeller, flags.max_cost)
            check_labeller(*flags.labeller)
    return found


def _ask(
    flags: Flags, one: Asked, env: envs.TaskEnv, store: LabelStore, questions: list[Pair]
) -> tuple[str, Quality]:
    ledger = open_ledger(flags.max_cost, flags.out) if one.teacher == "vlm" else None
    name, labelling = make_labelling(
        one.teacher,
        one.settings,
        env=env,
        store=store,
        folder=flags.out,
        frames_shown=flags.frames_shown,
        seed=flags.seed,
        labeller=None if ledger is None else make_labeller(*flags.labeller, ledger=ledger),
    )
    mean_reward = float(np.mean([[q.a.dense, q.b.dense] for q in questions]))
    labels: list[list[Any]] = []
    try:
        for order, pairs in enumerate((questions, [_turned(q) for q in questions])):
            labelling.put(Round(order, 0, False, tuple(Entry(0, q, mean_reward) for q in pairs)))
            [arrived] = labelling.collect(0)
            labels.append(arrived.labels)
    finally:
        labelling.close()
        if ledger is not None:
            ledger.close()
    if labelling.problem is not None:
        raise labelling.problem
    both = [i for i in range(len(questions)) if None not in (labels[0][i], labels[1][i])]
    if not both:
        raise ValueError(f"{name} answered none of the questions: {labelling.failure}")
    first, turned = ([given[i] for i in both] for given in labels)
    return name, quality([questions[i] for i in both], first, turned)


def check_group(prefix: str, group: Any) -> None:
    """Raises ValueError naming the flag if one of a group's values is out of its bounds."""
    for name, kind in fields.hints(type(group)).items():
        value = getattr(group, name)
        if dataclasses.is_dataclass(value):
            check_group(f"{prefix}{name}.", value)
        else:
            fields.check_value(f"{prefix}{name}", value, kind)


def _turned(question: Pair) -> Pair:
    return question._replace(a=question.b, b=question.a, round=1)


def _labels(run: Path) -> LabelStore:
    path = run / "labels.sqlite"
    if not path.exists():
        raise ValueError(f"{run} has no labels: it has no labels.sqlite")
    return LabelStore(path)


def _distinct(store: LabelStore) -> list[Pair]:
    """The pairs of a run; other kinds of questions are not part of this report."""
    found = {asked.key: asked.question for asked in store.questions()}
    return [question for question in found.values() if isinstance(question, Pair)]


if __name__ == "__main__":
    sys.exit(main())

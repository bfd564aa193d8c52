"""Reports on teachers: `python scripts/tools/teacher_report.py --run RUN` on the answers that a run
has,
`--task T --teacher scripted|vlm` on pairs of clips of scripted experts of all skills, asked in both
orders.

Writes `teachers.png`, `teachers.md` and `teachers.json`; the table goes to stdout, too, whose last
line is one JSON object. With `--run RUN --ask` the teacher that the other flags name is asked about
the run's questions. What is asked goes to labels of the report's own folder, so nothing is paid for
twice, and a report that stopped goes on when it is started again.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import tyro

from core_jax import envs
from core_jax.feedback.expert_pairs import expert_questions
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.quality import Quality, quality
from core_jax.feedback.queries import Pair, PairLabel
from core_jax.feedback.rounds import Entry, Round
from core_jax.feedback.teachers import make_labelling
from core_jax.feedback.teachers.scripted_config import PRESETS
from core_jax.models import ChatError, check_labeller, make_labeller, open_books
from core_jax.report import teachers
from core_jax.runs import run_folder
from core_jax.runs.config import Config, check, suggest
from core_jax.training import cache, devices


@dataclasses.dataclass(frozen=True)
class Flags(Config):
    """CoRe-JAX: how good are the teachers?"""

    run: Path | None = None
    """A run's folder: its questions, in place of experts' clips."""
    ask: bool = False
    """Ask --teacher about the run's questions, in place of judging the answers that are there."""
    teachers: tuple[str, ...] = ()
    """Several side by side: vlm, and scripted- with a kind, such as scripted-oracle."""
    questions: int = 200
    """How many are asked, each in both orders; of a run the first ones."""
    out: Path = Path("teacher-report")
    """The report's folder."""


def main() -> int:
    """Writes the report; returns 2 for a bad flag or a teacher that does not answer."""
    flags = tyro.cli(Flags)
    devices.prepare_cpu(1)
    cache.enable()
    try:
        if flags.run is not None and not flags.ask:
            run_folder.load_config(flags.run)
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
    run_folder.write_json(flags.out / "teachers.json", content)
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
    if flags.questions < 1:
        raise ValueError(f"--questions must be at least 1, not {flags.questions}")
    configs = _configs(flags)
    env = envs.make(configs[0].task, protocol=configs[0].protocol)
    if flags.run is not None:
        store = _labels(flags.run)
        questions = [q._replace(seed=0, round=0) for q in _distinct(store)[: flags.questions]]
        store.close()
        title = f"questions of {flags.run.name}"
    else:
        questions = expert_questions(
            env,
            flags.questions,
            clip_length=configs[0].feedback.clip_length,
            dense_scale=configs[0].dense_scale,
            seed=configs[0].seed,
        )
        title = f"clips of scripted experts, {env.spec.name} ({configs[0].protocol})"
    flags.out.mkdir(parents=True, exist_ok=True)
    store = LabelStore(flags.out / "labels.sqlite")
    try:
        found = dict(_ask(config, env, store, flags.out, questions) for config in configs)
    finally:
        store.close()
    return found, title


def _configs(flags: Flags) -> list[Config]:
    """A checked config for each teacher."""
    config = dataclasses.replace(Config.of(flags), frm=False)  # nobody writes a reward here
    if flags.run is not None:
        of_run = run_folder.load_config(flags.run)
        config = dataclasses.replace(config, task=of_run.task, protocol=of_run.protocol)
    configs = []
    for name in flags.teachers or (config.teacher,):
        if name.startswith("scripted-"):
            suggest("teacher", name, tuple(f"scripted-{kind}" for kind in PRESETS))
            scripted = dataclasses.replace(config.scripted, kind=name.removeprefix("scripted-"))
            one = dataclasses.replace(config, teacher="scripted", scripted=scripted)
        else:
            one = dataclasses.replace(config, teacher=name)
        if one.teacher == "person":
            raise ValueError("a person is judged by a run's labels: leave --ask and --task out")
        configs.append(check(one))
        if one.teacher == "vlm":
            check_labeller(one)
    return configs


def _ask(
    config: Config, env: envs.TaskEnv, store: LabelStore, out: Path, questions: list[Pair]
) -> tuple[str, Quality]:
    books = open_books(config, out) if config.teacher == "vlm" else None
    name, labelling = make_labelling(
        config.teacher,
        {"scripted": config.scripted, "vlm": config.vlm}[config.teacher],
        env=env,
        store=store,
        folder=out,
        frames_shown=config.feedback.frames_shown,
        seed=config.seed,
        labeller=make_labeller(config, out, books=books) if books is not None else None,
    )
    mean_reward = float(np.mean([[q.a.dense, q.b.dense] for q in questions]))
    answers = []
    try:
        for order, pairs in enumerate((questions, [_turned(q) for q in questions])):
            labelling.put(Round(order, 0, False, tuple(Entry(0, q, mean_reward) for q in pairs)))
            [arrived] = labelling.collect(0)
            answers.append(arrived.labels)
    finally:
        labelling.close()
        if books is not None:
            books.cache.close()
    if labelling.problem is not None:
        raise labelling.problem
    both = [i for i in range(len(questions)) if None not in (answers[0][i], answers[1][i])]
    if not both:
        raise ValueError(f"{name} has answered none of the questions")
    return name, quality(*([x[i] for i in both] for x in (questions, *answers)))


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

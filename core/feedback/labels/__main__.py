"""A run's labels: `python -m core_jax.feedback.labels RUN` lists them and says how far teachers
agree.

`--jsonl FILE` writes every question with all answers, a JSON object a line; `--pictures DIR` draws
them; `--take-from OTHER` takes another run's questions and answers over, so that a run that asks
the same will not pay for them again. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from core_jax import envs
from core_jax.feedback.labels import Asked, LabelStore
from core_jax.feedback.quality import agreement, progress_gap, reward_gap, verdict
from core_jax.runs import run_folder
from core_jax.training import cache, devices
from core_jax.visual import question_sheet


def main(
    run: Annotated[Path, tyro.conf.Positional],
    jsonl: Path | None = None,
    pictures: Path | None = None,
    take_from: Path | None = None,
    limit: int = 20,
) -> int:
    """Lists, exports and imports labels.

    Args:
        run: the run's folder.
        jsonl: write all questions and answers there, without the clips.
        pictures: draw the listed questions into this folder.
        take_from: a run whose questions and answers are added first.
        limit: questions listed and drawn, the newest; 0: all.
    """
    try:
        store = open_labels(run)
        taken = None
        if take_from is not None:
            other = open_labels(take_from)
            taken = take_over(store, other)
            other.close()
        drawn = list(store.questions())
        listed = sorted(drawn, key=lambda a: a.env_steps)[-limit:] if limit else drawn
        for asked in listed:
            print(line(asked, store))
        if jsonl is not None:
            lines = (json.dumps(as_json(asked, store)) + "\n" for asked in drawn)
            jsonl.write_text("".join(lines))
        if pictures is not None:
            draw(run, listed, store, pictures)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    counts = {name: c._asdict() for name, c in store.progress().items()}
    agreements = between_teachers(store)
    print()
    for name, c in counts.items():
        print(f"{name}: " + ", ".join(f"{k} {v:,}" for k, v in c.items()))
    for one in agreements:
        share = "nothing decided by both" if one["agree"] is None else f"agree {one['agree']:.3f}"
        kappa = "" if one["kappa"] is None else f", kappa {one['kappa']:.3f}"
        names = " and ".join(one["teachers"])
        print(f"{names}: {one['questions']} in common, {one['decided']} decided, {share}{kappa}")
    store.close()
    content = {"run": str(run), "questions": len(drawn), "teachers": counts}
    content |= {"agreement": agreements}
    content |= {} if taken is None else {"taken": taken}
    print(json.dumps(content))
    return 0


def open_labels(run: Path) -> LabelStore:
    """The labels of a run's folder.

    Raises:
        ValueError: there are none, or ones of another version.
    """
    path = run / "labels.sqlite"
    if not path.exists():
        raise ValueError(f"{run} has no labels: it has no labels.sqlite")
    return LabelStore(path)


def take_over(store: LabelStore, other: LabelStore) -> dict[str, int]:
    """Adds another run's questions and answers, with what was shown and said; answers that are
    there stay. Returns how many questions were looked at and how many answers are new."""
    questions, new = set(), 0
    for asked in other.questions():
        if asked.key in questions:
            continue
        questions.add(asked.key)
        store.keep(asked.question)
        for teacher, answer in other.answers(asked.key).items():
            if store.answer(asked.key, teacher, answer):
                new += 1
                store.show(asked.key, teacher, other.frames(asked.key, teacher))
                for said in other.exchanges(asked.key, teacher):
                    store.exchange(asked.key, teacher, said)
    return {"questions": len(questions), "answers": new}


def between_teachers(store: LabelStore) -> list[dict[str, Any]]:
    """How far each two teachers agree on the questions that both have answered."""
    given: dict[str, dict[str, Any]] = {}
    for key in {asked.key for asked in store.questions()}:
        for teacher, answer in store.answers(key).items():
            given.setdefault(teacher, {})[key] = answer
    found = []
    for first, second in itertools.combinations(sorted(given), 2):
        common = sorted(given[first].keys() & given[second].keys())
        if common:
            both = ([given[name][key] for key in common] for name in (first, second))
            found.append({"teachers": [first, second], **agreement(*both)})
    return found


def line(asked: Asked, store: LabelStore) -> str:
    """A question and its answers as one line."""
    question, gap = asked.question, reward_gap(asked.question)
    place = f"{asked.key[:8]} seed {question.seed} round {question.round:>2} step "
    place += f"{asked.env_steps:>9,}"
    answers = store.answers(asked.key)
    said = "; ".join(
        f"{name}: {question_sheet.told(answer)} ({verdict(question, answer)})"
        for name, answer in answers.items()
    )
    return f"{place}  B better by {gap:+.4f} a step  {said or 'no answer yet'}"


def as_json(asked: Asked, store: LabelStore) -> dict[str, Any]:
    """A question and its answers, JSON-able; gaps are B's mean ground truth a step less A's."""
    question = asked.question
    answers = {
        name: {**answer._asdict(), "verdict": verdict(question, answer)}
        for name, answer in store.answers(asked.key).items()
    }
    return {
        "key": asked.key,
        "seed": question.seed,
        "round": question.round,
        "position": asked.position,
        "env_steps": asked.env_steps,
        "instruction": question.instruction,
        "reward_gap": reward_gap(question),
        "progress_gap": progress_gap(question),
        "answers": answers,
    }


def draw(run: Path, listed: list[Asked], store: LabelStore, folder: Path) -> None:
    """Writes a picture of each question with its answers."""
    devices.prepare_cpu(1)
    cache.enable()
    config = run_folder.load_config(run)
    env = envs.make(config.task, protocol=config.protocol)
    folder.mkdir(parents=True, exist_ok=True)
    if not listed:
        return
    shots = question_sheet.frames(env, [asked.question for asked in listed])
    for asked, shot in zip(listed, shots, strict=True):
        question = asked.question
        name = f"seed{question.seed}_round{question.round:03d}_{asked.position:03d}.png"
        title = f"seed {question.seed}, step {asked.env_steps:,}: {question.instruction}"
        question_sheet.draw(question, shot, store.answers(asked.key), title, folder / name)


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m core_jax.feedback.labels"))

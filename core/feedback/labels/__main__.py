"""A run's labels: `python -m core_jax.feedback.labels RUN` lists them and says how far teachers
agree.

`--jsonl FILE` writes every question with all labels, a JSON object a line; `--pictures DIR` draws
the pairs; `--take-from OTHER` adds another run's questions and labels, so that a run that asks the
same will not pay for them again. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import tyro

from core_jax.feedback.labels import Asked, LabelStore
from core_jax.feedback.labels.describe import as_json, line, plain
from core_jax.feedback.labels.transfer import between_teachers, take_over
from core_jax.feedback.queries import Pair, PairLabel


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
        jsonl: write all questions and labels there, without the clips.
        pictures: draw the listed pairs into this folder.
        take_from: a run whose questions and labels are added first.
        limit: number of questions listed and drawn, the newest; 0: all.
    """
    try:
        content = _report(run, jsonl, pictures, take_from, limit)
    except (ValueError, OSError) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        return 2
    print()
    for name, counts in content["teachers"].items():
        print(plain(f"{name}: " + ", ".join(f"{k} {v:,}" for k, v in counts.items())))
    for one in content["agreement"]:
        share = "nothing decided by both" if one["agree"] is None else f"agree {one['agree']:.3f}"
        kappa = "" if one["kappa"] is None else f", kappa {one['kappa']:.3f}"
        names = " and ".join(one["teachers"])
        counted = f"{one['questions']} in common, {one['decided']} decided"
        print(plain(f"{names} on {one['asks']}: {counted}, {share}{kappa}"))
    print(json.dumps(content))
    return 0


def _report(
    run: Path, jsonl: Path | None, pictures: Path | None, take_from: Path | None, limit: int
) -> dict:
    """Does what the flags say and returns the last line's content."""
    store = open_labels(run)
    try:
        taken = {}
        if take_from is not None:
            other = open_labels(take_from)
            try:
                taken = {"taken": take_over(store, other)}
            finally:
                other.close()
        drawn = list(store.questions())
        listed = sorted(drawn, key=lambda a: a.env_steps)[-limit:] if limit else drawn
        for asked in listed:
            print(line(asked, store.answers(asked.key)))
        if jsonl is not None:
            rows = (as_json(asked, store.answers(asked.key)) for asked in drawn)
            jsonl.write_text("".join(json.dumps(row) + "\n" for row in rows))
        if pictures is not None:
            draw(run, listed, store, pictures)
        counts = {name: c._asdict() for name, c in store.progress().items()}
        content = {"run": str(run), "questions": len(drawn), "teachers": counts}
        return content | {"agreement": between_teachers(store)} | taken
    finally:
        store.close()


def open_labels(run: Path) -> LabelStore:
    """The labels of a run's folder.

    Raises:
        ValueError: there are none, or they cannot be read.
    """
    path = run / "labels.sqlite"
    if not path.exists():
        raise ValueError(f"{run} has no labels: it has no labels.sqlite")
    return LabelStore(path)


def draw(run: Path, listed: list[Asked], store: LabelStore, folder: Path) -> None:
    """Writes a picture of each pair with its labels; other kinds are left out.

    Raises:
        ValueError: the run's config names no task.
    """
    from core_jax import envs
    from core_jax.feedback import question_sheet
    from core_jax.training import cache, devices

    devices.prepare_cpu(1)
    cache.enable()
    task, protocol = task_of(run)
    env = envs.make(task, protocol=protocol)
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [(asked, asked.question) for asked in listed if isinstance(asked.question, Pair)]
    if len(pairs) < len(listed):
        print(f"{len(listed) - len(pairs)} questions are not about pairs and are not drawn")
    if not pairs:
        return
    shots = question_sheet.frames(env, [pair for _, pair in pairs])
    for (asked, pair), shot in zip(pairs, shots, strict=True):
        name = f"seed{pair.seed}_round{pair.round:03d}_{asked.position:03d}.png"
        title = f"seed {pair.seed}, step {asked.env_steps:,}: {pair.instruction}"
        labels = {k: v for k, v in store.answers(asked.key).items() if isinstance(v, PairLabel)}
        question_sheet.draw(pair, shot, labels, title, folder / name)


def task_of(run: Path) -> tuple[str, str]:
    """Task and protocol that a run's config.json names.

    Raises:
        ValueError: it cannot be read or does not name them.
    """
    path = run / "config.json"
    try:
        config = json.loads(path.read_text())
        return str(config["task"]), str(config["protocol"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not say task and protocol: {error!r}") from error


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m core_jax.feedback.labels"))

"""A run's folder with questions in it, made without training; the clips open a drawer."""

import dataclasses

import numpy as np

from core_jax import envs
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import Clip, Pair
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher
from core_jax.runs import run_folder
from core_jax.runs.layout import with_values
from core_jax.runs.presets import defaults

STEPS = 20


def clip(spec, opened, rng):
    """A clip in which the drawer is opened by a part in [0, 1]; rewards follow."""
    start, goal = (np.array(s, np.float32) for s in (spec.start, spec.goal))
    progress = np.linspace(0.0, opened, STEPS, dtype=np.float32)
    return Clip(
        next_obs=rng.normal(size=(STEPS, 39)).astype(np.float32),
        action=np.zeros((STEPS, 4), np.float32),
        target=np.zeros((STEPS, 3), np.float32),
        snapshot=start + progress[:, None] * (goal - start),
        dense=progress,
        progress=progress,
    )


def questions(count, seed=0, round=0):
    """Pairs whose second clip is the better one every other time."""
    spec, rng = envs.make("drawer-open").spec, np.random.default_rng([seed, round])
    found = []
    for i in range(count):
        better, worse = clip(spec, 0.5 + 0.4 * rng.random(), rng), clip(spec, 0.1, rng)
        pair = (worse, better) if i % 2 else (better, worse)
        found.append(Pair(*pair, spec.instruction, seed, round))
    return found


def make(folder, count=12, seeds=1, teacher=None, **fields):
    """Writes the folder: one round of questions a seed, answered by a scripted teacher."""
    teacher = teacher or ScriptedTeacher(ScriptedConfig("oracle"))
    plain = lambda x: dataclasses.asdict(x) if dataclasses.is_dataclass(x) else x
    values = {"seeds": seeds, **{name: plain(value) for name, value in fields.items()}}
    single = {k: v for k, v in values.items() if not isinstance(v, dict)}
    config = with_values(defaults(single), values)
    run_folder.prepare(folder, config, resume=False)
    store = LabelStore(folder / "labels.sqlite")
    for seed in range(seeds):
        store.ask(teacher, questions(count, seed), 4_000, 0.1)
    store.close()
    return folder

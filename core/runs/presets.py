"""What a run of a task spends when nothing else is said.

`Config`'s own defaults are the schedule of Meta-World's tasks; peg-insert-side, which is picked up,
carried and inserted, has a longer one, and in its pictures shadows, which tell a peg that is held
low from one that lies on the table. SoftGym's three have CoRe's budgets (Ni, Lu, Cai; ICML 2026) of
steps and labels: few steps that each take long, and clips of three. Updates are for a laptop's CPU:
one for each step of the cloth, as in the paper, and one for every five of rope and water. Budgets
stand here again, beside `TaskSpec.paper_budget`, because a command line is read before anything may
start the backend, and worlds do (a test compares them).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import tyro

from core_jax.runs import run_folder
from core_jax.runs.config import Config

C = TypeVar("C", bound=Config)


def of(task: str, **changes: object) -> Config:
    """The config of a task's own schedule, with changes: `of("fold-cloth", seeds=3)`.

    An unknown task has Meta-World's schedule; `config.check` refuses its name.
    """
    return dataclasses.replace(applied(Config(), task), **changes)


def applied(config: C, task: str) -> C:
    """Returns `config` for `task`, with all that the task's schedule says."""
    config = dataclasses.replace(config, task=task)
    return _SCHEDULES[task](config) if task in _SCHEDULES else config


def parse(flags: type[C], argv: Sequence[str] | None = None) -> C:
    """Parses a command line whose defaults, also those that `--help` shows, are its task's.

    With `--resume`, they are those of the run that is gone on with.

    Raises:
        ValueError: what `--out` holds is no run of this version.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--task")
    peek.add_argument("--out", type=Path)
    peek.add_argument("--resume", action="store_true")
    default = flags()
    known, _ = peek.parse_known_args(argv)
    out = known.out or getattr(default, "out", None)
    if known.resume and out is not None and (out / "config.json").exists():
        default = flags(**vars(run_folder.load_config(out)))
    else:
        default = applied(default, known.task or default.task)
    return tyro.cli(flags, args=argv, default=default)


def _peg(config: C) -> C:
    """Labels last to the end: spent after half of the run, one of three seeds was led astray by
    what its residual reward said of behaviour that nobody had judged."""
    feedback = dataclasses.replace(config.feedback, round_every=11_000)
    pixels = dataclasses.replace(config.pixels, shadows=True)
    return dataclasses.replace(config, steps=300_000, feedback=feedback, pixels=pixels)


def _softgym(config: C) -> C:
    """What all three share. Rewards are of SoftGym's own size, so dense ones are not scaled."""
    sac = dataclasses.replace(config.sac, init_temperature=0.02)
    feedback = dataclasses.replace(config.feedback, labels_per_round=10, clip_length=3)
    pixels = dataclasses.replace(config.pixels, every=1, clip_frames=3)
    return dataclasses.replace(
        config, envs=20, updates=20, dense_scale=1.0, sac=sac, feedback=feedback, pixels=pixels
    )


def _rope(config: C) -> C:
    return _long(config, steps=101_000, window=4_000)


def _water(config: C) -> C:
    return _long(config, steps=100_000, window=7_500)


def _long(config: C, steps: int, window: int) -> C:
    config = _softgym(config)
    feedback = dataclasses.replace(
        config.feedback, labels=200, first_round=10_000, round_every=5_000, window=window
    )
    return dataclasses.replace(config, steps=steps, random_steps=2_000, feedback=feedback)


def _cloth(config: C) -> C:
    """A step is a whole pick-and-place, of which an episode has three.

    With SAC's usual target entropy, minus the number of actions, they spread over 2.5 cm, and the
    temperature that keeps them so pulls the mean off, too (measured: a return of -0.29 after 15,000
    steps of seed 0; aiming for -4, -0.04 after 10,000 of seed 200).
    """
    config = _softgym(config)
    sac = dataclasses.replace(config.sac, n_step=1, noise_correlation=0.0, target_entropy=-4.0)
    feedback = dataclasses.replace(
        config.feedback, labels=150, first_round=500, round_every=1_000, window=300, max_lag=1_000
    )
    formal = dataclasses.replace(config.formal, refine_at=(2_400, 4_800, 7_200, 9_600))
    return dataclasses.replace(
        config,
        steps=15_000,
        rollout=1,
        chunk=100,
        random_steps=300,
        eval_every=1_000,
        checkpoint_every=5_000,
        sac=sac,
        feedback=feedback,
        formal=formal,
    )


_SCHEDULES: dict[str, Callable[[C], C]] = {
    "peg-insert-side": _peg,
    "flatten-rope": _rope,
    "pass-water": _water,
    "fold-cloth": _cloth,
}

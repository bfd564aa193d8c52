"""Defaults by task and learner: dotted flag name -> value, applied where the run has that flag.

`Config`'s own defaults are for Meta-World's tasks on a laptop's CPU. SoftGym's three have the
budgets of CoRe (Ni, Lu, Cai; ICML 2026): few steps that each take long, with one update for each
step of the cloth, as in the paper, and one for every five of rope and water. A method's own presets
(`Method.presets`) come next, and those of a task's random starts last.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from core_jax import methods
from core_jax.envs import names
from core_jax.runs import fields
from core_jax.runs.config import Config, check_names
from core_jax.runs.layout import places, with_values

Preset = Mapping[str, Any]

# Rewards are of SoftGym's own size, so dense ones are not scaled.
_SOFTGYM: Preset = {"envs": 20, "updates": 20, "dense_scale": 1.0, "sac.init_temperature": 0.02}
# A step of the cloth is a whole pick-and-place, of which an episode has three. With SAC's usual
# target entropy, minus the number of actions, places spread over 2.5 cm, and the temperature that
# keeps them so pulls the mean off, too (measured: a return of -0.29 after 15,000 steps of seed 0;
# with -4, -0.04 after 10,000 of seed 200).
_CLOTH: Preset = {
    **_SOFTGYM,
    "steps": 15_000,
    "rollout": 1,
    "chunk": 100,
    "random_steps": 300,
    "eval_every": 1_000,
    "checkpoint_every": 5_000,
    "sac.n_step": 1,
    "sac.noise_correlation": 0.0,
    "sac.target_entropy": -4.0,
}
TASKS: dict[str, Preset] = {
    "peg-insert-side": {"steps": 300_000},
    "flatten-rope": {**_SOFTGYM, "steps": 101_000, "random_steps": 2_000},
    "pass-water": {**_SOFTGYM, "steps": 100_000, "random_steps": 2_000},
    "fold-cloth": _CLOTH,
}
# Budgets of VLM-CaR (Venuto et al., ICML 2024): 1M steps. The observation is made of zeros and ones
# and of positions in units of 8 cells; scaling it by its moments would blow up what is rarely seen.
_MINIGRID: Preset = {
    "steps": 1_003_520,
    "envs": 64,
    "rollout": 80,
    "chunk": 10_240,
    "random_steps": 0,
    "replay": 32_768,
    "eval_every": 40_960,
    "checkpoint_every": 204_800,
    "dense_scale": 1.0,
    "ppo.hidden": (128, 128),
    "ppo.normalise_obs": False,
    "ppo.actor_lr": 1e-3,
    "ppo.epochs": 4,
    "ppo.minibatches": 8,
    "ppo.entropy_weight": 0.01,
    "ppo.normalise_advantage": False,
}
# Episodes of panda-gym are short and end at success. Rewards are minus the distance in metres.
_PANDA: Preset = {
    "steps": 300_000,
    "updates": 96,
    "dense_scale": 5.0,
    "sac.hidden": (128, 128),
    "sac.normalise_obs": True,
    "sac.gamma": 0.95,
    "sac.noise_correlation": 0.5,
}
TASKS |= {name: _PANDA for name in names("panda")}
# An episode on the table top has as few as four steps. Nothing was trained there.
_TABLE_TOP: Preset = {"dense_scale": 1.0, "feedback.clip_length": 2, "feedback.frames_shown": 2}
TASKS |= {name: _TABLE_TOP for name in names("tabletop")}
# Where every start differs, a small network with three times the updates reaches success in less
# time on a CPU: its update costs 0.22 of the other's (docs/performance.md, docs/findings.md).
# Labels seldom tell a formal reward that a policy gets stuck on from the others: a refinement
# need not win against them (docs/findings.md).
_RANDOM: Preset = {
    "updates": 96,
    "sac.hidden": (128, 128),
    "sac.normalise_obs": True,
    "formal.accept": "not_worse",
}
# What rolled away, was turned too far or fell from the hand seldom comes back within reach, so that
# most of a long episode shows what can no longer succeed. Training episodes are shorter there;
# evaluations last for the horizon. Rounds of labels are spread over the run. The dense reward of
# hammer hardly tells a driven nail from one that is not, so a scripted teacher compares progress.
# It takes long until a peg is lifted, and until then labels tell nothing: a residual reward that is
# fitted to them, and a formal reward that is exchanged for them, hold learning up
# (docs/findings.md).
_RANDOM_TASKS: dict[str, Preset] = {
    "dial-turn": {"episode_steps": 150},
    "sweep-into": {"steps": 240_000, "episode_steps": 150, "feedback.round_every": 9_000},
    "soccer": {"steps": 240_000, "episode_steps": 125, "feedback.round_every": 9_000},
    "hammer": {
        "steps": 300_000,
        "episode_steps": 150,
        "feedback.round_every": 11_000,
        "scripted.judge": "progress",
    },
    "peg-insert-side": {
        "steps": 500_000,
        "episode_steps": 150,
        "feedback.round_every": 18_000,
        "weighting": "earned",
        "formal.refine_at": (100_000, 200_000, 300_000, 400_000),
    },
}
# PPO learns from long rollouts of many environments, once, without a replay of its own.
LEARNERS: dict[str, Preset] = {
    "ppo": {"envs": 64, "rollout": 60, "chunk": 7_680, "random_steps": 0, "steps": 998_400,
            "eval_every": 38_400, "checkpoint_every": 192_000},
}  # fmt: skip


def defaults(choices: Mapping[str, Any]) -> Config:
    """The config of a run before anything else is said.

    Args:
        choices: what it depends on: task, method, protocol, teacher, learner, model, and the
            method's own choices of input. What is left out has its default.
    """
    if "learner" not in choices and (own := methods.get(choices.get("method", "core")).learner):
        choices = {**choices, "learner": own}
    run = {f.name for f in dataclasses.fields(Config)}
    if _has_choices(choices.get("task", Config.task)):
        choices = {"learner": "ppo", **choices}  # SAC has no discrete actions
    # A group's named values come later, upon what the choices give it.
    plain = {k: v for k, v in choices.items() if k in run and not isinstance(v, Mapping)}
    config = Config(**plain)
    kinds = fields.hints(type(config.settings))
    switches = {name for name, kind in kinds.items() if not fields.is_group(kind)}
    for name in switches & set(choices):
        settings = dataclasses.replace(config.settings, **{name: choices[name]})
        config = dataclasses.replace(config, settings=settings)
    preset = {
        **TASKS.get(config.task, {}),
        **LEARNERS.get(config.learner, {}),
        **(_MINIGRID if _has_choices(config.task) else {}),
        **(_RANDOM if _starts_differ(config) else {}),
        **config.recipe.presets(config.settings, config.task),
        **(_of_random_starts(config) if _starts_differ(config) else {}),
    }
    return applied(config, preset)


def _of_random_starts(config: Config) -> Preset:
    """What a task's random starts need, of what has an effect with the method's switches."""
    unused = config.recipe.unused(config.settings)
    return {k: v for k, v in _RANDOM_TASKS.get(config.task, {}).items() if k not in unused}


def _starts_differ(config: Config) -> bool:
    metaworld = config.task in names("metaworld")
    return metaworld and config.protocol == "random" and config.learner == "sac"


def _has_choices(task: str) -> bool:
    return task in names("minigrid")


def applied(config: Config, preset: Preset) -> Config:
    """The config with a preset's values, of those flags that it has."""
    for name, value in preset.items():
        group, *inner = name.split(".")
        if (place := places(config).get(group)) is None:
            continue
        try:
            functools.reduce(getattr, inner, place.get(config))
        except AttributeError:  # a group of that name, but of another method or learner
            continue
        nested = functools.reduce(lambda x, key: {key: x}, reversed(inner), value)
        config = with_values(config, {group: nested})
    return config


def make_config(**values: Any) -> Config:
    """A config from the names of the command line: `make_config(task="fold-cloth", seeds=3,
    feedback={"labels": 100})`. Values that are left out have the defaults of the task and method,
    and follow those that must fit together (`core_jax.runs.follow`).

    Raises:
        ValueError: an unknown name, or a value of the wrong type.
    """
    from core_jax.runs.follow import follow

    check_names(values)
    config = with_values(defaults(values), values)
    return follow(config, set(values) | {f"{k}.{f}" for k, v in values.items()
                                         if isinstance(v, Mapping) for f in v})  # fmt: skip


__all__ = ["TASKS", "applied", "defaults", "make_config"]

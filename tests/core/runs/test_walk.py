"""Every method on every task by one command: a run starts, is killed, resumes, and ends.

All of them take hours (`long`). Some are built and traced in every run of the suite.
"""

import dataclasses
import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from core_jax import envs, methods
from core_jax.methods.preferences import PreferenceRun
from core_jax.models.replay import recording
from core_jax.runs import flags, setup
from core_jax.runs.checks import check
from core_jax.runs.layout import places
from core_jax.runs.loop import run
from core_jax.runs.presets import defaults
from core_jax.training.streams import seed_keys

# As far as a method has them. Shapes of training are the same for all, so that methods on the same
# task share most of what is compiled.
TINY = {
    "steps": 400, "envs": 10, "rollout": 10, "chunk": 100, "updates": 2, "random_steps": 100,
    "eval_every": 400, "eval_episodes": 2, "final_episodes": 2, "checkpoint_every": 200,
    "replay": 400, "unsupervised_steps": 100, "reward_input": "state",
    "ppo.hidden": [16], "ppo.minibatches": 4, "ppo.epochs": 1,
    "sac.hidden": [16, 16], "sac.batch_size": 16,
    "feedback.labels": 12, "feedback.labels_per_round": 4, "feedback.first_round": 200,
    "feedback.round_every": 100, "feedback.clip_length": 2, "feedback.window": 400,
    "feedback.critic_updates": 2, "feedback.denoise": "rime",
    "reward.hidden": [16], "reward.epochs": 2, "residual.hidden": [16], "residual.epochs": 2,
    "relative.hidden": [16], "relative.epochs": 2, "relative.embedding": 8,
    "prefvlm.pairs_per_round": 4, "prefvlm.round_every": 100, "prefvlm.clip_length": 2,
    "prefvlm.window": 400, "prefvlm.critic_updates": 2,
    "formal.candidates": 2, "formal.attempts": 1, "formal.refine_at": [300],
    "eureka.candidates": 2, "eureka.iterations": 1, "eureka.trial_fraction": 0.5,
}  # fmt: skip
# What a method needs beyond that.
OWN = {
    "prefvlm": {
        "prefvlm.pairs_per_round": 4, "prefvlm.round_every": 100, "prefvlm.clip_length": 2,
        "clip.every": 1, "reward.clip_frames": 2,
    },
    "lrm": {
        "ppo.hidden": [16, 16], "ppo.minibatches": 4, "ppo.epochs": 1, "demos.episodes": 2,
        "demos.steps": 10, "bc.gradient_steps": 5,
    },
}  # fmt: skip
SINGLE = {"rl_vlm_f", "erl_vlm", "vlm_ar3l"}  # whose presets are about single pictures
ALL = list(itertools.product(methods.names(), envs.names()))
# Every method on one task; all tasks would take the suite two minutes.
SOME = [(method, "drawer-open") for method in methods.names()]


@dataclasses.dataclass(frozen=True)
class Flags:
    """As `scripts/train.py`."""

    out: Path = Path("run")
    """The run's folder."""
    resume: bool = False
    """Continue."""


class Killed(Exception):
    """In place of a signal."""


def kill(row):
    """Called with every row of metrics: the run ends after the one that follows a checkpoint."""
    if row["env_steps"] == 300:
        raise Killed


def command(method, task, folder):
    """The words after `train.py` of a tiny run."""
    config = defaults({"method": method, "task": task})
    known, unused = places(config), config.recipe.unused(config.settings)
    words = ["--method", method, "--task", task, "--out", str(folder / "run")]
    for name, value in {**TINY, **OWN.get(method, {})}.items():
        top, _, field = name.partition(".")
        has = top in known and (not field or hasattr(known[top].get(config), field))
        if not has or name in unused and name != "reward_input":
            continue
        if name == "feedback.clip_length" and method in SINGLE:
            continue
        values = value if isinstance(value, list) else [value]
        words += ["--" + name.replace("_", "-"), *map(str, values)]
    if method == "code":
        file = folder / "reward.py"
        file.write_text("def compute_reward(observation, action, target_pos):\n"
                        "    return observation[0], {}\n")  # fmt: skip
        words += ["--formal.file", str(file)]
    return words


def walk(method, task, folder):
    """Starts, kills and resumes one run; returns its summary."""
    config, own = flags.parse(Flags, command(method, task, folder))
    with pytest.raises(Killed):
        run(config, own.out, quiet=True, on_row=kill)
    config, own = flags.parse(Flags, ["--resume", "--out", str(own.out)])
    rows = []
    summary = run(config, own.out, resume=True, quiet=True, on_row=rows.append)
    assert [row["env_steps"] for row in rows] == [300, 400]
    lines = (own.out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["env_steps"] for line in lines] == [100, 200, 300, 400]
    return summary, rows


def recorded(method, task):
    """Whether a method that asks a language model has recorded replies for a task."""
    config = defaults({"method": method, "task": task})
    if not config.asks_writer:
        return True
    return recording(task, config.recipe.prompt_kind()).exists()


def check_walk(method, task, folder):
    """Walks, or is told what is missing."""
    if not recorded(method, task):
        config, own = flags.parse(Flags, command(method, task, folder))
        with pytest.raises(ValueError, match=f"no recorded .* replies for task '{task}'"):
            run(config, own.out, quiet=True)
        return
    summary, rows = walk(method, task, folder)
    assert summary["method"] == method and summary["env_steps"] == 400
    config = defaults({"method": method, "task": task})
    if config.asks_teacher:
        assert summary["labels"] > 0
    assert all(abs(x) < 1e6 for x in rows[-1]["reward"])


def shapes(tree):
    """Shapes and types of all arrays."""
    return jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree)


@pytest.mark.parametrize(("method", "task"), SOME)
def test_a_run_of_some_methods_on_some_tasks_is_built_and_traced(method, task, tmp_path):
    """What a command builds, without compiling it: a chunk, and a first fit to labels."""
    config, _ = flags.parse(Flags, command(method, task, tmp_path))
    config = check(config)
    if not recorded(method, task):
        with pytest.raises(ValueError, match=f"no recorded .* replies for task '{task}'"):
            setup.check_outside(config)
        return
    setup.check_outside(config)
    parts = setup.make_parts(config, tmp_path, print)
    state = jax.eval_shape(parts.train.init, seed_keys(config.seed, 1))
    if parts.train.rewards.hosts:  # a block leaves the device to be scored: nothing to trace
        parts.close()
        return
    after, row = jax.eval_shape(lambda x: parts.train.train_chunk(x, {}), state)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert shapes(after) == shapes(state)
    assert set(row["rewards"]) == set(parts.train.rewards.columns) >= set(state.seeds.weights)
    empty = config.recipe.empty_arrays(config.settings, config.training, parts.train.env)
    assert shapes(parts.method.arrays()) == shapes(empty)
    assert parts.method.triggers or not config.asks_teacher
    run = parts.method
    if isinstance(run, PreferenceRun):
        learn = lambda seeds: run.learned.fit_to(
            seeds, run.labels_to_fit(), run.collector.counts(), 0
        )
        fitted, metrics = jax.eval_shape(learn, after.seeds)
        assert shapes(fitted) == shapes(after.seeds)
        assert {"fit_loss", "fit_accuracy", "fit_epochs"} <= set(metrics)
    parts.close()


@pytest.mark.long
@pytest.mark.parametrize(("method", "task"), ALL)
def test_every_method_on_every_task_starts_resumes_and_ends(method, task, tmp_path):
    check_walk(method, task, tmp_path)

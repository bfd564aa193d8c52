"""Makes a run's policy one of the package: `python scripts/tools/ship_policy.py RUN`.

Writes `core/policies/TASK.npz`, its card and `docs/clips/TASK.gif`, then `docs/gallery.md` from all
cards. Without a run it only writes the clips that are missing, of the scripted expert where a task
has no policy, and the gallery. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from PIL import Image

from core_jax import envs, policies
from core_jax.commands.export import export
from core_jax.runs import policy as policy_module
from core_jax.runs import restore
from core_jax.training import cache, devices
from core_jax.visual.frames import FrameRenderer

DOCS = Path(__file__).resolve().parents[2] / "docs"
EPISODES = 50
SIZE, STARTS, AFTER = 176, 3, 12  # pixels of a frame; episodes in a clip; frames after a success
MOST_FRAMES, MOST_STEPS = 90, 400
INTRODUCTION = """# Gallery

Policies that come with the package: `core_jax.load_policy("drawer-open")` gives one as a function
of observations, and `python scripts/evaluate.py --policy drawer-open` plays it. All were trained by
`core` from recorded reward code and a simulated teacher's labels, on a CPU. A clip shows the first
episodes of the deterministic policy, until shortly after the first success. Protocol `random` has
the benchmark's own resets, `paper` one fixed start, which is much easier.
"""
EXPERTS = """# Tasks without a trained policy

The clips show the task's scripted expert (`core_jax.envs.expert`) on three starts.
"""


def main(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    seed: int | None = None,
    original: float | None = None,
) -> int:
    """Makes a run's policy one of the package.

    Args:
        run: the run's folder.
        seed: which of its seeds; the first by default.
        original: the policy's success in the original benchmark (scripts/tools/transfer.py).
    """
    devices.prepare_cpu(1)
    cache.enable()
    if run is not None:
        clip_path(ship(run, seed, original)).unlink(missing_ok=True)
    for name in envs.names():
        if not clip_path(name).exists():
            clip(name)
    (DOCS / "gallery.md").write_text(gallery(), encoding="utf-8")
    print(json.dumps({"policies": policies.names()}))
    return 0


def ship(run: Path, seed: int | None, original: float | None) -> str:
    """Writes a run's policy and its card into the package; returns its name."""
    restored = restore.load(run)
    config, training = restored.config, restored.config.training
    chosen = config.seed if seed is None else seed
    path = policies.FOLDER / f"{config.task}.npz"
    with contextlib.redirect_stdout(io.StringIO()):
        done = export(run, path, chosen)
    (policies.FOLDER / "numpy_policy.py").unlink(missing_ok=True)
    if done:
        raise SystemExit(done)
    summary = json.loads((run / "summary.json").read_text())
    played = policy_module.load(path).evaluate(EPISODES)
    learner: Any = config.learner_settings
    card = {
        "task": config.task,
        "protocol": config.protocol,
        "method": config.method,
        "teacher": summary["teacher"],
        "seed": chosen,
        "env_steps": restored.env_steps,
        "labels": summary["labels"],
        "settings": {
            "updates": training.updates,
            f"{config.learner}.hidden": list(learner.hidden),
            f"{config.learner}.normalise_obs": learner.normalise_obs,
            "eval_every": config.eval_every,
            "stop_at": config.stop_at,
        },
        "episodes": EPISODES,
        "success": round(float(played.success.mean()), 4),
        "first_success": round(float(played.first_success.mean()), 1),
        "success_in_the_original": original,
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return config.task


def clip_path(name: str) -> Path:
    """Where the clip of a policy lies."""
    return DOCS / "clips" / f"{name}.gif"


def clip(name: str) -> None:
    """Writes a task's clip: episodes side by side, one where all starts are the same."""
    if name in policies.names():
        policy = policy_module.load(name)
        env, act = policy.make_env(), policy
    else:
        env = envs.make(name, protocol="random")
        act = jax.vmap(envs.expert(name))
    starts = (
        1 if name in policies.names() and policies.card(name)["protocol"] == "paper" else STARTS
    )

    @jax.jit
    def play(keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(state: Any, _: None) -> tuple[Any, tuple[jax.Array, jax.Array]]:
            shown = jax.vmap(env.snapshot)(state.pipeline_state)
            state = jax.vmap(env.step)(state, act(state.obs))
            return state, (shown, state.metrics["success"])

        first = jax.vmap(env.reset)(keys)
        last, (shown, success) = jax.lax.scan(step, first, None, min(env.spec.horizon, MOST_STEPS))
        final = jax.vmap(env.snapshot)(last.pipeline_state)
        return jax.numpy.concatenate([shown, final[None]]), success

    shown, success = jax.device_get(play(jax.random.split(jax.random.key(0), starts)))
    every = max(1, round(0.05 / env.spec.step_seconds))
    first = [int(np.argmax(s)) if s.any() else len(s) - 1 for s in (success > 0.5).T]
    last = min(len(success), max(first) + 1 + AFTER * every, MOST_FRAMES * every)
    at = np.arange(0, last + 1, every)
    renderer = FrameRenderer(env, SIZE)
    films = [renderer.render(shown[at, s]) for s in range(starts)]
    frames = [Image.fromarray(frame).quantize(96) for frame in np.concatenate(films, axis=2)]
    path = clip_path(name)
    path.parent.mkdir(exist_ok=True)
    milliseconds = round(1000 * min(0.5, every * env.spec.step_seconds))
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, optimize=True
    )


def gallery() -> str:
    """The text of docs/gallery.md, from the cards."""
    lines = [INTRODUCTION]
    for name in policies.names():
        card = policies.card(name)
        where = (
            f"from {card['episodes']} random starts"
            if card["protocol"] == "random"
            else "from the fixed start of protocol `paper`"
        )
        original = card["success_in_the_original"]
        lines += [
            f"## {name}",
            "",
            f"Task: {envs.spec(name, card['protocol']).instruction}. Trained for "
            f"{card['env_steps']:,} steps with {card['labels']} labels (protocol "
            f"`{card['protocol']}`, seed {card['seed']}). Success {where}: "
            f"**{card['success']:.2f}**"
            + ("." if original is None else f"; in the original benchmark {original:.2f}."),
            "",
            f"![{name}](clips/{name}.gif)",
            "",
        ]
    lines += [EXPERTS]
    for name in sorted(set(envs.names()) - set(policies.names())):
        about = f"## {name}\n\nTask: {envs.spec(name).instruction}.\n"
        lines += [about, f"![{name}](clips/{name}.gif)", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(tyro.cli(main))

"""Every file in `examples/` runs, with small settings; what others run is listed here."""

import re
import runpy
import sys
from pathlib import Path

import jax
import pytest
from point_expert import ExpertPoint

import core_jax
from core_jax import envs, methods
from core_jax.reward_models.formal import compile_reward

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
POINT = "point_world:Point"
# What runs an example that has no test below.
ELSEWHERE = {
    "brax_reacher/my_reward.py": "core/runs/test_own_world.py",
    "brax_reacher/reacher.py": "core/runs/test_own_world.py",
    "door_open.py": "envs/test_door_example.py",
    "first_half_hour.ipynb": "packaging/test_notebooks.py",
    "gymnasium_reward.py": "reward_models/test_gymnasium_reward.py",
    "gymnasium_task.py": "envs/test_gymnasium_env.py",
    "label_and_fit.ipynb": "packaging/test_notebooks.py",
}
SMALL = {
    "envs": 10, "updates": 2, "random_steps": 200, "chunk": 200, "eval_every": 400,
    "final_episodes": 2, "sac": {"hidden": [16, 16], "batch_size": 16},
}  # fmt: skip
REWARD = """
def compute_reward(observation, action, target_pos):
    near = -abs(observation[0] - target_pos[0]) - abs(observation[1] - target_pos[1])
    return near, {"near": near}
"""


@pytest.fixture
def play(monkeypatch, capsys):
    """Runs an example as a program; returns what it prints."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    known = set(sys.modules)

    def run(name, *words):
        path = EXAMPLES / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, words)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    yield run
    vars(jax).pop("device_put_replicated", None)  # which brax_ppo.py adds
    for name in set(sys.modules) - known:
        if (EXAMPLES / f"{name}.py").exists():
            del sys.modules[name]


@pytest.fixture
def small(monkeypatch):
    """Makes the runs of an example small: on the point world if none is its own."""
    make_config = core_jax.make_config

    def changed(**given):
        own = ":" in given.get("task", "")
        return make_config(**{**given, **SMALL, "task": given["task"] if own else POINT})

    monkeypatch.setattr(core_jax, "make_config", changed)


def test_every_example_is_tested():
    found = [p.relative_to(EXAMPLES) for p in EXAMPLES.rglob("*") if p.is_file()]
    made = {"__pycache__", ".ipynb_checkpoints"}
    files = {path.as_posix() for path in found if not made & set(path.parts)}
    text = Path(__file__).read_text()
    here = {f"{name}.py" for name in re.findall(r'play\("(\w+)"', text)}
    here |= set(re.findall(r'EXAMPLES / "(\w+\.py)"', text))
    assert here | set(ELSEWHERE) == files and not here & set(ELSEWHERE)
    for name, test in ELSEWHERE.items():
        assert Path(name).parts[0].partition(".")[0] in (ROOT / "tests" / test).read_text()


def test_preferences_from_arrays(play):
    shares = [float(x) for x in re.findall(r"\d\.\d+", play("preferences_from_arrays"))]
    assert len(shares) == 2 and min(shares) > 0.8


def test_reward_on_own_observations(play):
    said = play("reward_on_own_observations")
    assert said.startswith("rewards (32,), components ['centred', 'upright']")
    assert "index 7 is out of range for 2 elements" in said


def test_drawer_reward():
    reward = compile_reward((EXAMPLES / "drawer_reward.py").read_text())
    assert reward.component_names == ("reach", "opened") and not reward.warnings


@pytest.mark.slow
def test_own_world_and_its_policy(play, small, tmp_path):
    said = play("own_world", tmp_path / "run", 400)
    assert re.search(r"success \[[\d.]+\] after 400 steps", said)
    said = play("play_policy", tmp_path / "run")
    assert re.fullmatch(r"own_world:Point: (no )?success, trained for 400\n", said)


@pytest.mark.slow
def test_own_method(play, small, tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "_METHODS", dict(methods._METHODS))
    said = play("own_method", tmp_path / "run", 400)
    assert re.search(r"return of the benchmark's own reward: \[-?[\d.]+\]", said)


@pytest.mark.slow
def test_sweep_learning_rates(play, small):
    said = play("sweep_learning_rates", 1)
    rates = re.findall(r"actor_lr (\S+): success [\d.]+ after 200 steps", said)
    assert [float(rate) for rate in rates] == [1e-4, 3e-4, 1e-3, 3e-3]


@pytest.mark.slow
def test_brax_ppo(play):
    said = play("brax_ppo", POINT, 1_000)
    returns = re.findall(r"^([\d,]+) steps: return (-?[\d.]+)$", said, re.M)
    assert [at for at, _ in returns] == ["0", "5,120"] and returns[0][1] != returns[1][1]
    assert re.search(r"^point: first action \[ ?-?[\d.e-]+ +-?[\d.e-]+\]$", said, re.M)


@pytest.mark.slow
def test_local_vlm_teacher(play, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    said = play("local_vlm_teacher", tmp_path / "run", POINT)
    assert "20 labels, 20 decided, 0 abstained" in said
    # 40 requests of 800 and 100 tokens.
    assert re.search(r"agreement with ground truth [01]\.\d\d, cost 0\.00480 USD", said)


def test_evaluate_own_reward(play, tmp_path, monkeypatch):
    monkeypatch.setattr(envs, "make", lambda task, protocol: ExpertPoint())
    (tmp_path / "reward.py").write_text(REWARD)
    said = play("evaluate_own_reward", tmp_path / "reward.py")
    found = dict(re.findall(r"^(\w+): kendall (-?[\d.]+), value_order", said, re.M))
    assert found.keys() == {"formal", "network"}
    assert float(found["formal"]) > 0.9 > abs(float(found["network"]))

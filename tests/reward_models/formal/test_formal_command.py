"""`scripts/compile_reward.py`: what a person is shown, the exit status, and the
arrows."""

import ast
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core_jax import envs
from core_jax.envs import samples

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "compile_reward.py"
_SPEC = importlib.util.spec_from_file_location("compile_reward_script", SCRIPT)
command = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(command)
GOOD = """\
import numpy as np

def compute_reward(observation, action, target_pos):
    reach = 0.4 * np.exp(-np.linalg.norm(observation[:3] - observation[4:7]) / 0.1)
    pull = 0.6 * np.exp(-np.linalg.norm(observation[4:7] - target_pos) / 0.1)
    return reach + pull, {"reach": reach, "pull": pull}
"""
BAD = GOOD.replace("action, target_pos)", "target)").replace("observation[4:7]", "obsrvation[4:7]")


@pytest.fixture
def run(capsys, tmp_path):
    def run(text, *arguments):
        path = tmp_path / "reward.py"
        path.write_text(text)
        status = command.main([str(path), "--task", "drawer-open", *arguments])
        return status, capsys.readouterr().out

    return run


def row(out, name):
    """The numbers of a row of the table."""
    [line] = [line for line in out.splitlines() if line.split()[:1] == [name]]
    return np.array(line.split()[1:], float)


def test_a_table_of_components_and_states(run):
    status, out = run(GOOD)
    assert status == 0 and "`compute_reward` compiles for drawer-open (signature core)" in out
    states = samples.recorded("drawer-open")
    assert all(state.label in out for state in states) and len(states) == 6
    expected = [
        0.6 * np.exp(-np.linalg.norm(state.observation[4:7] - state.target) / 0.1)
        for state in states
    ]
    np.testing.assert_allclose(row(out, "pull"), expected, rtol=1e-3)
    np.testing.assert_allclose(row(out, "reach") + row(out, "pull"), row(out, "total"), atol=2e-3)
    assert "note:" not in out


def test_what_a_person_should_notice(run):
    odd = GOOD.replace("return reach + pull,", "return 3 - pull,").replace("0.4 *", "0.0 *")
    _, out = run(odd)
    assert "leaves [-1, 1]" in out and "do not sum" in out and "'reach' is the same" in out
    assert "the total is larger at 'random 150' than when the task is done" in out


@pytest.mark.parametrize("above", [0, 3])
def test_refusals_have_the_lines_of_the_file(run, above):
    text = "Words.\n" * (above - 1) + f"```python\n{BAD}```\n" if above else BAD
    status, out = run(text)
    assert status == 1 and "refused: 3 problems" in out
    for number, column in ((4, 60), (5, 41)):
        assert f"line {number + above}, column {column}: the name `obsrvation` is unknown" in out
    assert "did you mean `observation`?" in out and BAD.splitlines()[3] in out


def test_a_reply_without_code_and_a_syntax_error(run):
    status, out = run("```\nno code\n```\n")
    assert status == 1 and "no Python code block" in out
    status, out = run("def compute_reward(a, b, c):\n    return (\n")
    assert status == 1 and "line 2, column 12: syntax error" in out


def test_other_signatures_and_stdin(monkeypatch, capsys):
    text = "def compute_dense_reward(self, action):\n    return -self.robot.gripper_openness\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert command.main(["-", "--task", "drawer-open", "--signature", "text2reward"]) == 0
    states = samples.recorded("drawer-open")
    opening = [state.observation[3] for state in states]
    np.testing.assert_allclose(row(capsys.readouterr().out, "total"), np.negative(opening), 1e-3)


def test_a_task_without_recorded_states_and_with_another_target(monkeypatch, capsys):
    text = "def compute_reward(obs, a, t):\n    x = obs[0] / t[0]\n    return x, {'x': x}\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert command.main(["-", "--task", "pass-water"]) == 0
    out = capsys.readouterr().out
    assert "compiles for pass-water" in out and "played 50 random actions" in out


def test_what_cannot_be_tried(capsys, tmp_path):
    assert command.main([str(tmp_path / "none.py"), "--task", "soccer"]) == 2
    assert "cannot read" in capsys.readouterr().err
    (tmp_path / "reward.py").write_text(GOOD)
    assert command.main([str(tmp_path / "reward.py"), "--task", "socer"]) == 2
    assert "Did you mean 'soccer'?" in capsys.readouterr().err


def test_the_script_is_a_command():
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "-", "--task", "soccer"],
        input=BAD, capture_output=True, text=True, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("line 4, column 60: the name `obsrvation` is unknown")


def shown(capsys, monkeypatch, task, code, tmp_path):
    """The printed table for a task; the task's file may lie in examples/brax_reacher."""
    monkeypatch.chdir(ROOT / "examples" / "brax_reacher")
    (tmp_path / "reward.py").write_text(code)
    assert command.main([str(tmp_path / "reward.py"), "--task", task]) == 0
    return capsys.readouterr().out


def test_a_reward_is_tried_on_played_states_of_a_task_of_ones_own(capsys, monkeypatch, tmp_path):
    code = (ROOT / "examples" / "brax_reacher" / "my_reward.py").read_text()
    out = shown(capsys, monkeypatch, "reacher:Reacher", code, tmp_path)
    assert "no states of this task are recorded; played 50 random actions" in out
    assert all(label in out for label in ("start", "step 1 ", "step 50"))
    reach, effort = row(out, "reach"), row(out, "effort")
    assert np.all((0 < reach) & (reach < 1)) and np.ptp(reach) > 0.01
    assert effort[0] == 0 and np.all(effort[1:] < 0)


def test_a_discrete_action_is_one_hot_to_a_reward(capsys, monkeypatch, tmp_path):
    code = "def compute_reward(observation, action, target_pos):\n    r = action[:7].sum()\n"
    code += "    return r, {'one': r}\n"
    out = shown(capsys, monkeypatch, "minigrid-unlock", code, tmp_path)
    np.testing.assert_array_equal(row(out, "one"), [0, 1, 1, 1, 1])


def test_the_library_imports_none_of_its_neighbours():
    """`reward_models` can be used alone."""
    for path in (ROOT / "reward_models").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [n for n in names if n.split(".")[0] == "core_jax"]
            assert all(n.startswith("core_jax.reward_models") for n in ours), path


@pytest.mark.parametrize("task", envs.names("metaworld"))
def test_recorded_states_fit_the_task(task):
    env = envs.make(task)
    states = samples.recorded(task)
    labels = [state.label.split()[0] for state in states]
    assert labels == ["start", "expert", "expert", "done", "random", "random"]
    size = max(field.stop for field in env.spec.formal_fields)
    assert all(state.observation.shape == (size,) for state in states)
    assert all(state.action.shape == (env.action_size,) for state in states)
    assert not states[0].action.any() and all(np.ptp(s.action) > 0 for s in states[1:])
    assert all(state.target.shape == (3,) for state in states)
    # the thing has moved to where the target is, and random actions have left it
    away = [np.linalg.norm(state.observation[4:7] - state.target) for state in states]
    assert away[3] < 0.9 * min(away[0], away[5])

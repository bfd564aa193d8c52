"""What was once a silent wrong reward, a hang or a misleading refusal."""

import time

import jax
import numpy as np
import pytest
from formal_judge import HEAD, TAIL, program

from core_jax.reward_models.formal import (
    FUNCTION_NAMES,
    RewardError,
    compile_reward,
    make_signature,
)


def refusal(source: str) -> RewardError:
    with pytest.raises(RewardError) as caught:
        compile_reward(source)
    return caught.value


@pytest.mark.parametrize("body, message", [
    ('r = 1.0 if f"{int(observation[0] > 0)}" == "1" else 0.0', "only known at run time"),
    ("r = len(str(observation[0]))", "a text made from the state"),
    ("r = {'1': 1.0}.get(str(int(observation[0] > 0)), 0.0)", "cannot be an index or a key"),
    ("r = 1.0 if '%d' % int(observation[0] > 0) else 0.0", "only known at run time"),
    ("r = 1.0 if '1' in str(int(observation[0] > 0)) else 0.0", "only known at run time"),
    ("r = 1.0 if '{}'.format(observation[0]) == 'a' else 0.0", "only known at run time"),
    ("flag = bool(observation[0] > 0)\nr = 1.0 if flag is True else 0.0", "`is` compares"),
    ("r = 1.0 if (observation[0] > 0) is False else 0.0", "`is` compares"),
    ("r = float(~bool(observation[0] > 0))", "`~` of a truth value of Python"),
    ("r = int(observation[0] * 1e10) / 1e10", "int() of a number beyond 2**30"),
    ("n = int(observation[0] * 90000)\nr = n * n * 1e-9", "a whole number beyond 2**31"),
    ("r = float(np.sum((observation[:3] > 0) * np.nan))", "NaN or infinite"),
    ("r = float(observation[0] > 0) * (1.0 / np.zeros(1)[0])", "NaN or infinite"),
    ("r = observation[int(observation[0] * 100)]", "an index is out of range"),
    ("r = [0.1, 0.2][int(abs(observation[0]) * 100)]", "an index is out of range"),
    ("r = 0\nfor i in range(int(abs(observation[0])) + 1):\n    r += 1", "range() needs constants"),
])  # fmt: skip
def test_no_value_is_better_than_a_wrong_one(body, message):
    assert message in str(refusal(program(body)))


@pytest.mark.parametrize("before, body", [
    ("seen = []", "seen.append(observation[0])\nr = len(seen)"),
    ("def make():\n    seen = []\n    def f(x):\n        seen.append(x)\n        return len(seen)\n"
     "    return f\ncount = make()", "r = count(observation[0])"),
    ("def make():\n    box = {'n': 0}\n    return lambda x: box.update({'n': 1})\nf = make()",
     "f(observation[0])\nr = 1.0"),
    ("def f(x, memory=[]):\n    memory.append(x)\n    return len(memory)", "r = f(observation[0])"),
])  # fmt: skip
def test_nothing_is_remembered_between_calls(before, body):
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    error = refusal(f"{before}\n{HEAD}{lines}{TAIL}")
    assert "outside of the function would be changed" in str(error)


PAIR = "    d = float(np.linalg.norm(observation[:3] - {}))\n    return -d, {{'d': -d}}\n"
THREE = "def mix(a, b, c):\n    return a + b + c, {'other': 0.0}\n"


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_later_helper_of_three_parameters_is_not_taken(name):
    source = f"import numpy as np\ndef {name}(observation, action, goal):\n" + PAIR.format("goal")
    assert compile_reward(f"{source}\n{THREE}").name == name
    assert "reward_function" in FUNCTION_NAMES


def test_of_other_names_the_one_that_no_function_calls_is_taken():
    source = "import numpy as np\ndef shaped(o, a, g):\n    return mix(o[0], a[0], g[0])[0], {}\n"
    assert compile_reward(f"{source}\n{THREE}").name == "shaped"
    assert compile_reward(f"{THREE}\n{source}").name == "shaped"


def test_a_usual_name_with_other_parameters_is_not_passed_over():
    error = refusal(f"def compute_reward(observation):\n    return 1.0, {{}}\n{THREE}")
    assert "`compute_reward` takes (observation)" in str(error)


@pytest.mark.parametrize("statement", [
    "import os, sys\nfrom scipy import stats\nimport torch as th",
    "print(compute_reward(np.zeros(99), np.zeros(1), np.zeros(2)))",
    "total, parts = compute_reward([1.0], [2.0], [3.0])",
    "rng = np.random.default_rng(0)\nstate = rng.normal(size=11)",
    "for seed in range(3):\n    np.random.seed(seed)",
    "env = make_env('drawer')\nenv.reset()",
    "class Agent(Base):\n    def act(self):\n        return self.policy()",
    "def broken(x):\n    while True:\n        yield exec(x)",
    "x = open('file').read()",
    "if __name__ == '__main__':\n    main()",
])  # fmt: skip
def test_what_no_function_reads_is_not_looked_at(statement):
    source = program("r = observation[0]")
    reward = compile_reward(f"{source}\n{statement}\n")
    assert reward.name == "compute_reward" and not reward.warnings
    state = np.full(11, 0.5), np.zeros(4), np.zeros(3)
    assert float(reward(*state)[0]) == 0.5


@pytest.mark.parametrize("unused", ["import os", "import os.path as np2", "from os import system",
                                    "import gym, torch", "import scipy.stats"])  # fmt: skip
def test_an_import_that_nothing_reads_is_accepted(unused):
    source = program("r = observation[0]")
    inside = program(f"{unused}\nr = observation[0]")
    for text in (f"{unused}\n{source}", f"{source}\n{unused}\n", inside):
        reward = compile_reward(text)
        assert float(reward(np.full(11, 0.5), np.zeros(4), np.zeros(3))[0]) == 0.5


@pytest.mark.parametrize("read", ["r = os.getpid()", "x = os\nr = 1.0", "f = os.system\nr = 1.0",
                                  "r = observation[0] if os else 0.0"])  # fmt: skip
def test_an_import_that_is_read_is_refused(read):
    assert "`os` cannot be imported" in str(refusal(f"import os\n{program(read)}"))


@pytest.mark.parametrize("before, expected", [
    ("W = {'a': 1.0}\nW['b'] = 2.0\nW.update(c=3.0)", 6.0),
    ("W = {}\nfor i, k in enumerate('abc'):\n    W[k] = i + 1.0", 6.0),
    ("W = {'a': 1.0}\ndef fill(table):\n    table['b'] = 5.0\nfill(W)", 6.0),
    ("W = {'a': 1.0}\ndef fill():\n    W['b'] = 5.0\nfill()\nprint(W)", 6.0),
])  # fmt: skip
def test_what_changes_a_table_is_kept(before, expected):
    source = f"{before}\n{program('r = sum(W.values())')}"
    try:
        reward = compile_reward(source)
    except RewardError as error:  # a function may not change what is outside of it
        assert "would be changed" in str(error)
        return
    assert float(reward(np.zeros(11), np.zeros(4), np.zeros(3))[0]) == expected


@pytest.mark.parametrize("body", [
    "x = np.tile(observation, 900)\nfor i in range(700):\n    x = np.sort(np.sin(x))\nr = x.sum()",
    "x = np.ones((90, 90)) * observation[0]\nfor i in range(200):\n    x = x @ x\nr = x.sum()",
    "x = [observation * i for i in range(900)]\nfor i in range(40):\n"
    "    x = [a + 1 for a in x]\nr = x[0][0]",
    "r = 0.0\nfor x in np.tile(observation, 60):\n    v = [y for y in observation if y > x]\n"
    "    r += len(v)",
])  # fmt: skip
def test_the_work_is_bounded_by_size(body):
    start = time.process_time()
    assert "more than" in str(refusal(program(body)))
    assert time.process_time() - start < 8


@pytest.mark.parametrize("body, message, absent", [
    ("r = np.sigmoid(observation[0])", "sigmoid` is not available", "mod"),
    ("r = np.unpackbits(observation)[0]", "`.unpackbits` is not available", "did you mean"),
    ("global seen\nr = 1.0", "remembers nothing", "as an argument"),
    ("r = 'a' - 'b'", "no arithmetic between a string and a string", "locals"),
    ("r = max(observation[0], foo=1)", "`foo`", "<locals>"),
    ("a = np.zeros((2, 3))\nr = a[:, observation[:3] > 0].sum()", "how many elements", "concrete"),
    ("r = observation[:3] + action", "shapes", "jnp"),
    ("r = np.diff(observation[0]).sum()", "this needs an array, not a number", "Tracer"),
])  # fmt: skip
def test_messages_are_written_for_who_repairs_the_reward(body, message, absent):
    shown = str(refusal(program(body)))
    assert message in shown and absent not in shown, shown


def test_one_cause_is_one_message():
    body = "\n".join(f"a{i} = np.log(-1.0 - observation[0] ** 2) + {i}" for i in range(9))
    parts = ", ".join(f"'p{i}': a{i}" for i in range(9))
    source = HEAD + "".join(f"    {line}\n" for line in body.split("\n"))
    error = refusal(f"{source}    return a0, {{{parts}}}\n")
    assert len(error.diagnostics) == 1 and error.diagnostics[0].line == 5
    many = refusal(program("\n".join(f"x{i} = zzz" for i in range(9)) + "\nr = 1.0"))
    assert len(many.diagnostics) == 2 and "and in 7 more places" in many.diagnostics[1].message


FIELDS = [
    type("F", (), dict(name=n, start=a, stop=b, unit="m", description=n))
    for n, a, b in (("hand_pos", 0, 3), ("gripper_opening", 3, 4), ("object_pos", 4, 7))
]
TORCH_HEAD = """\
import torch
from torch import Tensor
from typing import Dict, Tuple

@torch.jit.script
def compute_reward(hand_pos: Tensor, gripper_opening: Tensor, object_pos: Tensor,
                   target_pos: Tensor) -> Tuple[Tensor, Dict[str, Tensor]]:
"""
TORCH = {  # a body, and the same under NumPy for one state
    "r = torch.exp(-torch.norm(hand_pos - object_pos, dim=-1) / 0.1)":
        lambda h, g, o, t: np.exp(-np.linalg.norm(h - o) / 0.1),
    "r = torch.norm(object_pos - target_pos, p=2, dim=1)":
        lambda h, g, o, t: np.linalg.norm(o - t),
    "r = torch.where(hand_pos[:, 2] > 0.1, torch.ones_like(gripper_opening), gripper_opening)":
        lambda h, g, o, t: 1.0 if h[2] > 0.1 else g,
    "r = torch.sum((hand_pos - target_pos) ** 2, dim=-1)": lambda h, g, o, t: ((h - t) ** 2).sum(),
    "r = torch.clamp(hand_pos[:, 0], min=-0.2, max=0.2) + hand_pos[:, 1].clamp(0.0)":
        lambda h, g, o, t: np.clip(h[0], -0.2, 0.2) + max(h[1], 0.0),
    "r = torch.sigmoid(gripper_opening) + torch.tanh(gripper_opening).abs()":
        lambda h, g, o, t: 1 / (1 + np.exp(-g)) + abs(np.tanh(g)),
    "m, i = torch.max(hand_pos, dim=1)\nr = m + i.float()":
        lambda h, g, o, t: h.max() + h.argmax(),
    "r = torch.cat([hand_pos, object_pos], dim=-1).mean(dim=-1)":
        lambda h, g, o, t: np.concatenate([h, o]).mean(),
    "r = torch.stack([gripper_opening, hand_pos[:, 0]], dim=-1).prod(dim=-1)":
        lambda h, g, o, t: g * h[0],
    "r = torch.std(hand_pos, dim=-1) + torch.var(object_pos, dim=-1, unbiased=False)":
        lambda h, g, o, t: h.std(ddof=1) + o.var(),
    "near = (hand_pos - object_pos).norm(dim=-1) < 0.8\nr = near.float() * 2 + (~near).float()":
        lambda h, g, o, t: 2.0 if np.linalg.norm(h - o) < 0.8 else 1.0,
    "s = torch.tensor(0.5, device=hand_pos.device)\nr = s * gripper_opening.squeeze(-1)":
        lambda h, g, o, t: 0.5 * g,
    "r = torch.zeros_like(gripper_opening)\nr[hand_pos[:, 0] > 0] = 1.0\nr += 0.25":
        lambda h, g, o, t: (h[0] > 0) + 0.25,
    "r = torch.logical_and(hand_pos[:, 0] > 0, object_pos[:, 0] > 0).to(torch.float32)":
        lambda h, g, o, t: float(h[0] > 0 and o[0] > 0),
    "r = torch.nn.functional.cosine_similarity(hand_pos, target_pos, dim=-1)":
        lambda h, g, o, t: h @ t / (np.linalg.norm(h) * np.linalg.norm(t)),
    "r = torch.square(hand_pos).sum(dim=-1).sqrt().unsqueeze(-1).view(-1)":
        lambda h, g, o, t: np.linalg.norm(h),
    "r = torch.min(hand_pos, target_pos)[..., 0] + torch.maximum(hand_pos, target_pos)[..., 1]":
        lambda h, g, o, t: min(h[0], t[0]) + max(h[1], t[1]),
    "r = -torch.abs(hand_pos[:, 2] - target_pos[:, 2]) ** 2 + torch.pow(gripper_opening, 2)":
        lambda h, g, o, t: -abs(h[2] - t[2]) ** 2 + g**2,
}  # fmt: skip


@pytest.mark.parametrize("body", TORCH)
def test_torch_rewards_of_a_batch(body):
    signature = make_signature("eureka", FIELDS, "action", "target")
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    source = f"{TORCH_HEAD}{lines}    return r, {{'r': r}}\n"
    reward = jax.jit(compile_reward(source, signature=signature))
    rng = np.random.default_rng(5)
    for _ in range(8):
        state, target = (np.float32(0.6 * rng.normal(size=n)) for n in (11, 3))
        expected = TORCH[body](state[:3], state[3], state[4:7], target)
        found = reward(state, np.zeros(4, np.float32), target)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

"""Rewards called with named pieces of the state (Eureka) and with an environment (Text2Reward)."""

import ast
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from core_jax.reward_models.formal import CORE, RewardError, compile_reward, make_signature

FIELDS = [
    SimpleNamespace(name=name, start=start, stop=stop, unit=unit, description=f"the {name}")
    for name, start, stop, unit in (
        ("hand_pos", 0, 3, "m"),
        ("gripper_opening", 3, 4, "1"),
        ("object_pos", 4, 7, "m"),
        ("object_quat", 7, 11, "1"),
    )
]
EUREKA, CLASSES = (
    make_signature(kind, FIELDS, "what to do", "where to go") for kind in ("eureka", "text2reward")
)
# Names in another order, a subset of them, annotations of libraries that are not there, defaults.
NAMED = """
from typing import Dict, Tuple
import numpy as np

def compute_reward(
    target_pos: torch.Tensor, object_pos: "np.ndarray", gripper_opening: float, *,
    action: jnp.ndarray, temperature: float = 0.2,
) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
    reach = np.exp(-np.linalg.norm(object_pos - target_pos) / temperature)
    grip = gripper_opening if gripper_opening > 0.5 else -np.sum(action ** 2)
    return reach + grip, {"reach": reach, "grip": grip}
"""
VIEWED = """
import numpy as np

def near(env, thing, scale=0.1):
    return np.exp(-np.linalg.norm(env.robot.ee_position - thing.position) / scale)

def compute_dense_reward(self, action, obs) -> float:
    robot = self.robot
    reward = near(self, self.obj1) + 0.01 * obs[0]
    self.obj1.position[2] += 0.5
    if robot.gripper_openness > 0.5:
        reward -= np.linalg.norm(self.obj1.position - self.goal_position)
    return reward + self.obj1.quaternion[0] - 0.1 * np.linalg.norm(action)
"""


def states(count=40):
    generator = np.random.default_rng(5)
    return [generator.standard_normal((count, n)).astype(np.float32) for n in (11, 4, 3)]


def environment(observation, target):
    """What `self` stands for, under NumPy."""
    robot = SimpleNamespace(ee_position=observation[:3].copy(), gripper_openness=observation[3])
    thing = SimpleNamespace(position=observation[4:7].copy(), quaternion=observation[7:].copy())
    return SimpleNamespace(robot=robot, obj1=thing, goal_position=target)


def test_named_pieces_agree_with_numpy():
    reward = compile_reward(NAMED, signature=EUREKA)
    assert reward.component_names == ("reach", "grip")
    namespace = {}
    exec(NAMED.replace("torch.Tensor", "float").replace("jnp", "np"), namespace)  # the oracle
    batch = states()
    total, parts = jax.jit(jax.vmap(reward))(*batch)
    for i, (obs, action, target) in enumerate(zip(*map(np.float64, batch), strict=True)):
        expected, named = namespace["compute_reward"](target, obs[4:7], obs[3], action=action)
        np.testing.assert_allclose(total[i], expected, rtol=1e-5, atol=1e-5)
        for name, value in named.items():
            np.testing.assert_allclose(parts[name][i], value, rtol=1e-5, atol=1e-5)


def test_an_environment_agrees_with_numpy():
    reward = compile_reward(VIEWED, signature=CLASSES)
    assert reward.component_names == ()
    namespace = {}
    exec(VIEWED, namespace)  # trusted text of this test, the oracle
    batch = states()
    total, parts = jax.vmap(reward)(*batch)
    assert parts == {} and total.dtype == np.float32
    for i, (obs, action, target) in enumerate(zip(*map(np.float64, batch), strict=True)):
        expected = namespace["compute_dense_reward"](environment(obs, target), action, obs)
        np.testing.assert_allclose(total[i], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("signature", [EUREKA, CLASSES], ids=["eureka", "text2reward"])
def test_a_total_alone_and_a_pair(signature):
    bare = compile_reward(f"{signature.head}\n    return action[0]\n", signature=signature)
    pair = compile_reward(
        f"{signature.head}\n    return action[0], {{'a': action[0]}}\n", signature=signature
    )
    assert (bare.component_names, pair.component_names) == ((), ("a",))
    state = [part[0] for part in states()]
    assert bare(*state)[0] == pair(*state)[0] == pair(*state)[1]["a"] == state[1][0]
    with pytest.raises(RewardError, match="returns an array of shape .4,., not|is an array"):
        compile_reward(f"{signature.head}\n    return action\n", signature=signature)


def test_core_needs_components():
    source = f"{CORE.head}\n    return action[0]\n"
    with pytest.raises(RewardError, match="returns a number, not two values"):
        compile_reward(source)


@pytest.mark.parametrize("signature", [CORE, EUREKA, CLASSES], ids=lambda s: s.kind)
def test_what_is_described_is_what_compiles(signature):
    """Every input, read by its path, has the shape that the text gives it."""
    text = signature.describe()
    lines = [signature.head, "    found = [0.0]"]
    for one in signature.inputs:
        assert f"{one.path.split('.')[-1]}: " in text and one.description in text
        whole = one.start is None
        shape = "" if whole else "()" if one.is_number else f"({one.stop - one.start},)"
        lines += [f"    assert np.shape({one.path}) == {shape}"] if shape else []
        lines += [f"    found.append(np.sum({one.path}))"]
    source = "\n".join([*lines, "    return sum(found), {}", ""])
    reward = compile_reward(source, signature=signature)
    assert not reward.warnings
    obs, action, target = (part[0] for part in states())
    # text2reward offers the observation twice: in pieces and whole
    twice = obs.sum() if signature is CLASSES else 0.0
    expected = obs.sum() + action.sum() + target.sum() + twice
    np.testing.assert_allclose(reward(obs, action, target)[0], expected, rtol=1e-5)


def test_the_described_classes_are_python():
    code = CLASSES.describe().split("```")[1].removeprefix("python\n")
    classes = {node.name: len(node.body) for node in ast.parse(code).body}
    assert classes == {"Environment": 3, "Robot": 2, "Obj1": 2}


UNKNOWN = [
    (EUREKA, "def compute_reward(hand_position, action):\n    return 0.0", 1, 20, "`hand_pos`"),
    (EUREKA, "def compute_reward(hand_pos, dt):\n    return 0.0", 1, 30, "object_quat, action,"),
    (EUREKA, "def compute_reward(self, action):\n    return 0.0", 1, 20, "the inputs are hand_pos"),
    (EUREKA, "def f(action):\n    return hand_pos[0]", 2, 12, "define it"),
    (CLASSES, "def g(self):\n    return self.robot.speed", 2, 12, "ee_position, gripper_open"),
    (CLASSES, "def g(self):\n    return self.obj2.position[0]", 2, 12, "robot, obj1, goal_pos"),
    (CLASSES, "def g(self):\n    r = self.robot\n    return r.position[0]", 3, 12, "ee_position"),
    (CLASSES, "def g(self):\n    self.last = 1.0\n    return 1.0", 2, 5, "nothing is remembered"),
    (CLASSES, "def g(self):\n    return self.robot", 2, 5, "the total and a dict"),
    (CLASSES, "def g(self, state):\n    return 1.0", 1, 13, "self, action, obs"),
    (CLASSES, "def g(self):\n    return self.__class__", 2, 12, ""),
    (CLASSES, "x = 1", 1, 1, "def compute_dense_reward(self, action, obs) -> float:"),
]


@pytest.mark.parametrize(("signature", "source", "line", "column", "hint"), UNKNOWN)
def test_what_is_no_input_is_refused(signature, source, line, column, hint):
    with pytest.raises(RewardError) as caught:
        compile_reward(source, signature=signature)
    first = caught.value.diagnostics[0]
    assert (first.line, first.column) == (line, column)
    assert hint in first.hint


def test_inputs_that_are_passed_by_name_need_one():
    head = "def compute_reward(hand_pos, /, object_pos, slack=0.1, *, action):\n"
    source = head + "    return hand_pos[0] * slack - object_pos[0]\n"
    with pytest.raises(RewardError, match="passed by name, which the `/` forbids") as caught:
        compile_reward(source, signature=EUREKA)
    [found] = caught.value.diagnostics
    assert (found.line, found.column) == (1, head.index("hand_pos") + 1)
    compile_reward(source.replace(" /,", ""), signature=EUREKA)
    # What is no input has its default, whatever it takes.
    compile_reward(source.replace("hand_pos, /,", "scale=1.0, /, hand_pos=None,").replace(
        "object_pos, ", "object_pos=None, "), signature=EUREKA)  # fmt: skip
    # Three arrays are passed by position.
    compile_reward(
        "def compute_reward(a, b, /, c):\n    return a[0], {'x': c[0]}\n", signature=CORE
    )


@pytest.mark.parametrize(("call", "message"), [
    ("f(x=1.0, y=2.0)", "no free parameter `x`"),
    ("f(1.0, x=2.0)", "no free parameter `x`"),
    ("f(1.0, 2.0, y=3.0)", "no free parameter `y`"),
    ("f(1.0, 2.0)", ""), ("f(1.0, y=2.0)", ""), ("g(1.0, a=2.0)", ""), ("g(1.0, x=2.0)", ""),
])  # fmt: skip
def test_helpers_may_have_parameters_without_names(call, message):
    source = (
        "def f(x, /, y):\n    return x - y\n"
        "def g(x, /, **more):\n    return x + sum(more.values())\n"
        f"def compute_reward(a, b, c):\n    r = {call}\n    return r + a[0], {{'r': r}}\n"
    )
    if message:
        with pytest.raises(RewardError, match=message):
            compile_reward(source)
        return
    reward = compile_reward(source)
    namespace = {}
    exec(source, namespace)
    zeros = [np.zeros(n, np.float32) for n in (11, 4, 3)]
    assert float(reward(*zeros)[0]) == namespace["compute_reward"](*zeros)[0]


def test_all_unknown_parameters_are_named_at_once():
    with pytest.raises(RewardError) as caught:
        compile_reward("def compute_reward(a, b, action, c=1):\n    return 0.0", signature=EUREKA)
    assert [d.column for d in caught.value.diagnostics] == [20, 23]


def test_the_signature_is_part_of_a_reward():
    source = "def compute_reward(action, target_pos, object_pos):\n    return action[0], {}\n"
    core, named = compile_reward(source), compile_reward(source, signature=EUREKA)
    assert core != named
    again = make_signature("eureka", FIELDS, "told differently", "as well")
    same = compile_reward(source, signature=again)
    assert named == same and hash(named) == hash(same)
    state = [part[0] for part in states()]
    assert core(*state)[0] == state[0][0] and named(*state)[0] == state[1][0]


def test_what_the_caller_got_wrong():
    with pytest.raises(ValueError, match="'object_quat' is observation.7:11., of an array of sh"):
        compile_reward(NAMED, signature=EUREKA, observation_size=9)
    with pytest.raises(ValueError, match="unknown signature 'eurika'"):
        make_signature("eurika", FIELDS, "", "")
    assert make_signature("core", FIELDS, "", "") is CORE

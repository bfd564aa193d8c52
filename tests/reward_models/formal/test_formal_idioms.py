"""Short idioms, each compared with the same text run under NumPy."""

import numpy as np
import pytest

from core_jax.reward_models.formal import compile_reward

HEAD = "import math\nimport numpy as np\ndef compute_reward(observation, action, target_pos):\n"
IDIOMS = [
    "x = np.linalg.norm(observation[:3], axis=0, keepdims=True)[0]",
    "x = np.clip(action, a_min=None, a_max=1.0).sum()",
    "x = np.max([action[0], action[1], 0.5])",
    "x = action.max() - action.min() + np.mean(action, axis=-1)",
    "x = (action[0] > 0) * 1.0 + (action[1] > 0)",
    "x = 1.0 - (action[0] > 0)",
    "x = -(action[0] > 0).astype(float)",
    "x = float(np.all(np.isclose(action, 0.0)))",
    "x = np.interp(action[0], [0, 1], [0, 2])",
    "x = max([abs(a) for a in action], default=0)",
    "x = np.array([1,2,3]) @ target_pos",
    "f = np.tanh\nx = f(action[0])",
    "x = np.exp(-np.square(target_pos / 0.1)).sum()",
    "a, b = (action[0], action[1]) if action[2] > 0 else (0.0, 1.0)\nx = a - b",
    "x = 0.0\nx += 1 if action[0] > 0 else 0\nx -= np.float32(2)",
    "idx = int(np.argmin(np.abs(action)))\nx = action[idx]",
    "x = bool(action[0] > 0) + 0.0",
    "x: float = 0.0\ny: 'float'\nx = np.full(3, action[0]).sum()",
    "x = np.where(action > 0, action, 0).sum() ** 2",
    "x = observation[:3].dot(target_pos) / (np.linalg.norm(target_pos) + 1e-8)",
    "r = [0.0, 0.0]\nr[0] = action[0]\nif action[1] > 0:\n    r[1] = 2.0\nx = sum(r)",
    "x = min(max(action[0], 0.0), 1.0)",
    "x = np.array([action[0], 1]).mean()",
    "from math import sqrt as s\nx = s(abs(action[0]))",
    "from numpy.linalg import norm\nx = norm(action)",
    "import numpy\nx = numpy.linalg.norm(action)",
    "x = {'a': 1}.get('b', 0.0)",
    "m = np.zeros((2, 3))\nm[0] = target_pos\nm[1, 2] = 4\nx = m.sum()",
    "x = float(np.shape(action[0]) == ()) + ((1, 2) == [1, 2]) + ({'a': 1} == {'a': 1})",
    "x = float((action[0], 1) == (action[0], 1)) + ([action[0]] != [action[1]]) + ([1] == [1, 2])",
    # what a loop writes ahead into what it runs through
    "c = [1.0, 2.0, 3.0]\nx = 0.0\nfor i, v in enumerate(c):\n    x += v * action[0]\n"
    "    if i < 2:\n        c[i + 1] = x",
    "a, b = [1.0, 2.0], [3.0, 4.0]\nx = 0.0\nfor p, q in zip(a, b):\n    x += p * q\n"
    "    b[1] = action[1]\n    a[1] = 5.0",
    "c = [1.0, 2.0, 3.0]\nx = 0.0\nfor v in reversed(c):\n    x += v\n    c[0] = action[2]",
    "c = [1.0, 2.0]\nx = 0.0\nfor v in map(lambda e: e * 2, c):\n    x += v\n    c[1] = action[2]",
    "c = [1.0, 2.0]\nx = 0.0\nfor i, (v, w) in enumerate(zip(c, action), 1):\n"
    "    x += i * v * w\n    c[1] = action[2]",
    "d = {'a': 1.0, 'b': 2.0}\nx = 0.0\nfor k, v in d.items():\n    x += v\n    d['b'] = action[0]",
    "d = {'a': 1.0}\nv = d.values()\nd['b'] = action[0]\nx = sum(v) / len(v) + max(v)",
    "x = sum(map(abs, action)) + math.prod(dict(zip('ab', action)).values())",
    "a = action.copy()\nx = 0.0\nfor v in a:\n    x += v\n    a[-1] = x",
    "a = action.copy()\nx = 0.0\nfor i, v in enumerate(a):\n    x += v\n    a[-1] = x",
    "c = [1.0, 2.0]\nx = 0.0\nfor v, w in zip(c, action):\n    if action[0] > 0:\n"
    "        c[1] = w\n    x += v * w",
    "x = np.piecewise(action[0], [action[0] < 0, action[0] > 0.5], [lambda v: v * v, 2.0, 0.5])",
    "x = np.fromiter({'a': action[0], 'b': 1.0}.values(), dtype=float).sum()",
    "x = max(*action) + np.hypot(*action[:2]) + np.clip(action[0], **{'a_min': 0, 'a_max': 1})",
    "try:\n    x = action[0] / 2\nexcept ZeroDivisionError as e:\n    print(e)\n    x = 0.0",
    "x = 1.0\nif len(observation) < 11:\n    raise ValueError('short')\nx = action[0]",
    "with np.errstate(divide='ignore', invalid='ignore'):\n    x = action[0] / 2",
    "a = np.asarray(action, dtype=np.float64).ravel()\nx = a.sum() + np.asarray([1, 2], float)[0]",
    "h, g, o, q = np.split(observation, [3, 4, 7])\nx = h[0] + g[0] + o.sum() - q[-1]",
    "s = {'hand': slice(0, 3)}\nx = observation[s['hand']].sum()\nx += isinstance(x, list) + 0",
    "x = 0.0\nif (d := np.linalg.norm(action)) > 0.5:\n    x = d",
    "def f(a, *b, c=1.0, **d):\n    return a + c * sum(b) + d.get('e', 0.5)\n"
    "x = f(1, *action, c=2.0) + f(0.5, e=action[0])",
    "class C:\n    A, B = range(2)\n    t = 0.1\nc = C()\nx = c.t + c.B * action[0]",
    "d = abs(action[0])\nif not (0.0 <= d):\n    raise ValueError(f'{d}')\n"
    "x = d if np.isscalar(d) else 0",
    "d = {'b': action[0], 'a': 2.0}\nx = sorted(d.items())[1][1]",
    "def g(d):\n    if d > 0.3:\n        return None\n    return d\nx = 1.0",
    "def g(d, s):\n    if d > 0.3:\n        s['k'] = 5.0\n        return 1.0\n"
    "    s['k'] = s['k'] + 1\n    return d\ns = {'k': 0.0}\ny = g(action[0], s)\nx = y + s['k']",
]


@pytest.mark.parametrize("idiom", IDIOMS)
def test_idiom_agrees_with_numpy(idiom):
    lines = "\n".join("    " + line for line in idiom.split("\n"))
    source = f"{HEAD}{lines}\n    return x, {{'x': x}}\n"
    reward = compile_reward(source)
    namespace = {}
    exec(source, namespace)  # trusted text of this test, the oracle
    generator = np.random.default_rng(3)
    for _ in range(3):
        state = [0.5 * generator.standard_normal(n) for n in (11, 4, 3)]
        expected = namespace["compute_reward"](*(part.copy() for part in state))[0]
        np.testing.assert_allclose(reward(*state)[0], expected, rtol=1e-5, atol=1e-5)

"""What drawn programs are made of beside the templates: leaves, imports and helper functions."""

from __future__ import annotations

LEAVES = {
    "a": ["observation[3]", "action[0]", "target_pos[2]", "observation[0]", "0.5", "-1.5", "2",
          "action[2]"],
    "n": ["int(action[1] > 0)", "2", "1", "int(observation[5] * 2)", "len(action)"],
    "t": ["(observation[0] > 0)", "(action[0] < 0.25)", "(target_pos[1] >= 0.5)", "True"],
    "v": ["observation[:3]", "action[1:]", "target_pos", "observation[4:7]", "W"],
    "w": ["action", "observation[3:7]", "observation[:8:2]"],
    "m": ["observation[:9].reshape(3, 3)", "np.eye(3)"],
    "k": ["(target_pos > 0)", "(action[1:] < 0.5)"],
    "l": ["[action[0], 0.5]", "list(target_pos)", "[0.25, observation[1], 0.5]"],
    "d": ["{'a': action[0], 'b': 0.5}", "{'a': 0.5}"],
    "s": ["'a'", "('a' if observation[2] > 0 else 'b')", "'b'"],
    "c": ["0.3", "-0.5", "0.2", "1.5", "0.0", "0.25", "-1", "0.5"],
    "i": ["0", "1", "2", "-1"],
    "z": ["1", "3", "20", "100", "400", "2000", "20000"],
    "y": ["1", "3", "20", "200"],
}  # fmt: skip
IMPORTS = {
    "math": "import math",
    "np": "import numpy as np",
    "functools": "import functools",
    "itertools": "import itertools",
    "expit softmax logsumexp logit erf xlogy":
        "from scipy.special import expit, softmax, logsumexp, logit, erf, xlogy",
    "cdist": "from scipy.spatial.distance import cdist",
    "distance": "from scipy.spatial import distance",
    "R": "from scipy.spatial.transform import Rotation as R",
    "W": "W = np.array([0.5, 1.0, -2.0])",
}  # fmt: skip
HELPERS = {
    "helper": "def helper(a, b=0.3):\n    if a > b:\n        return a * b\n    return a - b\n",
    "power": "def power(x, n):\n    return 1.0 if n == 0 else x * power(x, n - 1)\n",
    "gather": """def gather(values):
    kept = []
    for one in values:
        if one > 0.8:
            return len(kept)
        if one > -0.3:
            kept.append(one)
    return sum(kept)
""",
    "stage_of": """def stage_of(d, h):
    if d > 0.5:
        return 'a'
    if h < 0.1:
        return 'b'
    return 'c'
""",
    "phases": "phases = {'a': 0.1, 'b': 0.5, 'c': 1.0}\n",
    "apply": "def apply(function, x):\n    return function(x)\n",
    "total_of": "def total_of(*values, scale=1.0):\n    return scale * sum(values)\n",
    "scaled": "def scaled(k):\n    def inner(x):\n        return x * k\n    return inner\n",
    "fold": "def fold(xs):\n    return 0.0 if not xs else xs[0] + 0.5 * fold(xs[1:])\n",
    "count_down": """def count_down(n, x):
    if n == 0 or x < 0.1:
        return n
    return count_down(n - 1, x - 0.3)
""",
}

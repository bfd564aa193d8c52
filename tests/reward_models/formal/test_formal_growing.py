"""Loops that change the size of what they run through: as Python, or refused.

Python asks for the next item after the last round, too: a list that has grown gives one more, and a
dict of another size is an error.
"""

import numpy as np
import pytest

from core_jax.reward_models.formal import RewardError, compile_reward

HEAD = "import numpy as np\ndef compute_reward(observation, action, target_pos):\n"
START = "l, d, t = [1.0], {'a': 1.0}, 0.0\n"


def source(body):
    """A reward of one list, one dict and a total."""
    return HEAD + "".join(f"    {line}\n" for line in (START + body).splitlines())


def loop(header, *body):
    return "\n".join([header, *(f"    {line}" for line in body), "return t + len(l) + len(d), {}"])


GROWS = [
    loop("for e in l:", "l.append(e)"),
    loop("for e in l:", "l += l"),
    loop("for e in l:", "l.insert(0, e)"),
    loop("for e in l:", "for f in range(2):", "    l.append(f)"),
    loop("for i, e in enumerate(l):", "l.append(e)"),
    loop("for e, f in zip([1, 2], l):", "l.append(e)"),
    loop("for e in l:", "if observation[0] > 0:", "    l.append(e)"),
    loop("l.append(2.0)\nfor i, e in enumerate(l):", "if i == 1:", "    l.append(e)"),
    loop(
        "if observation[0] > 0:\n    l.append(2.0)\nfor e in l:", "if e > 1.5:", "    l.append(e)"
    ),
    loop("it = enumerate(l)\nl.append(2.0)\nfor i, e in it:", "t += e"),
    loop("for k in d:", "d['b'] = 2.0"),
    loop("for k, v in d.items():", "d.pop(k)"),
    loop("for k, v in d.items():", "d.setdefault('z', v)"),
    loop("for i, k in enumerate(d):", "d['b'] = 2.0"),
    loop("for v, w in zip(d.values(), [1.0, 2.0]):", "d['b'] = w"),
    "m = [l.append(e) for e in l]\nreturn t, {}",
    "m = {k: d.update(b=1.0) for k in d}\nreturn t, {}",
    "m = sum(l.append(e) or 1.0 for e in l)\nreturn m, {}",
    "m = list(map(lambda e: l.append(e), l))\nreturn t, {}",
    "m = sum(map(lambda e: l.append(e) or 1.0, l))\nreturn m, {}",
    "m = max(map(lambda e: l.append(e) or 1.0, l))\nreturn m, {}",
    "m = any(map(lambda e: l.append(e) or 0.0, l))\nreturn t, {}",
    "m = dict(zip([1, 2], map(lambda e: l.append(e) or 0.0, l)))\nreturn t, {}",
    "m = [*map(lambda e: l.append(e) or 0.0, l)]\nreturn t, {}",
    "m = list(filter(lambda e: l.append(e) or True, l))\nreturn t, {}",
    "l.extend(map(lambda e: e, l))\nreturn len(l) + t, {}",
    "l.extend(e for e in l)\nreturn len(l) + t, {}",
    "l.extend(len(l) for e in range(2))\nreturn l[-1] + t, {}",
    "f = lambda e: e + len(l)\nl.extend(f(e) for e in range(2))\nreturn l[-1] + t, {}",
    "l += (e for e in l)\nreturn len(l) + t, {}",
    "l.extend(enumerate(l))\nreturn len(l) + t, {}",
    "l.extend(zip(l, l))\nreturn len(l) + t, {}",
    "d.update((k + 'x', v) for k, v in d.items())\nreturn len(d) + t, {}",
    "d.update(zip(['b'], d))\nreturn len(d) + t, {}",
]
AGREES = [
    loop("for e in l:", "l.append(e)", "break"),
    loop("for e in l:", "l = l + l"),
    loop("for e in l:", "l.pop()"),
    loop("for e in l:", "l.clear()"),
    loop("for e in l:", "t += e", "l[0] = 3.0") + "",
    loop("for e in l:", "t += e\nelse:\n    l.append(2.0)"),
    loop("for e in list(l):", "l.append(e)"),
    loop("for e, f in zip([1], l):", "l.append(f)"),
    loop("l.append(2.0)\nfor e in reversed(l):", "l.append(3.0)", "t = 2 * t + e"),
    loop("for k in list(d):", "d['b'] = 2.0"),
    loop("for k in d:", "d[k] = 4.0", "t += d[k]"),
    loop("for v in d.values():", "d['b'] = v", "break"),
    loop("for i, (k, v) in enumerate(d.items()):", "d[k] = v + i + 1.0", "t += d[k]"),
    "l.append(2.0)\nl.extend(reversed(l))\nreturn sum(x * i for i, x in enumerate(l)), {}",
    "l.extend(l)\nl += l\nreturn len(l) + t, {}",
    "l.append(2.0)\nl[:] = map(lambda e: e + len(l), l)\nreturn l[1] + t, {}",
    "l.extend(map(lambda e: e + len(l), range(3)))\nreturn l[-1] + t, {}",
    "f = lambda e: 2 * e\nl.extend(f(e) for e in range(3))\nreturn l[-1] + t, {}",
    "d.update(zip('bc', map(lambda e: e + len(d), range(2))))\nreturn d['c'] + t, {}",
    "d.update((k, len(l)) for k in 'bc')\nreturn d['c'] + t, {}",
]


@pytest.mark.parametrize("body", GROWS)
def test_what_python_would_go_on_with_is_refused(body):
    with pytest.raises(RewardError, match="meanwhile|reads what its items are put into"):
        compile_reward(source(body))


@pytest.mark.parametrize("body", AGREES)
def test_what_python_ends_has_its_value(body):
    states = [np.linspace(low, low + 1.0, 11).astype(np.float32) for low in (-0.5, 0.5)]
    reward = compile_reward(source(body))
    names: dict = {}
    exec(source(body), names)
    for state in states:
        given = state, np.zeros(4, np.float32), np.zeros(3, np.float32)
        assert float(reward(*given)[0]) == float(names["compute_reward"](*given)[0])

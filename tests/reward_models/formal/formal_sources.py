"""Trusted sample rewards, in the styles that language models write. Shared by the tests."""

PLAIN = '''
import numpy as np

def compute_reward(observation, action, target_pos):
    """Distance to the target."""
    hand = observation[:3]
    distance = np.linalg.norm(hand - target_pos)
    reach = -distance
    effort = -0.01 * np.sum(np.square(action))
    return reach + effort, {"reach": reach, "effort": effort}
'''
GAUSSIAN = """
import numpy as np
from typing import Dict, Tuple
SIGMA = 0.25
WEIGHTS = np.array([1.0, 0.5])
def gaussian(x: float, sigma: float = SIGMA) -> float:
    return np.exp(-0.5 * (x / sigma) ** 2)
def compute_reward(observation: np.ndarray, action: np.ndarray,
                   target_pos: np.ndarray) -> Tuple[float, Dict[str, float]]:
    hand, obj = observation[0:3], observation[4:7]
    near = gaussian(np.linalg.norm(hand - obj))
    goal = gaussian(np.linalg.norm(obj - target_pos), sigma=0.5)
    total = np.dot(WEIGHTS, np.array([near, goal]))
    return total, {"near": near, "goal": goal}
"""
TOLERANCE = """
import numpy as np
def tolerance(x, bounds=(0.0, 0.1), margin=0.5):
    lower, upper = bounds
    if margin == 0:
        return 1.0 if lower <= x <= upper else 0.0
    in_bounds = lower <= x <= upper
    d = (lower - x if x < lower else x - upper) / margin
    return np.where(in_bounds, 1.0, 1 / (1 + (3 * d) ** 2))
def reward(observation, action, target_pos):
    a = tolerance(np.linalg.norm(observation[:3] - target_pos))
    b = tolerance(observation[3], bounds=(0.2, 0.4), margin=0)
    c = tolerance(abs(action[3]), (0, 0.3))
    return (a + b + c) / 3, {"a": a, "b": b, "c": c}
"""
IF_ELSE = """
import numpy as np
def compute_reward(observation, action, target_pos):
    d = np.linalg.norm(observation[:3] - observation[4:7])
    if d < 0.6:
        phase = 1.0
        pull = 1.0 / (d + 0.1)
    elif d < 1.0 and action[0] > 0:
        phase = 0.5
        pull = d * 2
    else:
        phase = 0
        pull = 0
    return phase + 0.1 * pull, {"phase": phase, "pull": pull}
"""
EARLY = """
import math
import numpy as np
def compute_reward(observation, action, target_pos):
    x, y, z = observation[:3]
    d = math.sqrt(x ** 2 + y ** 2 + z ** 2)
    if d > 1.2:
        return -1.0, {"stage": 0.0, "d": d}
    if z > 0:
        if y > 0.1:
            return z + y, {"stage": 2, "d": d}
        z = z * 2
    return math.tanh(z) - d, {"stage": 1, "d": d}
"""
LOOPS = """
import numpy as np
def compute_reward(observation, action, target_pos):
    components = {}
    for i, name in enumerate(["x", "y", "z"]):
        components[f"err_{name}"] = -abs(observation[i] - target_pos[i])
    effort = 0.0
    for a in action:
        effort += a ** 2
    components["effort"] = -0.1 * effort
    count = 0
    for value in observation:
        if value < 0:
            continue
        count += 1
        if value > 0.9:
            break
    components["count"] = count
    total = sum(components.values())
    return total, components
"""
ACCUMULATE = """
import numpy as np
TERMS = {"near": (0, 3, 1.0), "far": (3, 6, 0.5)}
def add(components, name, value):
    components[name] = value
    return components
def compute_reward(observation, action, target_pos):
    components = dict(bonus=0.0)
    for key, (start, stop, weight) in TERMS.items():
        add(components, key, weight * float(np.mean(observation[start:stop])))
    if components["near"] > 0.1:
        components["bonus"] += 1.0
        components.update({"far": components["far"] * 2})
    total = sum(v for v in components.values())
    return total, components
"""
HELPERS = """
import numpy as np
def compute_reward(obs, act, goal):
    def sigmoid(v, k=5.0, *, shift=0.0):
        return 1 / (1 + np.exp(-k * (v - shift)))
    def distance(a, b):
        return np.sqrt(np.sum((a - b) ** 2))
    d = distance(obs[:3], goal)
    up = sigmoid(obs[2], shift=0.1)
    close = 1 - sigmoid(d, k=3.0)
    return close * up, {"close": close, "up": up}
"""
TANH_EXP = """
import numpy as np
def compute_reward(observation, action, target_pos):
    d = np.linalg.norm(observation[4:7] - target_pos, ord=2)
    a = 1.0 - np.tanh(5.0 * d)
    b = np.exp(-3.0 * d) * np.log1p(d)
    c = np.clip(observation[3] * 2 - 1, -1.0, 1.0)
    r = np.clip(0.5 * a + 0.3 * b + 0.2 * c, -1, 1)
    return float(r), {"a": float(a), "b": float(b), "c": float(c)}
"""
ARRAYS = """
import numpy as np
def compute_reward(observation, action, target_pos):
    scaled = observation.copy()
    scaled[2] *= 2.0
    scaled[-1] = 0.25
    m = np.stack([scaled[:3], scaled[3:6], target_pos])
    rows = np.linalg.norm(m, axis=1)
    grid = np.concatenate([action, np.zeros(2)]).reshape(2, 3)
    mixed = (m @ grid.T).sum(axis=0)
    spread = m.std() + np.var(m[:, 1]) + m[::2, 0].max()
    picked = observation[[0, 2, 4]].sum() + scaled[1:9:3].min()
    values = {"rows": rows.mean(), "mixed": mixed[0] - mixed[1], "spread": spread, "pick": picked}
    return sum(values.values()), values
"""
COMPREHENSION = """
import numpy as np
def compute_reward(observation, action, target_pos):
    errors = [abs(o - t) for o, t in zip(observation[:3], target_pos)]
    weights = {k: 1.0 / (i + 1) for i, k in enumerate("abc") if k in ("a", "b", "c")}
    named = {k: w * e for (k, w), e in zip(weights.items(), errors)}
    worst = max(errors)
    best = min(e for e in errors)
    flag = any(e < 0.1 for e in errors) or all(a > 0 for a in action)
    named["flag"] = 1.0 if flag else 0.0
    named["range"] = worst - best
    return sum([v for v in named.values()]) / len(named), named
"""
LOGIC = """
import numpy as np
def compute_reward(observation, action, target_pos):
    d = np.abs(observation[:3] - target_pos)
    inside = np.all(d < 0.5)
    grasp = (action[3] > 0) & (observation[3] < 0.4) | (d[2] > 0.9)
    ready = not inside and 0 < d[0] < 0.8
    r = 0.5 * inside + 0.25 * float(grasp) + (0.25 if ready else -0.25)
    k = int(ready) + np.heaviside(action[0], 0.5) + np.sign(action[1])
    return r + k, {"inside": inside, "grasp": grasp, "ready": ready, "k": k}
"""
GUARDED = """
import numpy as np
def compute_reward(observation, action, target_pos):
    v = observation[:3] - observation[4:7]
    n = np.linalg.norm(v)
    if n > 0:
        direction = v / n
        push = np.dot(direction, action[:3])
        spread = np.log(n)
    else:
        push, spread = 0.0, 0.0
    angle = np.arccos(np.clip(push, -1.0, 1.0))
    ratio = 1 / n if n > 1e-3 else 0.0
    ratio = min(ratio, 10.0)
    return push + 0.1 * ratio, {"push": push, "spread": spread, "angle": angle, "ratio": ratio}
"""
MIXED = '''
import numpy as np
from math import exp, pi
STAGES = [(0.2, 3.0), (0.5, 2.0), (1.0, 1.0)]
def staged(d):
    """First matching stage wins."""
    for bound, value in STAGES:
        if d < bound:
            return value
    return 0.0
def compute_reward(observation, action, target_pos):
    d = np.hypot(observation[0] - target_pos[0], observation[1] - target_pos[1])
    angle = np.arctan2(observation[1], observation[0]) / pi
    stage = staged(d)
    decay = exp(-d) if d < 2 else 0.1
    index = np.argmax(observation[:3])
    lead = observation[index]
    turn = np.cross(observation[:3], target_pos)[2] + (observation[5] % 0.3) + observation[6] // 0.4
    total = stage + decay + angle
    return total, {"stage": stage, "decay": decay, "lead": lead, "turn": turn}
'''
LISTS = """
import numpy as np
def compute_reward(observation, action, target_pos):
    print("debug", observation)
    assert len(observation) == 11, "size"
    terms = []
    for i in range(0, len(action), 2):
        terms.append(action[i] - action[i + 1])
    terms += [observation[0] * 2]
    first, *others = terms
    a = np.array(terms)
    big = a[np.newaxis, :] * a[:, None]
    p = pow(abs(first), 1.5) + round(2.6) + np.power(2.0, others[0])
    s = sorted([3, 1, 2])[0] * np.prod(a) + np.median(a)
    q = np.where(a > 0, a, 0.1 * a).sum()
    z = np.sum(big, axis=(0, 1)) + np.trace(big) + np.max(big, axis=0)[0] + np.ones_like(a)[0]
    return p + q, {"p": p, "s": s, "q": q, "z": z}
"""
BREAKS = """
import numpy as np
def total_of(values, out):
    if values[0] > 0:
        return -1.0
    out["seen"] = 1.0
    return np.sum(values)
def compute_reward(observation, action, target_pos):
    out = {"seen": 0.0}
    t = total_of(observation[:4], out)
    steps = 0
    acc = 1.0
    for row in observation[:9].reshape((3, 3)):
        for v in row:
            if v < -0.6:
                break
            acc = acc * (1 + 0.1 * v)
        if acc > 1.2:
            break
        steps = steps + 1
    return t + acc, {"seen": out["seen"], "steps": steps, "acc": acc}
"""
SOURCES = {
    name.lower(): value
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, str)
}

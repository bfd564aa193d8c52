"""Scripted labels of single clips and orders, from ground truth.

All of them are about a clip's last step, which is what a vision-language model is shown. Let v be
its ground truth in [0, 1]: progress, or for ratings and orders what `judge` says. The teacher
perceives u = v + s e with a standard logistic error e that belongs to the clip, whatever is asked
about it and however often. Its scale s is `resolution`, so that vlm_like's errors matter where
there is little difference to see; 1 / (beta H) for a stochastic teacher, which is the error of its
preferences over clips of H steps; and 0 for a rational one.

A rating is the bin of u among `classes` equal bins of [0, 1]; completion is u >= 0.95; progress is
u with `score_noise`; an order sorts by u. With d the distance of v from the nearest boundary (or
the smallest gap between neighbours of an order) in units of `resolution`, the teacher abstains with
probability unsure * exp(-d), as it does for pairs. `mistake` gives another class, the opposite of
completion, or exchanges two neighbours. `skip` abstains from rating poor steps. `gamma`, `equal`
and `order_bias` have no meaning here.
"""

from __future__ import annotations

import hashlib

import numpy as np

from core_jax.feedback.queries import Clip, Order, OrderLabel, Single, SingleLabel, check_query
from core_jax.feedback.teachers.scripted_config import Judge, Parameters, ScriptedConfig

COMPLETED = 0.95 - 1e-6  # progress of a completed task; float32's 0.95 is one


def ground_truth(clip: Clip, judge: Judge) -> np.ndarray:
    """What a teacher judges a clip's steps by [H]."""
    return clip.dense if judge == "reward" else clip.progress


def clip_digest(clip: Clip) -> int:
    """A number that belongs to a clip, wherever it is shown."""
    content = np.ascontiguousarray(clip.snapshot, np.float32).tobytes()
    content += np.ascontiguousarray(clip.next_obs, np.float32).tobytes()
    return int(hashlib.sha256(content).hexdigest()[:12], 16)


def true_value(query: Single) -> float:
    """The label of a single clip by its ground-truth progress: without any error."""
    value = _last(query.clip, "progress")
    if query.asks == "progress":
        return value
    return float(np.searchsorted(_boundaries(query), value, side="right"))


def value_clip(
    query: Single, config: ScriptedConfig, seed: int, mean_reward: float = 0.0
) -> SingleLabel:
    """A rating, progress or completion of a clip's last step.

    Args:
        query: what is asked.
        config: the teacher's.
        seed: the teacher's.
        mean_reward: mean ground truth per step of recent experience, for `skip`.

    Raises:
        ValueError: the query cannot be asked.
    """
    check_query(query)
    p, rng = config.parameters(), _stream(query, seed)
    judge = p.judge if query.asks == "rating" else "progress"
    value = _last(query.clip, judge)
    unsure, lapse, other, noise = rng.random(), rng.random(), rng.random(), rng.standard_normal()
    poor = query.asks == "rating" and p.skip > 0 and value <= p.skip * mean_reward
    if rng.random() < config.abstain or poor:
        return SingleLabel(None, "abstains")
    perceived = _perceived(query.clip, value, p, seed)
    reason = f"{judge} seems {perceived:.3f}"
    if query.asks == "progress":
        return SingleLabel(_unit(perceived + config.score_noise * noise), reason)
    boundaries = _boundaries(query)
    gap = min(abs(value - b) for b in boundaries)
    if _is_unsure(unsure, gap, p):
        return SingleLabel(None, f"can't tell: {reason}")
    found = int(np.searchsorted(boundaries, perceived, side="right"))
    if lapse < p.mistake:
        others = len(boundaries)
        found = (found + 1 + int(other * others)) % (others + 1)
    return SingleLabel(float(found), reason)


def order_clips(query: Order, config: ScriptedConfig, seed: int) -> OrderLabel:
    """The clips from the least to the most ground truth at their last steps; clips that seem equal
    stay in the order in which they are shown.

    Raises:
        ValueError: the query cannot be asked.
    """
    check_query(query)
    p, rng = config.parameters(), _stream(query, seed)
    values = [_last(clip, p.judge) for clip in query.clips]
    unsure, lapse, place = rng.random(), rng.random(), rng.integers(len(values) - 1)
    if rng.random() < config.abstain:
        return OrderLabel(None, "abstains")
    seen = [_perceived(c, v, p, seed) for c, v in zip(query.clips, values, strict=True)]
    reason = "seem " + ", ".join(f"{u:.3f}" for u in seen)
    if _is_unsure(unsure, float(np.diff(np.sort(values)).min()), p):
        return OrderLabel(None, f"can't tell: {reason}")
    order = np.argsort(seen, kind="stable").tolist()
    if lapse < p.mistake:
        order[place], order[place + 1] = order[place + 1], order[place]
    return OrderLabel(tuple(order), reason)


def _boundaries(query: Single) -> list[float]:
    """Values from which on the next class begins."""
    if query.asks == "completion":
        return [COMPLETED]
    classes = query.classes or 2
    return [i / classes for i in range(1, classes)]


def _perceived(clip: Clip, value: float, p: Parameters, seed: int) -> float:
    scale = p.resolution or (1.0 / (p.beta * len(clip.dense)) if p.beta > 0 else 0.0)
    error = np.random.default_rng([seed, clip_digest(clip)]).logistic()
    return _unit(value + scale * error)


def _is_unsure(draw: float, gap: float, p: Parameters) -> bool:
    return p.resolution > 0 and draw < p.unsure * np.exp(-gap / p.resolution)


def _last(clip: Clip, judge: Judge) -> float:
    return _unit(ground_truth(clip, judge)[-1])


def _unit(value: float) -> float:
    return float(np.clip(value, 0.0, 1.0))


def _stream(query: Single | Order, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, int(query.key()[:12], 16)])

"""Verification: a program is believed if experts complete it, in order, and chance does not.

From VLM-CaR's verifier (Venuto et al., ICML 2024) are: a trajectory completes a program that fires
in at least n pictures; at least a share of the expert trajectories must be completed, and at most a
share of the random ones. What it is applied to is finer, because a sub-task may be easy: a random
walk of a hundred steps picks up a key that lies in its room. So each program alone is tried on
random trajectories up to the time that quick experts take, and all programs in order on whole ones.
Besides, no sub-task may be done in an episode's first picture, none before the one that precedes
it, and the last one not before an expert has finished.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from core_jax import envs
from core_jax.methods.vlm_car.config import CarConfig
from core_jax.methods.vlm_car.trajectories import Trajectories
from core_jax.reward_models.subtasks import PictureProgram, fires


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What programs are tried on: trajectories, thinned, experts' ends held for `frames` pictures.

    Attributes:
        env: whose trajectories.
        experts, randoms: the trajectories.
        car: sizes of pictures and thresholds.
    """

    env: envs.TaskEnv
    experts: Trajectories
    randoms: Trajectories
    car: CarConfig

    def fired(self, program: PictureProgram) -> Firing:
        """Where a program fires."""
        run = _runner(self.env, program, self.car.height, self.car.width, self.car.gripper)
        return Firing(*(_in_parts(run, t.snapshots) for t in (self.experts, self.randoms)))


@dataclasses.dataclass(frozen=True)
class Firing:
    """Whether a program fires, [M, 1 + T]; the first picture is scored as if it were a step's."""

    experts: np.ndarray
    randoms: np.ndarray


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was found of a program.

    Attributes:
        accepted: whether it is believed.
        problem: why not, for whoever wrote it; "" if it is.
        true_positives, experts: expert trajectories completed, and all.
        false_positives, randoms: random trajectories completed early, and all.
        counterexample: a trajectory that shows the problem: (experts or randoms, index, picture).
    """

    accepted: bool
    problem: str
    true_positives: int
    experts: int
    false_positives: int
    randoms: int
    counterexample: tuple[str, int, int] | None = None

    def confusion(self) -> dict[str, int]:
        """The confusion matrix."""
        return {
            "true_positives": self.true_positives,
            "false_negatives": self.experts - self.true_positives,
            "false_positives": self.false_positives,
            "true_negatives": self.randoms - self.false_positives,
        }


class Rule(NamedTuple):
    """One thing that a program must not do.

    Attributes:
        kind: of the trajectories: experts or randoms.
        bad: [M] those in which it does.
        allowed: share of them that is accepted.
        at: [M] the picture that shows it.
        problem: what it does, with places for `bad`, `all` and `share`.
    """

    kind: str
    bad: np.ndarray
    allowed: float
    at: np.ndarray
    problem: str


def verify(evidence: Evidence, firing: Firing, before: Sequence[Firing], last: bool) -> Verdict:
    """The verdict on a program.

    Args:
        evidence: what it was tried on.
        firing: where it fires.
        before: where the programs of the sub-tasks before it fire, in order.
        last: whether its sub-task is the last one.
    """
    rules = _rules(evidence, firing, before, last)
    of_experts = np.stack([r.bad for r in rules if r.kind == "experts"])
    judged = functools.partial(
        Verdict,
        true_positives=int((~of_experts.any(axis=0)).sum()),
        experts=of_experts.shape[1],
        false_positives=int(rules[-1].bad.sum()),
        randoms=len(rules[-1].bad),
    )
    for rule in rules:
        share = float(rule.bad.mean())
        if share > rule.allowed:
            worst = int(np.argmax(rule.bad))
            where = (rule.kind, worst, int(rule.at[worst]))
            said = {"bad": int(rule.bad.sum()), "all": len(rule.bad), "share": f"{share:.0%}"}
            return judged(False, rule.problem.format(**said), counterexample=where)
    missed = 1.0 - judged.keywords["true_positives"] / of_experts.shape[1]
    if missed > 1.0 - evidence.car.verify.tpr_min:
        return judged(False, f"{missed:.0%} of the expert trajectories break one rule or another")
    return judged(True, "")


def _rules(
    evidence: Evidence, firing: Firing, before: Sequence[Firing], last: bool
) -> tuple[Rule, ...]:
    """All rules, that of random trajectories at the end."""
    limits, ends = evidence.car.verify, evidence.experts.length
    done = firing.experts[:, 1:].sum(axis=1) >= limits.frames
    first = _first(firing.experts)
    previous = _first(before[-1].experts) if before else np.zeros(len(done), int)
    missed, zeros = 1.0 - limits.tpr_min, lambda fired: np.zeros(len(fired), int)
    window = max(int(np.quantile(first[done], limits.quick)), 1) if done.any() else 1
    chance = firing.randoms[:, 1 : 1 + window].sum(axis=1) >= min(limits.frames, window)
    begun = "it fires in the first picture, before anything was done, of {share} of the {kind}"
    return (
        Rule("experts", firing.experts[:, 0], min(missed, limits.fpr_max),
             zeros(done), begun.replace("{kind}", "expert trajectories")),
        Rule("randoms", firing.randoms[:, 0], limits.fpr_max,
             zeros(chance), begun.replace("{kind}", "random trajectories")),
        Rule("experts", ~done, missed, ends,
             "it misses {bad} of {all} expert trajectories: it must fire in at least "
             f"{limits.frames} pictures of each"),
        Rule("experts", first <= previous, missed, np.minimum(first, ends),
             "it fires before, or together with, the sub-task that precedes it in {bad} of {all} "
             "expert trajectories"),
        Rule("experts", (first < ends - limits.early) if last else np.zeros(len(done), bool),
             missed, first,
             "it fires before the task is finished in {bad} of {all} expert trajectories"),
        Rule("randoms", chance, limits.fpr_max, _first(firing.randoms),
             f"{{share}} of random trajectories complete it within {window} steps, in which "
             f"experts seldom do; at most {limits.fpr_max:.0%} may"),
    )  # fmt: skip


def completed(firings: Sequence[Firing], kind: str, frames: int) -> np.ndarray:
    """Which trajectories complete all programs in order [M]: each fires in `frames` pictures, of
    those after the one before it was done."""
    of = [getattr(f, kind)[:, 1:] for f in firings]
    since = np.zeros(len(of[0]), int)
    for fired in of:
        counted = np.cumsum(fired & (np.arange(fired.shape[1]) >= since[:, None]), axis=1) >= frames
        since = np.where(counted.any(axis=1), counted.argmax(axis=1) + 1, fired.shape[1] + 1)
    return since <= of[0].shape[1]


def _first(fired: np.ndarray) -> np.ndarray:
    """First picture after the start in which a program fires [M]; one past the last if none."""
    after = fired[:, 1:]
    return np.where(after.any(axis=1), after.argmax(axis=1) + 1, after.shape[1] + 1)


_PART = 50  # trajectories at once


def _in_parts(run: Any, snapshots: np.ndarray) -> np.ndarray:
    parts = []
    for i in range(0, len(snapshots), _PART):
        some = snapshots[i : i + _PART]
        padded = np.concatenate([some, np.repeat(some[-1:], _PART - len(some), axis=0)])
        parts.append(np.asarray(run(padded))[: len(some)])
    return np.concatenate(parts)


@functools.lru_cache(maxsize=64)
def _runner(
    env: envs.TaskEnv, program: PictureProgram, height: int, width: int, gripper: bool
) -> Any:
    """snapshots [M, T, K] -> whether the program fires [M, T]."""
    draw = lambda shot: env.picture(shot, height, width, 1, False, gripper)

    def one(shots: jax.Array) -> jax.Array:
        state = program.init(draw(shots[0]))
        step = lambda state, shot: program.step(state, draw(shot))
        _, values = jax.lax.scan(step, state, shots)
        return fires(values)

    return jax.jit(jax.vmap(one))

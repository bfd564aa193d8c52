"""Verification believes good programs and no bad ones."""

import dataclasses

import numpy as np
import pytest
from car_programs import bad, good

from core_jax import envs
from core_jax.methods.vlm_car.config import VerifyConfig
from core_jax.methods.vlm_car.method import gather
from core_jax.methods.vlm_car.trajectories import Trajectories, thinned
from core_jax.methods.vlm_car.verification import Evidence, Firing, completed, verify
from core_jax.reward_models.programs import compile_program
from core_jax.runs.presets import make_config


def evidence_of(task, count):
    car = make_config(task=task, method="vlm_car").settings.car
    rules = dataclasses.replace(car.verify, experts=count, randoms=count)
    return gather(dataclasses.replace(car, verify=rules), envs.make(task), 1)


def check(task, count):
    """How many bad programs there are; asserts that none is believed and every good one is."""
    evidence = evidence_of(task, count)
    car, cache = evidence.car, {}

    def fired(text):
        if text not in cache:
            cache[text] = evidence.fired(compile_program(text, car.height, car.width))
        return cache[text]

    before = []
    for k, text in enumerate(good(task)):
        verdict = verify(evidence, fired(text), before, k == len(good(task)) - 1)
        assert verdict.accepted, (task, k, verdict.problem)
        assert verdict.true_positives == count
        before.append(fired(text))
    assert completed(before, "experts", 1).all()
    assert completed(before, "randoms", 1).mean() <= 0.1
    for what, earlier, text, last in bad(task):
        verdict = verify(evidence, fired(text), [fired(e) for e in earlier], last)
        assert not verdict.accepted, (task, what)
        assert verdict.problem
    return len(bad(task))


def test_bad_programs_are_refused_and_good_ones_believed():
    assert check("minigrid-doorkey-6x6", 40) == 9


@pytest.mark.long
def test_on_two_hundred_trajectories_of_each_task():
    assert sum(check(task, 200) for task in envs.names("minigrid")) == 36


def made_up(first, length, steps=8, count=4):
    """Firings from a picture on, and experts of a length."""
    fired = np.arange(1 + steps)[None] >= np.array(first)[:, None]
    shots = np.zeros((count, 1 + steps, 1), np.float32)
    return fired, Trajectories(shots, np.full(count, length))


def verdict_on(experts, randoms, last=True, before=(), **rules):
    fired, trajectories = made_up(experts, 5)
    chance, others = made_up(randoms, 8)
    car = dataclasses.replace(
        make_config(task="minigrid-unlock", method="vlm_car").settings.car,
        verify=VerifyConfig(**{"quick": 0.5, **rules}),
    )
    evidence = Evidence(None, trajectories, others, car)
    earlier = [Firing(made_up(b, 5)[0], chance) for b in before]
    return verify(evidence, Firing(fired, chance), earlier, last)


NEVER = 99


@pytest.mark.parametrize(
    ("experts", "randoms", "more", "problem"),
    [
        ([5, 5, 5, 5], [NEVER] * 4, {}, ""),
        ([0, 5, 5, 5], [NEVER] * 4, {}, "fires in the first picture, .* 25% of the expert"),
        ([5, 5, 5, 5], [0, 0, NEVER, NEVER], {}, "first picture, .* of 50% of the random"),
        ([5, 5, 5, NEVER], [NEVER] * 4, {}, "misses 1 of 4 expert trajectories"),
        ([5, 5, 5, 8], [NEVER] * 4, {}, "misses 1 of 4 .* at least 2 pictures"),
        ([5, 5, 5, 8], [NEVER] * 4, {"frames": 1}, ""),
        ([5, 5, 5, NEVER], [NEVER] * 4, {"tpr_min": 0.75}, ""),
        ([4, 5, 5, 5], [NEVER] * 4, {}, "before the task is finished in 1 of 4"),
        ([4, 5, 5, 5], [NEVER] * 4, {"early": 1}, ""),
        ([4, 5, 5, 5], [NEVER] * 4, {"last": False}, ""),
        ([5, 5, 5, 5], [NEVER] * 4, {"before": [[5, 3, 3, 3]]}, "precedes it in 1 of 4"),
        ([5, 5, 5, 5], [NEVER] * 4, {"before": [[4, 3, 3, 3]]}, ""),
        ([5, 5, 5, 5], [2, NEVER, NEVER, NEVER], {}, "25% of random .* within 5 steps"),
        ([5, 5, 5, 5], [5, 6, 7, 8], {}, ""),  # not in two of the first five
        ([5, 5, 5, 5], [2, NEVER, NEVER, NEVER], {"fpr_max": 0.25}, ""),
    ],
)
def test_every_rule(experts, randoms, more, problem):
    import re

    found = verdict_on(experts, randoms, **more)
    assert found.accepted == (problem == "")
    assert re.search(problem, found.problem)
    matrix = found.confusion()
    assert matrix["true_positives"] + matrix["false_negatives"] == 4
    assert matrix["false_positives"] + matrix["true_negatives"] == 4
    if problem:
        kind, index, at = found.counterexample
        assert kind in ("experts", "randoms") and 0 <= index < 4 and at >= 0


def test_trajectories_are_completed_in_order():
    fired = lambda *rows: np.array(rows, bool)
    first = Firing(fired([0, 0, 1, 1, 1], [0, 0, 0, 1, 1]), fired([0, 0, 0, 0, 0]))
    second = Firing(fired([0, 0, 0, 1, 1], [0, 1, 1, 0, 0]), fired([0, 1, 1, 1, 1]))
    np.testing.assert_array_equal(completed([first, second], "experts", 1), [True, False])
    np.testing.assert_array_equal(completed([first, second], "experts", 2), [False, False])
    np.testing.assert_array_equal(completed([first, second], "randoms", 1), [False])


def test_thinned_trajectories_keep_their_ends_and_hold_them():
    shots = np.arange(2 * 8).reshape(2, 8, 1).astype(np.float32)
    found = thinned(Trajectories(shots, np.array([5, 7])), 3, 2)
    assert found.length.tolist() == [2, 3]
    assert found.snapshots[0, :, 0].tolist() == [0, 3, 5, 5, 5, 5]
    assert found.snapshots[1, :, 0].tolist() == [8, 11, 14, 15, 15, 15]

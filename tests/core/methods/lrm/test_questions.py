"""Which steps are judged, by what they are compared with, and how their values are held."""

from types import SimpleNamespace

import numpy as np
import pytest

from core_jax.methods.lrm.questions import WorldStates, collect, hold

SEEDS, ENVS, K = 2, 3, 1


def block(length, cuts, first=0):
    """A rollout whose snapshots are seed * 10^6 + environment * 10^4 + step."""
    cut = np.zeros((SEEDS, length, ENVS), np.float32)
    for s, t, n in cuts:
        cut[s, t, n] = 1.0
    s, t, n = np.indices(cut.shape)
    snapshot = (s * 10**6 + n * 10**4 + first + t).astype(np.float32)[..., None]
    truth = SimpleNamespace(progress=snapshot[..., 0] / 1e7, success=np.zeros(cut.shape))
    return SimpleNamespace(cut=cut, snapshot=snapshot, truth=truth)


def slow(steps, every):
    """What each step is judged with, world by world: (frame, before, start), or None."""
    found = {}
    for s in range(SEEDS):
        for n in range(ENVS):
            done, last, start = 0, None, None
            for t in range(steps.cut.shape[1]):
                now = float(steps.snapshot[s, t, n, 0])
                if done == 0:
                    last = start = None
                if done % every == 0:
                    start = now if start is None else start
                    found[s, t, n] = (now, now if last is None else last, start, last is None)
                    last = now
                done = 0 if steps.cut[s, t, n] else done + 1
    return found


def joined(*blocks):
    both = lambda f: np.concatenate([f(b) for b in blocks], axis=1)
    truth = SimpleNamespace(
        progress=both(lambda b: b.truth.progress), success=both(lambda b: b.truth.success)
    )
    return SimpleNamespace(cut=both(lambda b: b.cut), snapshot=both(lambda b: b.snapshot),
                           truth=truth)  # fmt: skip


@pytest.mark.parametrize("every", [1, 3, 4])
def test_two_rollouts_are_judged_as_one(every):
    first = block(7, [(0, 2, 1), (1, 6, 0), (0, 5, 2)])
    second = block(6, [(0, 0, 0), (1, 3, 2), (0, 4, 1)], first=7)
    expected = slow(joined(first, second), every)
    worlds, found = WorldStates.fresh(SEEDS, ENVS, K), {}
    for steps, offset in ((first, 0), (second, 7)):
        q = collect(steps, worlds, every)
        rows = [q.snapshot[x, 0].tolist() for x in (q.frame, q.before, q.start)]
        for at, *row, is_first in zip(q.at.T.tolist(), *rows, q.is_first.tolist(), strict=True):
            found[at[0], at[1] + offset, at[2]] = (*row, is_first)
        np.testing.assert_allclose(q.truth[:, 0], q.snapshot[:, 0] / 1e7, rtol=1e-5)
    assert found == expected


def test_values_are_held_until_the_next_one_and_across_rollouts():
    steps = block(5, [(0, 2, 0)])
    worlds = WorldStates.fresh(SEEDS, ENVS, K)
    q = collect(steps, worlds, 2)
    values = np.arange(1.0, 1 + len(q.frame), dtype=np.float32)
    by_step = {tuple(at): v for at, v in zip(q.at.T.tolist(), values, strict=True)}
    reward = hold(values, q, steps.cut.shape, worlds)
    # World (0, 0) is judged at steps 0, 2 and, after the cut, 3; the others at 0, 2, 4.
    kept = [by_step[0, t, 0] for t in (0, 0, 2, 3, 3)]
    np.testing.assert_array_equal(reward[0, :, 0], kept)
    np.testing.assert_array_equal(reward[1, :, 2], [by_step[1, t, 2] for t in (0, 0, 2, 2, 4)])
    later = block(3, [], first=5)
    q = collect(later, worlds, 2)
    again = hold(np.full(len(q.frame), np.nan, np.float32), q, later.cut.shape, worlds)
    np.testing.assert_array_equal(again[1, :, 2], 3 * [reward[1, -1, 2]])


def test_an_episode_that_begins_without_an_answer_has_the_mean_of_the_others():
    steps = block(2, [])
    worlds = WorldStates.fresh(SEEDS, ENVS, K)
    q = collect(steps, worlds, 5)
    values = np.array([np.nan, 0.2, 0.4, 0.6, 0.8, 1.0], np.float32)
    reward = hold(values, q, steps.cut.shape, worlds)
    np.testing.assert_allclose(reward[0, :, 0], 0.6)
    np.testing.assert_allclose(reward[0, :, 1], 0.2)

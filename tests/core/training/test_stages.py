"""The stages of a seed: what a stage does under vmap is what it does for one seed after another."""

import dataclasses
import types

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.training import stages

# Under vmap, products of matrices are summed in another order: a difference of a few units in the
# last place of float32 per product, about 1e-7 of values near 1, which SAC's updates (Adam divides
# by the square root of a small number) amplify.
SCORES, LEARNED = 1e-6, 2e-4


def stacked(*trees):
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


def numbers(tree):
    """The tree with keys as numbers."""
    is_key = lambda x: jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, tree)


@pytest.fixture(scope="module")
def seeds(after):
    """Two seeds on one device."""
    return jax.device_put(after[0].seeds, jax.devices()[0])


def seed(seeds, i):
    return jax.tree.map(lambda x: x[i], seeds)


def test_score_over_seeds_is_score_seed_by_seed(train, seeds):
    plan = train.plan
    random = jax.tree.map(lambda x: x[:, -5:], seeds.replay.data)  # any block will do
    block = random._replace(
        next_obs=random.next_obs + 0.1, rewards=jax.tree.map(jnp.zeros_like, random.rewards)
    )
    given = {"formal": 0.5 * jnp.ones_like(block.cut) + block.cut}
    score = lambda *args: stages.score(plan, *args)
    together = jax.jit(jax.vmap(score))(seeds, block, given)
    alone = [jax.jit(score)(*(seed(x, i) for x in (seeds, block, given))) for i in range(2)]
    chex.assert_trees_all_close(together, stacked(*alone), atol=SCORES)
    scored, means = together
    # What it does: scores by the learned source, keeps what was given.
    state = seeds.sources["residual"]
    frames = train.env.spec.frame_view(block.next_obs)
    [source] = plan.sources
    expected = jax.vmap(source.model.predict)(state, frames)
    np.testing.assert_allclose(scored.rewards["residual"], expected, atol=SCORES)
    np.testing.assert_array_equal(scored.rewards["formal"], given["formal"])
    np.testing.assert_allclose(means["reward"], jnp.mean(given["formal"], axis=(1, 2)), rtol=1e-6)


@pytest.fixture(scope="module", params=[True, False], ids=["side_by_side", "seed_axis"])
def learn(request, train):
    """Updates of several seeds, both ways: side by side in one program, as on a CPU, and with a
    seed axis, as on an accelerator."""
    jitted = jax.jit(lambda seeds, updates: stages.learn(train.plan.learning, seeds, updates))

    def call(seeds, updates):
        with pytest.MonkeyPatch.context() as patch:
            if not request.param:
                patch.setattr(stages.jax, "default_backend", lambda: "gpu")
            return jitted(seeds, jnp.int32(updates))

    return call


@pytest.fixture(scope="module")
def alone(train, seeds):
    """Three updates of one seed after the other."""
    learn_one = jax.jit(lambda s: stages.learn(train.plan.learning, s, jnp.int32(3)))
    return [learn_one(jax.tree.map(lambda x: x[None], seed(seeds, i))) for i in range(2)]


def test_learn_over_seeds_is_learn_seed_by_seed(learn, alone, seeds):
    together, metrics = learn(seeds, 3)
    joined = jax.tree.map(lambda *x: jnp.concatenate(x), *[numbers(a) for a, _ in alone])
    chex.assert_trees_all_close(numbers(together), joined, atol=LEARNED)
    for name, value in metrics.items():
        each = np.concatenate([m[name] for _, m in alone])
        np.testing.assert_allclose(value, each, rtol=1e-3, atol=1e-4, err_msg=name)
    np.testing.assert_array_equal(together.learner.updates, seeds.learner.updates + 3)
    # It did learn, and the two seeds differ by far more than the tolerance.
    moved = jax.tree.leaves(jax.tree.map(lambda a, b: jnp.abs(a - b).max(),
                                         together.learner.actor, seeds.learner.actor))  # fmt: skip
    assert max(float(x) for x in moved) > 10 * LEARNED


def test_no_updates_change_the_key_only(learn, seeds):
    after, metrics = learn(seeds, 0)
    chex.assert_trees_all_equal(numbers(after.learner), numbers(seeds.learner))
    assert all(float(jnp.abs(v).max()) == 0 for v in metrics.values())
    chex.assert_trees_all_equal(after.replay, seeds.replay)


def test_updates_that_ruin_a_seed_are_undone_for_this_seed(learn, train, seeds):
    data = seeds.replay.data
    ruined = data._replace(obs=data.obs.at[1].set(jnp.nan))  # the second seed's
    bad = seeds.replace(replay=seeds.replay.replace(data=ruined))
    (after, metrics), (sound, expected) = learn(bad, 3), learn(seeds, 3)
    np.testing.assert_array_equal(metrics["skipped_updates"], [0, 3])
    at = lambda tree, i: jax.tree.map(lambda x: x[i], numbers(tree))
    chex.assert_trees_all_equal(at(after.learner, 0), at(sound.learner, 0))
    chex.assert_trees_all_equal(at(after.learner, 1), at(seeds.learner, 1))
    for name in train.plan.learner.metric_names:
        np.testing.assert_array_equal(metrics[name], [expected[name][0], 0.0])
    # What the seed draws next is new: the same batch is not drawn for ever.
    assert not (numbers(after.key)[1] == numbers(seeds.key)[1]).all()


def test_a_reset_of_the_critics_keeps_the_actor(train, seeds):
    before = seed(seeds, 0)
    after = stages.reset_value(train.plan.learning, before)
    policy = train.plan.learner.policy
    chex.assert_trees_all_equal(policy(after.learner), policy(before.learner))
    same = jax.tree.map(lambda a, b: bool(jnp.all(a == b)), after.learner.critic,
                        before.learner.critic)  # fmt: skip
    assert not all(jax.tree.leaves(same))


def test_a_batchs_reward_follows_the_weights(train, seeds):
    """New weights need no rescoring: a batch drawn with the same key has the new sum."""
    key = jax.random.key(0)
    weigh = lambda f, r: seed(seeds, 0).replace(
        weights={"formal": jnp.float32(f), "residual": jnp.float32(r)}
    )
    formal, residual, mixed = (
        stages.sample(train.plan.learning, weigh(f, r), key).reward
        for f, r in ((1.0, 0.0), (0.0, 1.0), (0.25, 0.75))
    )
    np.testing.assert_allclose(mixed, 0.25 * formal + 0.75 * residual, atol=1e-6)
    assert float(jnp.std(formal)) > 0


def test_a_reward_that_would_ruin_the_critics_is_0_in_replay_and_counted():
    columns = {"a": jnp.array([1.0, jnp.nan, -2.0]), "b": jnp.array([1e30, jnp.inf, -1e6])}
    usable, refused = stages._usable(columns)
    np.testing.assert_array_equal(usable["a"], [1.0, 0.0, -2.0])
    np.testing.assert_array_equal(usable["b"], [0.0, 0.0, -1e6])
    assert int(refused) == 3


def test_evaluations_are_played_in_the_tasks_own_physics(train, seeds):
    class Reached(Exception):
        pass

    def reset(key):
        raise Reached

    nominal = types.SimpleNamespace(reset=reset, step=None, spec=train.env.spec)
    playing = dataclasses.replace(train.plan.playing, env=types.SimpleNamespace(nominal=nominal))
    one = jax.tree.map(lambda x: x[0], seeds)
    with pytest.raises(Reached):
        stages.evaluate(playing, one, jax.random.key(0))

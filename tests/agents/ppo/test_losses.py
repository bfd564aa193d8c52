"""PPO's estimates against loops, and its losses against values worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents.ppo import losses

GAMMA, LAMBDA = 0.9, 0.8


def gae_by_definition(reward, value, next_value, discount, cut):
    """The sum of discounted one-step errors of each step, up to its episode's end."""
    steps, envs = reward.shape
    advantage = np.zeros((steps, envs))
    for n in range(envs):
        for t in range(steps):
            weight = 1.0
            for u in range(t, steps):
                bootstrap = GAMMA * next_value[u, n] if discount[u, n] else 0.0
                advantage[t, n] += weight * (reward[u, n] + bootstrap - value[u, n])
                if cut[u, n]:
                    break
                weight *= GAMMA * LAMBDA
    return advantage


def episodes():
    """Env 0 ends by termination at step 2, env 1 by a time limit at step 2, env 2 never."""
    rng = np.random.default_rng(0)
    reward, value, next_value = rng.normal(size=(3, 6, 3))
    discount, cut = np.ones((6, 3)), np.zeros((6, 3))
    discount[2, 0] = 0.0
    cut[2, :2] = 1.0
    return reward, value, next_value, discount, cut


def ours(*data):
    return losses.gae(*map(jnp.asarray, data), GAMMA, LAMBDA)


def test_gae_is_the_discounted_sum_of_errors():
    data = episodes()
    advantage, target = ours(*data)
    expected = gae_by_definition(*data)
    np.testing.assert_allclose(advantage, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(target, expected + data[1], rtol=1e-4, atol=1e-6)


def test_a_time_limit_bootstraps_and_a_termination_does_not():
    reward, value, next_value, discount, cut = episodes()
    before, _ = ours(reward, value, next_value, discount, cut)
    raised = next_value.copy()
    raised[2] += 1.0
    after, _ = ours(reward, value, raised, discount, cut)
    change = np.asarray(after - before)
    np.testing.assert_allclose(change[:, 0], 0.0, atol=1e-6)
    decay = GAMMA * LAMBDA
    expected = [GAMMA * decay**2, GAMMA * decay, GAMMA, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(change[:, 1], expected, atol=1e-5)


def test_a_nonfinite_successor_of_a_world_that_ended_is_not_read():
    reward, value, next_value, discount, cut = episodes()
    expected, _ = ours(reward, value, next_value, discount, cut)
    next_value[2, 0] = np.nan
    advantage, _ = ours(reward, value, next_value, discount, cut)
    np.testing.assert_array_equal(advantage, expected)


def test_nothing_of_the_next_episode_reaches_across_a_cut():
    reward, value, next_value, discount, cut = episodes()
    before, _ = ours(reward, value, next_value, discount, cut)
    after, _ = ours(reward + 5.0 * (np.arange(6) > 2)[:, None], value, next_value, discount, cut)
    np.testing.assert_array_equal(after[:3, :2], before[:3, :2])
    assert np.all(np.abs(after[:3, 2] - before[:3, 2]) > 0.1)


def test_lambda_1_gives_returns_and_lambda_0_one_step_errors():
    data = [jnp.asarray(x) for x in episodes()]
    reward, value, next_value, discount, _ = data
    one_step, _ = losses.gae(*data, GAMMA, 0.0)
    error = reward + GAMMA * discount * next_value - value
    np.testing.assert_allclose(one_step, error, rtol=1e-5)
    _, target = losses.gae(*data, GAMMA, 1.0)
    # env 0's first episode: discounted rewards only, when the values agree with each other
    data[2] = data[2].at[:2].set(value[1:3])
    _, target = losses.gae(*data, GAMMA, 1.0)
    r = reward[:, 0]
    np.testing.assert_allclose(target[0, 0], r[0] + 0.9 * r[1] + 0.81 * r[2], rtol=1e-5)


@pytest.mark.parametrize(
    "ratio, advantage, expected, slope",
    [
        (1.1, 2.0, -2.2, -2.2),  # inside: the ratio counts
        (1.5, 2.0, -2.4, 0.0),  # beyond, in the direction of gain: limited, no gradient
        (0.5, 2.0, -1.0, -1.0),  # beyond, in the direction of loss: not limited
        (0.5, -2.0, 1.6, 0.0),
        (1.5, -2.0, 3.0, 3.0),
    ],
)
def test_clipped_surrogate(ratio, advantage, expected, slope):
    loss = lambda log_prob: losses.clipped_surrogate(
        log_prob, jnp.array([-1.0]), jnp.array([advantage]), 0.2
    )
    log_prob = jnp.array([-1.0 + np.log(ratio)])
    np.testing.assert_allclose(loss(log_prob), expected, rtol=1e-5)
    # d ratio / d log_prob = ratio
    np.testing.assert_allclose(jax.grad(loss)(log_prob)[0], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "value, target, clip, expected",
    [
        (3.0, 5.0, None, 2.0),
        (3.0, 5.0, 0.5, 0.5 * 3.5**2),  # limited to 1.5 from the old value 1: the larger error
        (3.0, 2.0, 0.5, 0.5),  # unlimited error 1 against limited 0.5
        (1.2, 5.0, 0.5, 0.5 * 3.8**2),  # within the limit: both the same
    ],
)
def test_value_loss(value, target, clip, expected):
    loss = losses.value_loss(jnp.array([value]), jnp.array([1.0]), jnp.array([target]), clip)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_approximate_kl_is_the_divergence_of_the_old_policy_from_the_new():
    old, new = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    counts = np.repeat(np.arange(3), [5, 3, 2])  # actions with the old policy's frequencies
    estimate = losses.approximate_kl(jnp.log(new)[counts], jnp.log(old)[counts])
    np.testing.assert_allclose(estimate, np.sum(old * np.log(old / new)), rtol=1e-5)


def test_standardise_and_explained_variance():
    x = jnp.array([1.0, 2.0, 6.0])
    z = np.asarray(losses.standardise(x))
    np.testing.assert_allclose([z.mean(), z.std()], [0.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(losses.explained_variance(x, x), 1.0)
    np.testing.assert_allclose(losses.explained_variance(jnp.zeros(3), x), 0.0, atol=1e-6)
    np.testing.assert_allclose(losses.explained_variance(x / 2, x), 0.75, rtol=1e-5)

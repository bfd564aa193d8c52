"""Reward columns become one number: the dot product with their weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.combine import combine

COLUMNS = {
    "formal": jnp.array([[1.0, -2.0], [0.5, 0.0]]),
    "residual": jnp.array([[4.0, 8.0], [-2.0, 1.0]]),
    "unused": jnp.full((2, 2), jnp.nan),
}


def test_the_sum_of_weighted_columns():
    reward = combine({"formal": 0.75, "residual": 0.25}, COLUMNS)
    np.testing.assert_allclose(reward, [[1.75, 0.5], [-0.125, 0.25]])


def test_a_column_without_a_weight_is_not_read():
    np.testing.assert_array_equal(combine({"formal": 1.0}, COLUMNS), COLUMNS["formal"])
    np.testing.assert_array_equal(combine({"formal": -2.0}, COLUMNS), -2.0 * COLUMNS["formal"])


def test_a_weight_of_zero_takes_a_column_out_of_the_reward():
    reward = combine({"formal": 1.0, "residual": 0.0}, COLUMNS)
    np.testing.assert_array_equal(reward, COLUMNS["formal"])


def test_the_order_of_weights_and_columns_does_not_matter():
    weights = {"residual": 0.3, "formal": 0.7}
    swapped = dict(reversed(weights.items()))
    columns = dict(reversed(COLUMNS.items()))
    np.testing.assert_array_equal(combine(weights, COLUMNS), combine(swapped, columns))


def test_weights_may_differ_from_world_to_world():
    weights = {"formal": jnp.array([1.0, 0.0]), "residual": jnp.array([0.0, 1.0])}
    np.testing.assert_allclose(combine(weights, COLUMNS), [[1.0, 8.0], [0.5, 1.0]])


def test_it_is_linear_in_the_weights():
    weights = {"formal": 0.2, "residual": -0.6}
    slope = jax.grad(lambda w: jnp.sum(combine(w, COLUMNS)))(weights)
    np.testing.assert_allclose(slope["formal"], jnp.sum(COLUMNS["formal"]), rtol=1e-6)
    np.testing.assert_allclose(slope["residual"], jnp.sum(COLUMNS["residual"]), rtol=1e-6)


def test_a_missing_column_is_named():
    message = r"no reward column \['formel'\]; there are \['formal', 'residual', 'unused'\]"
    with pytest.raises(ValueError, match=message):
        combine({"formal": 1.0, "formel": 1.0}, COLUMNS)


def test_no_weights_are_no_reward():
    with pytest.raises(ValueError, match="no weights"):
        combine({}, COLUMNS)

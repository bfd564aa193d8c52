"""Functions are the same with their indices known; gathers and scatters of rows are gone."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.envs.static_indices import static_indices

X = jnp.arange(24.0).reshape(6, 4) + 0.5


def primitives(f, *args):
    """How often each operation occurs, inside of jitted functions too."""
    found = collections.Counter()

    def walk(jaxpr):
        for equation in jaxpr.eqns:
            found[equation.primitive.name] += 1
            for value in equation.params.values():
                if hasattr(value, "jaxpr"):
                    walk(value.jaxpr)

    walk(jax.make_jaxpr(f)(*args).jaxpr)
    return found


CASES = {
    "rows": lambda x: x[jnp.array([4, 0, 1, 2, 2])],
    "from the end": lambda x: x[jnp.array([-1, 3])],
    "take": lambda x: x.take(jnp.array([[5, 1], [0, 0]]), axis=0, mode="wrap"),
    "clipped": lambda x: x.take(jnp.array([9, 1]), axis=0, mode="clip"),
    "numbers": lambda x: x[:, 0][jnp.array([3, 3, 1])],
    "segments": lambda x: jax.ops.segment_sum(x, jnp.array([0, 2, 2, 1, 0, 2]), 4),
    "added": lambda x: x.at[jnp.array([1, 1, 4])].add(2.0 * x[:3]),
    "set": lambda x: x.at[jnp.array([1, 4])].set(-x[:2]),
    "one set": lambda x: x.at[2].set(0.0),
    "jitted": lambda x: jax.jit(lambda y: jnp.sin(y)[jnp.array([5, 0])])(x) + 1.0,
}


@pytest.mark.parametrize("name", CASES)
def test_a_function_is_the_same_without_gathers_and_scatters(name):
    f = CASES[name]
    rewritten = static_indices(f)
    np.testing.assert_allclose(jax.jit(rewritten)(X), f(X), rtol=1e-6)
    batch = jnp.stack([X, -X, 2.0 * X])
    np.testing.assert_allclose(jax.vmap(rewritten)(batch), jax.vmap(f)(batch), rtol=1e-6)
    before, after = primitives(f, X), primitives(rewritten, X)
    moved = ("gather", "scatter", "scatter-add")
    assert sum(before[k] for k in moved) >= 1 and not any(after[k] for k in moved)


OTHERS = {
    "unknown indices": lambda x: x[jnp.argsort(x[:, 0])[:2]],
    "columns": lambda x: x[:, jnp.array([2, 0])],
    "pairs": lambda x: x[jnp.array([0, 1]), jnp.array([3, 2])],
    "filled": lambda x: x.at[jnp.array([0, 9])].get(mode="fill", fill_value=7.0),
    "maximum": lambda x: x.at[jnp.array([0, 0])].max(5.0),
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y + x[i], jnp.zeros(4)),
    "choice": lambda x: jax.lax.cond(x[0, 0] > 0, lambda y: y[0], lambda y: y[1], x),
    "many rows": lambda x: jnp.tile(x, (8, 1))[jnp.arange(0, 48, 2)],
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_functions_are_the_same_too(name):
    f = OTHERS[name]
    np.testing.assert_allclose(jax.jit(static_indices(f))(X), f(X), rtol=1e-6)
    batch = jnp.stack([X, -X])
    found = jax.vmap(static_indices(f))(batch)
    np.testing.assert_allclose(found, jax.vmap(f)(batch), rtol=1e-6)


def test_what_is_known_is_computed_once():
    known = jnp.arange(10.0)

    def f(x):
        return x + jnp.sum(jnp.where(known > 3.0, known * 2.0, 0.0)) + known[jnp.array([3, 4])][0]

    after = primitives(static_indices(f), X)
    assert set(after) <= {"add", "convert_element_type"}
    np.testing.assert_allclose(static_indices(f)(X), f(X), rtol=1e-6)


def test_trees_and_gradients_pass():
    f = lambda tree, y: {"a": tree["x"][jnp.array([1, 0])] * y, "b": (y, tree["x"].sum())}
    found, expected = static_indices(f)({"x": X}, 3.0), f({"x": X}, 3.0)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_allclose, found, expected)
    g = lambda x: jnp.sum(jnp.square(x[jnp.array([2, 2, 5])]))
    np.testing.assert_allclose(jax.grad(static_indices(g))(X), jax.grad(g)(X))


KNOWN = np.arange(24.0, dtype=np.float32).reshape(6, 4)
GATHERS = {
    "rows": lambda k: k[jnp.array([5, 0, 0])],
    "grid": lambda k: k[jnp.array([[5, 0], [1, 1]])],
    "columns": lambda k: k[:, jnp.array([3, 1])],
    "pairs": lambda k: k[jnp.array([1, 2, 5]), jnp.array([3, 0, 0])],
    "windows": lambda k: jax.vmap(lambda i: jax.lax.dynamic_slice(k, (i, 0), (2, 3)))(
        jnp.array([0, 3, 9])
    ),
    "side by side": lambda k: jax.vmap(lambda row, i: row[i])(k, jnp.array([3, 2, 1, 0, 1, 2])),
    "clipped": lambda k: k.at[jnp.array([9, -9])].get(mode="clip"),
    "filled": lambda k: k.at[jnp.array([9, 1])].get(mode="fill", fill_value=-1.0),
    "filled with nan": lambda k: k.at[jnp.array([9, 1])].get(mode="fill"),
    "added": lambda k: k.at[jnp.array([1, 1])].add(1.0),
}


@pytest.mark.parametrize("name", GATHERS)
def test_what_is_gathered_of_known_numbers_is_known(name):
    f = lambda x: x * GATHERS[name](jnp.asarray(KNOWN))
    rewritten = static_indices(f)
    np.testing.assert_array_equal(rewritten(2.0), f(2.0))
    assert set(primitives(rewritten, 2.0)) <= {"mul", "convert_element_type"}

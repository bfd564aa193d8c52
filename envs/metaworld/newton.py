"""The constraint solver of the Meta-World scenes: Newton's method with a fixed number of steps.

MuJoCo's problem (Todorov, ICRA 2014): with mass matrix M and the acceleration `smooth` that there
would be without constraints, the acceleration a minimises

    (a - smooth)' M (a - smooth) / 2 + sum over rows of D min(J a - reference, 0)^2 / 2.

MJX solves it by loops that end when a world has converged, with three points for each step of the
line search. An accelerator runs such a loop as dozens of kernels and asks the host after each
iteration; here nothing depends on data, and a step evaluates one point at a time. Only rows that
push (limits, frictionless contacts, pyramidal friction) are handled.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def solve(
    mass: Float[Array, "V V"],
    smooth: Float[Array, " V"],
    jacobian: Float[Array, "R V"],
    stiffness: Float[Array, " R"],
    reference: Float[Array, " R"],
    guess: Float[Array, " V"],
    steps: int,
    line_steps: int,
) -> Float[Array, " V"]:
    """The acceleration.

    Args:
        mass: M.
        smooth: acceleration without constraints.
        jacobian: J, a row for each constraint.
        stiffness: D, 0 for a row that is not there.
        reference: acceleration of each row below which it pushes.
        guess: the last step's acceleration, from which it starts if that is the better start.
        steps: Newton steps.
        line_steps: points of each line search.
    """
    starts = jnp.stack([guess, smooth])
    gaps = starts @ jacobian.T - reference
    pushed = jnp.sum(stiffness * jnp.square(jnp.minimum(gaps, 0.0)), axis=1)
    away = guess - smooth
    force = mass @ away
    is_better = away @ force + pushed[0] < pushed[1]
    acc, gap = jnp.where(is_better, starts[0], smooth), jnp.where(is_better, gaps[0], gaps[1])
    force = jnp.where(is_better, force, 0.0)
    for _ in range(steps):
        active = jnp.where(gap < 0.0, stiffness, 0.0)
        gradient = force + (active * gap) @ jacobian
        hessian = mass + (jacobian.T * active) @ jacobian
        direction = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(hessian), gradient)
        force_change, gap_change = mass @ direction, jacobian @ direction
        slope = direction @ force, direction @ force_change
        size = _step_size(slope, stiffness, gap, gap_change, line_steps)
        acc, gap = acc + size * direction, gap + size * gap_change
        force = force + size * force_change
    return acc


def _step_size(
    slope: tuple[Float[Array, ""], Float[Array, ""]],
    stiffness: Float[Array, " R"],
    gap: Float[Array, " R"],
    change: Float[Array, " R"],
    points: int,
) -> Float[Array, ""]:
    """How far to go: where the cost along a direction has its minimum.

    Its derivative grows and is linear between the places where rows begin or cease to push, so
    Newton's method on it ends after few points; where it leaves the interval that the minimum is
    in, the middle is taken.

    Args:
        slope: of the cost without the rows, at 0, and how it grows.
        stiffness: of each row.
        gap: of each row at 0.
        change: of each gap.
        points: to evaluate.
    """
    low, high, size = jnp.float32(0.0), jnp.float32(jnp.inf), jnp.float32(1.0)
    weighted = stiffness * change
    for _ in range(points):
        there = gap + size * change
        pushes = jnp.where(there < 0.0, weighted, 0.0)
        first = slope[0] + size * slope[1] + jnp.sum(pushes * there)
        second = slope[1] + jnp.sum(pushes * change)
        low, high = jnp.where(first < 0.0, size, low), jnp.where(first < 0.0, high, size)
        tried = size - first / second
        inside = (tried >= low) & (tried <= high)
        size = jnp.where(inside, tried, 0.5 * (low + high))
    return jnp.where(jnp.isfinite(size), size, 0.0)

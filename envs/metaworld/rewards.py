"""Shaping functions of Meta-World's dense v2 rewards (Yu et al. 2019; Tassa et al. 2018)."""

import jax
import jax.numpy as jnp

from core_jax.envs.metaworld.hand import Gripper

_VALUE_AT_MARGIN = 0.1


def tolerance(
    x: jax.Array,
    low: jax.Array | float,
    high: jax.Array | float,
    margin: jax.Array | float,
    sigmoid: str = "long_tail",
) -> jax.Array:
    """Returns 1 where `low <= x <= high`, falling to 0.1 at `margin` outside.

    Args:
        x: any shape.
        low: lower bound, inclusive.
        high: upper bound, inclusive.
        margin: distance outside the bounds at which the value is 0.1; 0 makes a hard edge.
        sigmoid: `long_tail`, 1 / (1 + 9 d^2), or `gaussian`, exp(-d^2 ln 10), d in margins.

    Raises:
        ValueError: for an unknown sigmoid.
    """
    outside = jnp.maximum(jnp.maximum(low - x, x - high), 0.0)
    margin = jnp.asarray(margin, jnp.float32)
    d = outside / jnp.where(margin > 0, margin, 1.0)
    if sigmoid == "long_tail":
        value = 1.0 / (1.0 + (1.0 / _VALUE_AT_MARGIN - 1.0) * d**2)
    elif sigmoid == "gaussian":
        value = jnp.exp(jnp.log(_VALUE_AT_MARGIN) * d**2)
    else:
        raise ValueError(f"unknown sigmoid: {sigmoid!r}. Valid: long_tail, gaussian.")
    return jnp.where(outside == 0, 1.0, jnp.where(margin > 0, value, 0.0))


def hamacher(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns the Hamacher product of two numbers in [0, 1]: a soft "and", 0 at (0, 0)."""
    denominator = a + b - a * b
    return jnp.where(denominator > 0, a * b / jnp.where(denominator > 0, denominator, 1.0), 0.0)


def caging(
    gripper: Gripper,
    obj: jax.Array,
    origin: jax.Array,
    tcp_init: jax.Array,
    grip: jax.Array,
    radius: float,
    pad_reach: float,
    xz_reach: float,
) -> jax.Array:
    """Returns how well the gripper is around an object and closes, in [0, 1] ("high density").

    Args:
        gripper: where finger tips and pads are.
        obj: [3] the object, m.
        origin: [3] where it was at the reset, m; the pads' margins depend on it.
        tcp_init: [3] the finger tips at the reset, m.
        grip: the gripper action; up to 1 closes.
        radius: distance along y at which a pad touches the object, m.
        pad_reach: distance along y at which a pad is near enough, m.
        xz_reach: distance in x and z at which the finger tips are near enough, m.
    """
    pads_y = jnp.stack([gripper.left_pad[1], gripper.right_pad[1]])
    margin = jnp.abs(jnp.abs(pads_y - origin[1]) - pad_reach)
    left, right = tolerance(jnp.abs(pads_y - obj[1]), radius, pad_reach, margin)
    xz = lambda x: jnp.hypot(x[0], x[2])
    near = tolerance(xz(gripper.tcp - obj), 0.0, xz_reach, xz(origin - tcp_init) - xz_reach)
    caged = hamacher(hamacher(left, right), near)
    closing = jnp.where(caged > 0.97, jnp.clip(grip, 0.0, 1.0), 0.0)
    return 0.5 * (hamacher(caged, closing) + caged)


def progress(error: jax.Array, error_at_reset: jax.Array | float, tolerated: float) -> jax.Array:
    """Returns 0 at the error of the reset, 1 at the tolerated error, linear between, clipped."""
    span = jnp.maximum(error_at_reset - tolerated, 1e-6)
    return jnp.clip((error_at_reset - error) / span, 0.0, 1.0)


def caged_between_pads(
    obj: jax.Array,
    origin: jax.Array,
    gripper: Gripper,
    tcp_init: jax.Array,
    radius: float,
    slack: float,
    xz: float,
) -> jax.Array:
    """Returns how well the pads enclose an object along y, 0 to 1: soccer's and sweep-into's.

    The original means its margins to be the pads' distances at the reset, but keeps views of
    MuJoCo's arrays: they are the pads' distances now, so a pad that is too far away counts 0.1.

    Args:
        obj: [3] where the object is, m.
        origin: [3] where it was at the reset, m.
        gripper: where finger tips and pads are.
        tcp_init: [3] middle of the finger tips at the reset, m.
        radius: a pad must be at least this far from the object's middle, m.
        slack: a gripping pad is at most this much further away, m.
        xz: tolerated distance of object and finger tips in the plane of x and z, m.
    """
    reach = 0.05  # m, a caging pad is at most this far from the object's middle
    gaps = (gripper.left_pad[1] - obj[1], obj[1] - gripper.right_pad[1])
    margins = [jnp.abs(jnp.abs(gap) - reach) for gap in gaps]
    near = lambda high: hamacher(
        *(tolerance(gap, radius, high, margin) for gap, margin in zip(gaps, margins, strict=True))
    )
    across = lambda a, b: jnp.hypot(a[0] - b[0], a[2] - b[2])
    level = tolerance(across(gripper.tcp, obj), 0.0, xz, across(origin, tcp_init) - xz)
    caging = hamacher(near(reach), level)
    return 0.5 * (caging + jnp.where(caging > 0.95, near(radius + slack), 0.0))

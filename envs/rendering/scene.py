"""`Scene`: the primitives, surfaces and glass panes of one picture, and its constants of light."""

from __future__ import annotations

from flax import struct
from jaxtyping import Array, Float

from core_jax.envs.rendering.rasterising import Balls, Sheet

LIGHT = (0.35, -0.45, 0.82)  # towards the light
AMBIENT = 0.5
SKY = (0.62, 0.71, 0.80)
GLASS = (0.85, 0.93, 0.97)


@struct.dataclass
class Scene:
    """What a picture shows.

    Attributes:
        pos: [G, 3] positions of the primitives, m.
        mat: [G, 3, 3] their axes, as columns, in the world frame.
        size: [G, 3] MuJoCo's sizes of the kind, m.
        rgb: [G, 3] colours in [0, 1].
        second: [G, 3] a plane's other colour.
        kinds: G names of `primitives.KINDS`.
        checks: G edges of a plane's checks, m; 0 is one colour.
        rasterised: sheets and balls; they neither cast nor receive shadows.
        glass: [B, 2, 3] centres and half sizes of transparent boxes along the world's axes, m.
    """

    pos: Float[Array, "G 3"]
    mat: Float[Array, "G 3 3"]
    size: Float[Array, "G 3"]
    rgb: Float[Array, "G 3"]
    second: Float[Array, "G 3"]
    kinds: tuple[str, ...] = struct.field(pytree_node=False)
    checks: tuple[float, ...] = struct.field(pytree_node=False)
    rasterised: tuple[Sheet | Balls, ...] = ()
    glass: Float[Array, "B 2 3"] | None = None

"""CLIP's preprocessing of pictures (Radford et al. 2021): bicubic resize of the shorter side,
centre crop, normalisation.

The resize is Pillow's, which published scores were made with: a cubic kernel (a = -0.5) that widens
where the picture shrinks, first along the rows and then along the columns, each rounded to 8 bits.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def preprocess(pictures: UInt8[Array, "B H W 3"], size: int) -> Float[Array, "B size size 3"]:
    """What CLIP's image tower reads of pictures of any one shape."""
    height, width = pictures.shape[1:3]
    short = min(height, width)
    tall, wide = (size if n == short else int(size * n / short) for n in (height, width))
    resized = resize(pictures, tall, wide)
    top, left = (tall - size) // 2, (wide - size) // 2
    cropped = resized[:, top : top + size, left : left + size]
    return (cropped / 255.0 - jnp.array(MEAN)) / jnp.array(STD)


def resize(
    pictures: UInt8[Array, "B H W 3"], height: int, width: int
) -> Float[Array, "B height width 3"]:
    """Bicubic resize with values in 0..255, rounded to whole numbers."""
    x = jnp.asarray(pictures, jnp.float32)
    for axis, length in ((2, width), (1, height)):
        if x.shape[axis] != length:
            shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
            x = jax.image.resize(
                x, shape, "cubic", antialias=True, precision=jax.lax.Precision.HIGHEST
            )
            x = jnp.clip(jnp.floor(x + 0.5), 0.0, 255.0)
    return x

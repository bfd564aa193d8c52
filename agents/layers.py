"""Dense layers whose sums over the batch are matrix products.

XLA's CPU backend sums over a batch axis on one core and far below memory speed, and in a
256-wide network those sums (gradients of biases and of norms) take as long as the products. A
product with a row of ones gives the same sums from the matrix-product kernel: 1.5 times the updates
per second of SAC at batch 256 with 3 hidden layers of 256 and layer norm. The mathematics and the
parameters are those of Linen's layers.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EPSILON = 1e-6


class Dense(nn.Module):
    """`x [B, in] @ kernel [in, out] + bias [out]`, as `flax.linen.Dense`.

    The initial kernel is LeCun's times `scale`.
    """

    width: int
    scale: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "B in"]) -> Float[Array, "B width"]:
        shape = (x.shape[-1], self.width)
        lecun = nn.initializers.variance_scaling(self.scale**2, "fan_in", "truncated_normal")
        kernel = self.param("kernel", lecun, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        return affine(x, kernel, bias)


class NormedRelu(nn.Module):
    """`relu(layer_norm(x [B, in] @ kernel + bias))`, with a learned scale and offset.

    Layer norm subtracts the mean over features. Subtracting the kernel's and the bias's mean over
    output features instead gives the same values without a pass over the batch.
    """

    width: int

    @nn.compact
    def __call__(self, x: Float[Array, "B in"]) -> Float[Array, "B width"]:
        shape = (x.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        scale = self.param("scale", nn.initializers.ones, (self.width,))
        offset = self.param("offset", nn.initializers.zeros, (self.width,))
        centred = kernel - jnp.mean(kernel, axis=1, keepdims=True)
        return _rms_relu(affine(x, centred, bias - jnp.mean(bias)), scale, offset)


@jax.custom_vjp
def affine(
    x: Float[Array, "B in"], kernel: Float[Array, "in out"], bias: Float[Array, " out"]
) -> Float[Array, "B out"]:
    """`x @ kernel + bias`."""
    return x @ kernel + bias


def _affine_forward(x, kernel, bias):
    return affine(x, kernel, bias), (x, kernel)


def _affine_backward(residuals, grad):
    x, kernel = residuals
    return grad @ kernel.T, x.T @ grad, _sum_rows(grad)


affine.defvjp(_affine_forward, _affine_backward)


@jax.custom_vjp
def _rms_relu(y: jax.Array, scale: jax.Array, offset: jax.Array) -> jax.Array:
    return _rms_relu_forward(y, scale, offset)[0]


def _rms_relu_forward(y, scale, offset):
    inverse = jax.lax.rsqrt(_row_means(y * y) + EPSILON)
    normed = y * inverse
    out = jnp.maximum(normed * scale + offset, 0.0)
    return out, (normed, inverse, scale, out)


def _rms_relu_backward(residuals, grad):
    normed, inverse, scale, out = residuals
    grad = jnp.where(out > 0.0, grad, 0.0)
    grad_normed = grad * scale
    grad_y = inverse * (grad_normed - normed * _row_means(grad_normed * normed))
    return grad_y, _sum_rows(grad * normed), _sum_rows(grad)


_rms_relu.defvjp(_rms_relu_forward, _rms_relu_backward)


def _sum_rows(x: jax.Array) -> jax.Array:
    return (jnp.ones((1, x.shape[0]), x.dtype) @ x)[0]


def _row_means(x: jax.Array) -> jax.Array:
    return x @ jnp.full((x.shape[1], 1), 1.0 / x.shape[1], x.dtype)

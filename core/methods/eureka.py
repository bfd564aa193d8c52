"""Eureka (Ma et al., ICLR 2024): rewards searched for by training with them, no residual.

The search is `core/eureka.py`.
"""

from core_jax.methods.base import Method

METHOD = Method(
    name="eureka",
    summary="formal reward found by training candidates and reflecting on the best",
    formal=True,
    writer="eureka",
    formal_limit=100.0,
)

"""Text2Reward (Xie et al., ICLR 2024), zero-shot: one reply is the reward, no residual.

A reply that is refused is asked for again, with the refusal; the released code runs it and hopes.
"""

from core_jax.methods.base import Method

METHOD = Method(
    name="text2reward",
    summary="formal reward written in one reply",
    formal=True,
    writer="text2reward",
    formal_limit=100.0,
)

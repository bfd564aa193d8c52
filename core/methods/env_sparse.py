"""`Env Sparse` in CoRe's table: SAC on the success signal alone."""

from core_jax.methods.base import Method

METHOD = Method(
    name="env_sparse", summary="SAC on the ground-truth success signal", ground_truth="sparse"
)

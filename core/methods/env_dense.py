"""`Env Dense` in CoRe's table: SAC on the benchmark's hand-written dense reward."""

from core_jax.methods.base import Method

METHOD = Method(
    name="env_dense", summary="SAC on the ground-truth dense reward", ground_truth="dense"
)

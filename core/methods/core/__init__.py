"""CoRe (Ni, Lu, Cai; ICML 2026): formal reward code plus a residual reward from preferences."""

from core_jax.methods.base import Method

METHOD = Method(
    name="core",
    summary="formal reward from a language model + residual reward from preferences",
    formal=True,
    residual=True,
)

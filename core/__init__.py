"""CoRe-JAX: reinforcement learning from rewards that nobody wrote by hand.

The folders of the repository are one package: `core_jax` is `core/`, and `core_jax.envs`,
`core_jax.agents` and `core_jax.reward_models` are the folders of those names.
"""

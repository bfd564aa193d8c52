"""Plays the policy of a finished run, or one that comes with the package.

python examples/play_policy.py RUN_OR_NAME
"""

import sys

import jax

import core_jax

policy = core_jax.load_policy(sys.argv[1])  # of the run's first seed; observations -> actions
env = policy.make_env()
step = jax.jit(lambda state: env.step(state, policy(state.obs)))
state, success = jax.jit(env.reset)(jax.random.key(0)), False
for _ in range(env.spec.horizon):
    state = step(state)
    success |= bool(state.metrics["success"])
print(f"{policy.task}: {'success' if success else 'no success'}, trained for {policy.env_steps}")

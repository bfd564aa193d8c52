"""Four learning rates trained side by side, as one program that is compiled once.

python examples/sweep_learning_rates.py [CHUNKS]
"""

import sys

import jax
import jax.numpy as jnp

import core_jax

rates = jnp.array([1e-4, 3e-4, 1e-3, 3e-3])
config = core_jax.make_config(task="drawer-open", method="env_dense", seeds=len(rates))
train = core_jax.make_train(core_jax.check(config))
keys = jax.vmap(jax.random.key)(jnp.zeros(len(rates), jnp.int32))  # the same seed for each rate
state = train.init(keys, {"actor_lr": rates})
for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 40):
    state, metrics = train.train_chunk(state)  # 1,000 environment steps of each member
played, _ = train.evaluate(state.seeds, keys)  # arrays [member, episode]
for rate, success in zip(rates, played.success.mean(axis=1), strict=True):
    print(f"actor_lr {rate:.0e}: success {success:.2f} after {state.env_steps:,} steps")

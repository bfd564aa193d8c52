"""brax's own PPO trainer on a task of this project.

python examples/brax_ppo.py [TASK] [STEPS]
"""

import sys

import jax
import jax.numpy as jnp
from brax.training.agents.ppo.train import train

from core_jax import envs


def replicated(tree, devices):
    """A leading axis with a copy for each device."""
    return jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * len(devices)), tree)


if not hasattr(jax, "device_put_replicated"):  # brax 0.14.2 calls it; JAX 0.10 has removed it
    jax.device_put_replicated = replicated

env = envs.make(sys.argv[1] if len(sys.argv) > 1 else "drawer-open")
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 2_000_000
make_policy, params, _ = train(
    env,
    num_timesteps=steps,
    episode_length=env.spec.horizon,
    reward_scaling=env.spec.dense_scale,
    num_envs=128,
    batch_size=128,  # rollouts; with num_minibatches it makes up a multiple of num_envs
    num_minibatches=4,
    unroll_length=10,
    normalize_observations=True,
    num_evals=2 + steps // 500_000,
    num_eval_envs=8,
    max_devices_per_host=1,
    progress_fn=lambda at, found: print(f"{at:,} steps: return {found['eval/episode_reward']:.1f}"),
)
policy = make_policy(params, deterministic=True)
state = jax.jit(env.reset)(jax.random.key(0))
action, _ = policy(state.obs, jax.random.key(1))
print(f"{env.spec.name}: first action {action}")

"""SoftGym's fold-cloth, flatten-rope and pass-water as RL-VLM-F has them, on particles in jnp."""

"""MiniGrid's tasks in JAX: grid worlds of xminigrid with Farama MiniGrid's actions and rewards."""

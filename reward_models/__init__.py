"""Reward models: the formal reward (code), the residual reward (images) and their mixture."""

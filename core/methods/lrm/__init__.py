"""LRM: an imitated policy is refined by PPO with a large reward model's judgements (Wu et al.
2026)."""

from core_jax.methods.lrm.method import LRM

__all__ = ["LRM"]

"""VLM-CaR (Venuto et al., ICML 2024): sub-tasks from pictures, verified image programs."""

from core_jax.methods.vlm_car.method import VLMCaR

__all__ = ["VLMCaR"]

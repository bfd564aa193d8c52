"""CoRe (Ni, Lu, Cai; ICML 2026): formal reward code plus a residual reward from preferences."""

from core_jax.methods.core.algorithm import CoreRun
from core_jax.methods.core.config import CoreConfig, FormalConfig
from core_jax.methods.core.method import Core
from core_jax.methods.core.parts import Phase

__all__ = ["Core", "CoreConfig", "CoreRun", "FormalConfig", "Phase"]

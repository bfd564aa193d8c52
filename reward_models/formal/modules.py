"""All modules that a formal reward can read, by their dotted names."""

from __future__ import annotations

from typing import Any

from core_jax.reward_models.formal.modules_table import LINALG, MATH, SCIPY_LINALG
from core_jax.reward_models.formal.more_modules import MORE_MODULES
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.scipy_table import SCIPY_MODULES
from core_jax.reward_models.formal.torch_table import TORCH_MODULES

MODULES: dict[str, dict[str, Any]] = {
    "numpy": NUMPY,
    "numpy.linalg": LINALG,
    "math": MATH,
    **SCIPY_MODULES,
    "scipy.linalg": SCIPY_LINALG,
    **TORCH_MODULES,
    **MORE_MODULES,
}

DETERMINISTIC = "a reward is a function of its arguments: remove the randomness"
ATTRIBUTE_HINTS = {
    "random": DETERMINISTIC,
    "sigmoid": "write 1.0 / (1.0 + np.exp(-x))",
    "relu": "write np.maximum(x, 0.0)",
    "errstate": "guard the division itself, as in `x / (y + 1e-6)`",
    "unique": "its size depends on the state: compare the elements with each other",
}

"""The formal reward: Python text of a language model, checked and lowered to JAX.

See CoRe (arXiv 2607.01721, formal reward module) and, for the dict of components, Eureka
(arXiv 2310.12931). The text is untrusted: it is interpreted, never executed.
"""

from core_jax.reward_models.formal.errors import Diagnostic, RewardError
from core_jax.reward_models.formal.reply import extract_code
from core_jax.reward_models.formal.reward import FormalReward, compile_reward
from core_jax.reward_models.formal.signatures import (
    CORE,
    FUNCTION_NAMES,
    Signature,
    make_signature,
)

__all__ = [
    "CORE",
    "FUNCTION_NAMES",
    "Diagnostic",
    "FormalReward",
    "RewardError",
    "Signature",
    "compile_reward",
    "extract_code",
    "make_signature",
]

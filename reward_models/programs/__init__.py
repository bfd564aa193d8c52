"""Image reward programs: Python text that looks at pictures, checked and lowered to JAX.

A vision-language model writes a function `reward(image)` or a class with state between frames, in
Python with OpenCV and NumPy (VLM-CaR, Venuto et al., ICML 2024). The text is untrusted: it is
interpreted, never executed, as in `reward_models.formal`, whose parser, limits and refusals it
shares.

Public: `compile_program`, `Program`, and from `formal` `RewardError`, `Diagnostic`,
`extract_code`.
"""

from core_jax.reward_models.formal import Diagnostic, RewardError, extract_code
from core_jax.reward_models.programs.program import Program, State, compile_program

__all__ = ["Diagnostic", "Program", "RewardError", "State", "compile_program", "extract_code"]

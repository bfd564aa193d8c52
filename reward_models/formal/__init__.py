"""The formal reward: Python text of a language model, checked and lowered to JAX.

See CoRe (arXiv 2607.01721, formal reward module) and, for the dict of components, Eureka
(arXiv 2310.12931). The text is untrusted: it is interpreted, never executed.

Public: `compile_reward`, `FormalReward`, `RewardError` with its `Diagnostic`s, `extract_code`,
`Signature`, `make_signature`, `CORE` and `FUNCTION_NAMES`. The path of a text through the rest:

    reply, reply_blocks     the block of a reply that is the answer
    parse, needed, check    its syntax tree, the statements that matter, the whitelist
    desugar, default_dicts  `try`, `with`, sets and defaultdicts in other words
    lower                   the evaluator, a tower of classes, one file each (see below)
    reward                  sample states, the compiled reward

The evaluator walks the tree while JAX traces. From the bottom: raising (where Python raises),
branching (both sides of a traced condition, joined by merge), varied (lists and dicts whose size
depends on the state), guarded_loops, comparisons, operations, arithmetic, subscripts,
container_methods, calls, comprehensions, attributes, expressions, results, statements,
control_flow, lower. Values are described in values and choices, how numbers become arrays in
conversions, who shares memory with whom in memory, which numbers are Python's in kinds. Tables of
functions: builtins_*, numpy_*, modules_table, scipy_table, rotation, torch_*,
more_modules; their names and the syntax: whitelist.
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

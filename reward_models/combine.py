"""How reward columns become the one number that is optimised.

Columns are stored apart and combined only when a batch is drawn, so new weights need no relabelling
(CoRe's released code stores a scaled sum and scales it again when it relabels).
"""

from __future__ import annotations

from collections.abc import Mapping

import jax


def combine(weights: Mapping[str, jax.Array], rewards: Mapping[str, jax.Array]) -> jax.Array:
    """The dot product of weights and reward columns.

    Args:
        weights: column name -> weight, a scalar or an array that broadcasts with the column. A
            column without a weight is not part of the reward.
        rewards: column name -> rewards of any one shape.

    Raises:
        ValueError: no weights, or a weight for a column that does not exist.
    """
    if not weights:
        raise ValueError(f"no weights of reward columns; there are columns {sorted(rewards)}")
    missing = sorted(set(weights) - set(rewards))
    if missing:
        raise ValueError(f"no reward column {missing}; there are {sorted(rewards)}")
    first, *others = sorted(weights)
    total = weights[first] * rewards[first]
    for name in others:
        total = total + weights[name] * rewards[name]
    return total

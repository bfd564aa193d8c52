"""Short programs whose reward is `x`, and what a refusal says of them."""

import pytest

from core_jax.reward_models.formal import RewardError, compile_reward

HEAD = "import numpy as np\ndef compute_reward(observation, action, target_pos):\n"
TAIL = "\n    return x, {'x': x}\n"


def body(text: str) -> str:
    """The source of a reward function of this body, whose first line is line 3."""
    lines = "\n".join("    " + line for line in text.strip().splitlines())
    return HEAD + lines + TAIL


def refusal(source: str) -> RewardError:
    """The error that `compile_reward` raises."""
    with pytest.raises(RewardError) as caught:
        compile_reward(source)
    return caught.value

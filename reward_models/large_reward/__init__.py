"""Large reward models: progress, completion and comparison from pictures (Wu et al. 2026).

`judge.py` is the interface. Behind it: `trained.py`, a small network of this project's own;
`client.py`, any server of the released protocol (`wire.py`, and `server.py` for the other side);
`scripted.py`, ground truth with errors; `recorded.py`, a recording. `core_jax.models.chat_judge`
asks any chat model.
"""

from core_jax.reward_models.large_reward.judge import (
    ABSTAINED,
    ANSWERED,
    FAILED,
    Frames,
    Judge,
    Judgements,
)

__all__ = ["ABSTAINED", "ANSWERED", "FAILED", "Frames", "Judge", "Judgements"]

"""Published results: final success in percent, mean of three seeds after 500,000 steps.

From the results table of CoRe (Ni, Lu, Cai; ICML 2026), who also ran the other methods; nothing is
random at reset there, which is protocol `paper` here.
"""

from __future__ import annotations

_TASKS = (
    "soccer",
    "sweep-into",
    "drawer-open",
    "button-press-topdown",
    "dial-turn",
    "hammer",
    "peg-insert-side",
)
_SUCCESS = {
    "env_sparse": (100, 60.0, 100, 66.7, 100, 60.7, 0),
    "env_dense": (100, 98.0, 100, 100, 100, 97.3, 100),
    "eureka": (100, 86.0, 100, 66.7, 76.0, 33.3, 66.7),
    "text2reward": (96.7, 96.0, 96.0, 88.0, 78.0, 32.0, 33.3),
    "rl_vlm_f": (80.0, 58.0, 100, 0, 72.0, 72.7, 14.7),
    "erl_vlm": (80.7, 24.0, 100, 33.3, 2.7, 9.3, 9.3),
    "core": (100, 97.3, 100, 100, 98.0, 98.0, 100),
}


def success(method: str, task: str, protocol: str) -> float | None:
    """The published success rate in [0, 1]; None where there is none to compare with."""
    if protocol != "paper" or method not in _SUCCESS or task not in _TASKS:
        return None
    return _SUCCESS[method][_TASKS.index(task)] / 100.0

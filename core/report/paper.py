"""Published results: CoRe's table, mean of three seeds, and what the methods asked for.

From the paper and project page of CoRe (Ni, Lu, Cai; ICML 2026; arXiv 2607.01721), who also ran the
other methods. Success is in percent after 500,000 steps, SoftGym's figures are returns of an
episode. Nothing is random at reset there, which is protocol `paper` here.
"""

from __future__ import annotations

from typing import NamedTuple

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
    "clip_score": (1.3, 0, 0, 20.7, 0, 11.3, 0),
    "rl_vlm_f": (80.0, 58.0, 100, 0, 72.0, 72.7, 14.7),
    "prefvlm": (1.3, 6.7, 64.0, 54.0, 2.7, 1.3, 0),
    "erl_vlm": (80.7, 24.0, 100, 33.3, 2.7, 9.3, 9.3),
    "core": (100, 97.3, 100, 100, 98.0, 98.0, 100),
}
_SOFTGYM = ("fold-cloth", "flatten-rope", "pass-water")
_RETURN = {
    "env_sparse": (-0.04, 18.6, -67.9),
    "env_dense": (-0.08, 18.1, -18.3),
    "clip_score": (-0.52, 15.0, -299.4),
    "eureka": (-0.19, 16.2, -38.8),
    "text2reward": (-0.22, 17.4, -43.7),
    "rl_vlm_f": (-0.12, 17.9, -36.4),
    "prefvlm": (-0.18, 20.5, -86.9),
    "erl_vlm": (-0.22, 18.1, -202.4),
    "core": (-0.10, 20.6, -30.0),
}
SUCCESS_TASKS, RETURN_TASKS = _TASKS, _SOFTGYM
METHODS = tuple(_RETURN)

# Settings that leave a part of a method out, as a result's file has them, and what is left out.
# Agreement with labels never drops by more than 1.
SWITCHES: dict[str, dict[tuple[str, str], str]] = {
    "core": {
        ("frm", "false"): "without formal reward",
        ("rrm", "false"): "without residual reward",
        ("importance", "false"): "without per-frame scores",
        ("formal.refine_at", "[]"): "without refinement",
        ("formal.rollback_margin", "1.0"): "without rollback",
    },
}


class Asked(NamedTuple):
    """What one published run on Meta-World asked of models."""

    labels: int
    pictures: int
    tokens: int | None
    cost_usd: float | None


# Labels and pictures as the paper rounds them; tokens and dollars are a run's in all, with those
# of the language model that writes CoRe's formal rewards.
ASKED = {
    "rl_vlm_f": Asked(5_000, 10_000, 5_500_000, 0.79),
    "prefvlm": Asked(21_000, 2_000_000, None, None),
    "erl_vlm": Asked(4_900, 4_900, 3_190_000, 0.55),
    "core": Asked(500, 4_000, 2_000_000, 0.37),
}


def success(method: str, task: str, protocol: str) -> float | None:
    """The published success rate in [0, 1]; None where there is none to compare with."""
    if protocol != "paper" or method not in _SUCCESS or task not in _TASKS:
        return None
    return _SUCCESS[method][_TASKS.index(task)] / 100.0


def episode_return(method: str, task: str, protocol: str) -> float | None:
    """The published return of an episode on SoftGym; None where there is none."""
    if protocol != "paper" or method not in _RETURN or task not in _SOFTGYM:
        return None
    return _RETURN[method][_SOFTGYM.index(task)]


def dollars_per_label(method: str) -> float | None:
    """A published run's dollars divided by its labels; None where the paper gives none."""
    asked = ASKED.get(method)
    return None if asked is None or asked.cost_usd is None else asked.cost_usd / asked.labels

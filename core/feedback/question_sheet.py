"""A question as one picture: frames of both clips, the ground truth, and the labels."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core_jax import envs
from core_jax.feedback.quality import reward_gap, verdict
from core_jax.feedback.queries import Clip, Pair, PairLabel
from core_jax.reward_models.preference import shown_frames
from core_jax.visual.figures import as_label, new_figure
from core_jax.visual.frames import FrameRenderer

_FRAMES, _SIZE = 3, 160
_SCORES, _REWARD, _PREFERRED = "#D55E00", "#0072B2", "#009E73"  # told apart by the colour-blind


def frames(env: envs.TaskEnv, questions: Sequence[Pair], size: int = _SIZE) -> np.ndarray:
    """First, middle and last frame of both clips, uint8 [Q, 2, 3, size, size, 3]."""
    at = lambda clip: clip.snapshot[shown_frames(len(clip.snapshot), _FRAMES)]
    snapshots = np.stack([np.stack([at(q.a), at(q.b)]) for q in questions])
    return FrameRenderer(env, size).render(snapshots)


def in_words(answer: PairLabel) -> str:
    """A label in words."""
    words = {None: "can't tell", 0.0: "A is better", 0.5: "equal", 1.0: "B is better"}
    said = words.get(answer.preference, f"P(B better) = {answer.preference}")
    return said if answer.confidence is None else f"{said} (confidence {answer.confidence:.2f})"


def draw(
    question: Pair,
    shots: np.ndarray,
    answers: Mapping[str, PairLabel],
    title: str,
    path: Path,
) -> None:
    """Writes a PNG.

    Args:
        question: the pair.
        shots: its frames [2, 3, size, size, 3].
        answers: by teacher; the scores and the winner that are marked are the first one's.
        title: of the picture.
        path: to write.
    """
    gap = reward_gap(question)
    truth = "neither" if gap == 0 else f"{'B' if gap > 0 else 'A'} by {abs(gap):.3f} a step"
    lines = [f"ground truth: {truth}"]
    for name, answer in answers.items():
        judged = verdict(question, answer)
        judged = f" – {judged}" if judged in ("right", "wrong") else ""
        reason = f': "{answer.reason}"' if answer.reason else ""
        lines += textwrap.wrap(f"{name}: {in_words(answer)}{judged}{reason}", 120, max_lines=2)
    figure = new_figure(figsize=(8.4, 3.9 + 0.17 * len(lines)), layout="constrained")
    axes = figure.subplots(2, 2, width_ratios=[3.0, 1.5])
    first = next(iter(answers.values()), None)
    sides = (("A", question.a, 0.0), ("B", question.b, 1.0))
    for i, (name, clip, won) in enumerate(sides):
        picture, curve = axes[i]
        strip = shots[i].copy()
        strip[:, :, -3:] = 255  # a gap
        picture.imshow(np.concatenate(list(strip), axis=1))
        picture.set(xticks=[], yticks=[])
        picture.set_ylabel(name, rotation=0, fontsize=15, weight="bold", labelpad=14, va="center")
        chosen = first is not None and first.preference == won
        for spine in picture.spines.values():
            spine.set(visible=chosen, color=_PREFERRED, linewidth=4)
        scores = () if first is None else (first.scores_a, first.scores_b)[i]
        _curve(curve, clip, scores)
    axes[1, 1].set_xlabel("step of the clip", fontsize=8)
    handles, names = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=7, loc="outside upper right", ncols=3, frameon=False)
    figure.suptitle(as_label(textwrap.shorten(title, 70)), fontsize=9, x=0.01, ha="left")
    figure.supxlabel(as_label("\n".join(lines)), fontsize=8, x=0.01, ha="left")
    figure.savefig(path, dpi=100)


def _curve(axis, clip: Clip, scores: Sequence[float]) -> None:
    steps = 1 + np.arange(len(clip.dense))
    axis.plot(steps, clip.dense, color=_REWARD, label="reward (truth)")
    axis.plot(steps, clip.progress, color="#555555", ls="--", lw=1, label="progress (truth)")
    if len(scores):
        at = 1 + shown_frames(len(steps), len(scores))
        axis.plot(at, scores, "o", color=_SCORES, ms=5, label="scores (teacher)", clip_on=False)
    axis.set(
        ylim=(-0.03, 1.03),
        xlim=(1, len(steps)),
        xticks=np.unique(np.linspace(1, len(steps), 5).astype(int)),
    )
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)

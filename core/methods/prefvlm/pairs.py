"""The pairs of a PrefVLM run: labels of the image-text model, verdicts, and the oracle's answers.

Host arrays of fixed size, one row for each pair of each seed, so that a checkpoint has one shape.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.denoise import CLEAN, FLIPPED, UNCERTAIN
from core_jax.reward_models.embedding.adapters import OracleLabels
from core_jax.reward_models.preference import Preferences

NONE = -1.0  # no answer of the oracle


def empty_pairs(
    seeds: int, pairs: int, oracle: int, clip_length: int, obs: int, pictures: int, dim: int
) -> dict[str, np.ndarray]:
    """Room for all pairs of a run.

    Args:
        seeds: S.
        pairs: M, of each seed.
        oracle: Q, most answers of each seed.
        clip_length: H.
        obs: length of an observation.
        pictures: K, pictures of a clip that are compared with the caption.
        dim: D, length of their vectors.
    """
    return {
        "next_obs": np.zeros((seeds, pairs, 2, clip_length, obs), np.float32),
        "label": np.zeros((seeds, pairs), np.float32),  # the image-text model's
        "truth": np.zeros((seeds, pairs), np.float32),  # ground truth's; for the metrics alone
        "verdict": np.full((seeds, pairs), UNCERTAIN, np.int32),
        "answer": np.full((seeds, pairs), NONE, np.float32),  # the oracle's
        "count": np.zeros(seeds, np.int32),
        "oracle_features": np.zeros((seeds, oracle, 2, pictures, dim), np.float32),
        "oracle_answer": np.zeros((seeds, oracle), np.float32),
        "oracle_count": np.zeros(seeds, np.int32),
        "asked": np.zeros(seeds, np.int32),  # abstentions included
        "rounds": np.zeros((), np.int32),
        "fits": np.zeros((), np.int32),
    }


class PairTable:
    """Rows of pairs for all seeds.

    Attributes:
        arrays: from `empty_pairs`.
    """

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.arrays = arrays

    @property
    def full(self) -> bool:
        """Whether another round finds no room."""
        return int(self.arrays["count"].max()) >= self.arrays["label"].shape[1]

    def add(self, s: int, next_obs: np.ndarray, label: np.ndarray, truth: np.ndarray) -> int:
        """Adds pairs of a seed; returns the row of the first.

        Args:
            s: the seed's place.
            next_obs: [P, 2, H, O].
            label: [P] the image-text model's: 0, 1, or 0.5 for equal.
            truth: [P] the ground truth's.
        """
        first = int(self.arrays["count"][s])
        rows = slice(first, first + len(label))
        for name, value in (("next_obs", next_obs), ("label", label), ("truth", truth)):
            self.arrays[name][s, rows] = value
        self.arrays["count"][s] += len(label)
        return first

    def answer(self, s: int, row: int, features: np.ndarray, target: float) -> None:
        """Keeps an answer of the oracle, with the pictures' vectors [2, K, D] of its pair."""
        arrays, at = self.arrays, int(self.arrays["oracle_count"][s])
        arrays["answer"][s, row] = target
        arrays["oracle_features"][s, at] = features
        arrays["oracle_answer"][s, at] = target
        arrays["oracle_count"][s] += 1

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels to fit [S, M], flipped or replaced by the oracle's, and which pairs are used."""
        arrays = self.arrays
        verdict, label, answer = arrays["verdict"], arrays["label"], arrays["answer"]
        target = np.where(verdict == FLIPPED, 1.0 - label, label)
        target = np.where(answer != NONE, answer, target).astype(np.float32)
        labelled = np.arange(label.shape[1]) < arrays["count"][:, None]
        return target, labelled & ((verdict != UNCERTAIN) | (answer != NONE))

    def preferences(self) -> Preferences:
        """The pairs that are used, before all others; frames are (next_obs, None) [S, M, H, O]."""
        target, used = self.targets()
        order = np.argsort(~used, axis=1, kind="stable")
        rows = np.arange(len(order))[:, None]
        clips = self.arrays["next_obs"]
        sides = [(jnp.asarray(clips[:, :, i][rows, order]), None) for i in range(2)]
        none = jnp.zeros(sides[0][0].shape[:3])
        frames: Any = sides
        return Preferences(frames[0], frames[1], jnp.asarray(target[rows, order]), none, none)

    def counts(self) -> jax.Array:
        """Pairs that are used of each seed [S]."""
        return jnp.asarray(self.targets()[1].sum(1, dtype=np.int32))

    def oracle_labels(self) -> tuple[OracleLabels, jax.Array]:
        """The oracle's answers, and how many of each seed [S]."""
        arrays = self.arrays
        labels = OracleLabels(
            jnp.asarray(arrays["oracle_features"]), jnp.asarray(arrays["oracle_answer"])
        )
        return labels, jnp.asarray(arrays["oracle_count"])

    def shares(self) -> dict[str, list[float]]:
        """Of each seed: share of clean, uncertain and flipped pairs, and how often the labels that
        are known to ground truth are right, as given and as used."""
        arrays = self.arrays
        target, used = self.targets()
        found: dict[str, list[float]] = {}
        for s, count in enumerate(arrays["count"]):
            rows = slice(0, int(count))
            verdict, truth = arrays["verdict"][s, rows], arrays["truth"][s, rows]
            decided = truth != 0.5
            row = {
                "clean": float(np.mean(verdict == CLEAN)),
                "uncertain": float(np.mean(verdict == UNCERTAIN)),
                "flipped": float(np.mean(verdict == FLIPPED)),
                "label_accuracy": _right(arrays["label"][s, rows], truth, decided),
                "used_accuracy": _right(target[s, rows], truth, decided & used[s, rows]),
            }
            for name, value in row.items():
                found.setdefault(name, []).append(round(value, 4))
        return found


def _right(label: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> float:
    """How often labels are on the ground truth's side, over some rows; 0 without any."""
    return float(np.mean(((label > 0.5) == (truth > 0.5))[rows])) if rows.any() else 0.0

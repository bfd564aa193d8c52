"""A run's `rewards/` folder: every formal reward in use or tried, and how it came about.

`history.json` holds one entry an event, `story.md` the same to be read, and each reward is a file
that says where it came from. When a run is resumed, both accounts are written anew from the entries
of its checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core_jax import files
from core_jax.writing import story


class RewardHistory:
    """The rewards folder of one run.

    Args:
        folder: made if there is none.
        title: of the run.
    """

    def __init__(self, folder: Path, title: str):
        self.entries: list[dict[str, Any]] = []
        self._folder, self._title = folder, title
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, name: str, source: str, remark: str) -> str:
        """Writes a reward's source; returns the name."""
        (self._folder / name).write_text(f"# {remark}\n{source.strip()}\n")
        return name

    def record(self, seed: int | None, env_steps: int, event: str, **more: Any) -> None:
        """Adds an entry; `seed` is None for what concerns all seeds.

        Args:
            more: JSON-able; `reason`, and for what is known `file`, `parent`, `chosen`, `by`,
                `scores` (candidate -> score or None), `refused` (candidate -> problem),
                `agreement`, `before`, `statistics` (what the language model was told).
        """
        self.entries.append({"seed": seed, "env_steps": env_steps, "event": event, **more})
        self.write()

    def restore(self, entries: Sequence[dict[str, Any]]) -> None:
        """Takes over a checkpoint's entries; later ones, of a killed process, are dropped."""
        self.entries = list(entries)
        self.write()

    def write(self) -> None:
        """Writes both accounts of the history."""
        files.write_json(self._folder / "history.json", self.entries)
        text = story.tell(self._title, self.entries, self._source)
        (self._folder / "story.md").write_text(text)

    def _source(self, name: str) -> str:
        _, source = (self._folder / name).read_text().split("\n", 1)  # without the remark
        return source

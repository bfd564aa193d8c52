"""A run's `rewards/` folder: every formal reward in use or tried, and how it came about.

`history.json` holds one entry an event, `story.md` the same to be read, and each reward is a file
that says where it came from. When a run is resumed, both accounts are written anew from the entries
of its checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        self.texts: dict[str, str] = {}  # of the files, by name
        self._folder, self._title = folder, title
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, name: str, source: str, remark: str) -> str:
        """Writes a reward's source; returns the name."""
        self.texts[name] = f"# {remark}\n{source.strip()}\n"
        files.write_text(self._folder / name, self.texts[name])
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

    def restore(self, entries: Sequence[dict[str, Any]], texts: Mapping[str, str]) -> None:
        """Takes over a checkpoint's entries; later ones, of a killed process, are dropped.

        Args:
            entries: in their order.
            texts: of the files; those that are missing or differ are written again.
        """
        self.entries, self.texts = list(entries), dict(texts)
        for name, text in texts.items():
            if self._read(name) != text:
                files.write_text(self._folder / name, text)
        self.write()

    def write(self) -> None:
        """Writes both accounts of the history."""
        files.write_json(self._folder / "history.json", self.entries)
        text = story.tell(self._title, self.entries, self._source)
        files.write_text(self._folder / "story.md", text)

    def _source(self, name: str) -> str:
        text = self.texts.get(name) or self._read(name)
        _, _, source = text.partition("\n")  # without the remark
        return source or f"# {name} is missing\n"

    def _read(self, name: str) -> str:
        """The text of a file, "" if it is not there or no text."""
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

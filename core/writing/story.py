"""`rewards/story.md`: how a run's formal rewards came about, to be read from top to bottom."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]


def tell(title: str, entries: Sequence[Entry], source_of: Callable[[str], str]) -> str:
    """The history as Markdown, a chapter per seed.

    Args:
        title: what the run is.
        entries: of `history.json`, in the order that they happened; `seed` is None for what
            concerns all seeds.
        source_of: a reward file's name -> its text.
    """
    parts, shown = [f"# Formal rewards: {title}"], {}
    for seed in sorted({e["seed"] for e in entries}, key=lambda s: -1 if s is None else s):
        parts.append("## All seeds" if seed is None else f"## Seed {seed}")
        parts += [_paragraphs(e, source_of, shown) for e in entries if e["seed"] == seed]
    return "\n\n".join(parts) + "\n"


def _paragraphs(entry: Entry, source_of: Callable[[str], str], shown: dict[str, str]) -> str:
    parts = [f"### {entry['env_steps']:,} steps: {_headline(entry)}", entry["reason"] + "."]
    if scores := entry.get("scores"):
        listed = [f"{i}: {'refused' if s is None else f'{s:.3f}'}" for i, s in scores.items()]
        parts.append(f"Candidates by {entry['by']}: {', '.join(listed)}.")
    if refused := entry.get("refused"):
        lines = [f"- {i}: {_first_line(problem)}" for i, problem in refused.items()]
        parts.append("Refused:\n" + "\n".join(lines))
    if table := entry.get("statistics"):
        parts.append(f"What the language model was told of the reward before:\n\n{_block(table)}")
    if name := entry.get("file"):
        parts.append(_change(name, entry.get("parent"), source_of, shown))
    return "\n\n".join(parts)


def _headline(entry: Entry) -> str:
    chosen = entry.get("chosen")
    return entry["event"] if chosen is None else f"candidate {chosen} {entry['event']}"


def _change(
    name: str, parent: str | None, source_of: Callable[[str], str], shown: dict[str, str]
) -> str:
    """A reward, as what changed in its parent; whole, if it has none and was not shown before.

    `shown`, source -> name, is added to.
    """
    new = source_of(name)
    first = shown.setdefault(new, name)
    if parent is None and first != name:
        return f"`{name}` is `{first}`."
    if parent is None:
        return f"`{name}`:\n\n{_block(new, 'python')}"
    old = source_of(parent)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), parent, name, lineterm="", n=2)
    return f"`{name}`, against `{parent}`:\n\n{_block(chr(10).join(lines), 'diff')}"


def _block(text: str, language: str = "") -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(4, longest + 1)  # what stands in the text must not close it
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"

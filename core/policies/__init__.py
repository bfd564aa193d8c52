"""Trained policies that come with the package: `core_jax.load_policy("drawer-open")`.

Each is a file `NAME.npz` as `scripts/export.py` writes it, with a card `NAME.json` beside it: how
it was trained, and its success.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of the policies; a policy has the name of its task."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def path(name: str) -> Path:
    """The file of a policy.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in names():
        raise ValueError(f"no policy {name!r} comes with the package; there are: {_listed()}")
    return FOLDER / f"{name}.npz"


def card(name: str) -> dict[str, Any]:
    """How a policy was trained, and its success.

    Raises:
        ValueError: there is none of this name.
    """
    return json.loads(path(name).with_suffix(".json").read_text(encoding="utf-8"))


def _listed() -> str:
    return ", ".join(names()) or "none"


__all__ = ["FOLDER", "card", "names", "path"]

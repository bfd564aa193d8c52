"""Texts of runs made safe to show: a run's folder may be another person's."""

from __future__ import annotations

import html


def printable(text: object, keep: str = "") -> str:
    """A text with control, formatting and unassigned characters written out, as `\\x1b`.

    Args:
        text: anything.
        keep: characters that stay as they are, such as newlines.
    """
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in str(text))


def as_html(text: object, keep: str = "") -> str:
    """A text for HTML, also inside a quoted attribute."""
    return html.escape(printable(text, keep))


def as_cell(text: object) -> str:
    """A text for a cell of a Markdown table: no HTML, links, pictures or code in it."""
    shown = html.escape(printable(text), quote=False)
    for mark in ("\\", "|", "`", "*"):
        shown = shown.replace(mark, "\\" + mark)
    return shown.replace("](", "]\\(")


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

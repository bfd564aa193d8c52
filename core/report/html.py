"""What pages of reports share: a document that needs no other file, pictures in it, notes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from core_jax.report.text import as_html

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; color: #222;
  padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.6rem }
h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc }
h3 { font-size: 1.05rem; margin-bottom: .3rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 13px }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd;
  vertical-align: top }
td { white-space: nowrap }
th { overflow-wrap: normal; background: #f4f4f4 }
tr.unfinished td { color: #8a5a00; background: #fff8ea }
img { max-width: 100%; height: auto; display: block; margin: .6rem 0 }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font: 12.5px/1.35 monospace }
summary { cursor: pointer; font-weight: 600; margin: .4rem 0 }
.note { color: #666; font-size: 13px }
"""


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page; empty parts are left out."""
    page = "".join(f"{part}\n" for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{as_html(title)}</title><style>{_STYLE}</style></head><body>\n{page}</body></html>\n"
    )


def image(path: Path, what: str) -> str:
    """A PNG inside the page."""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{as_html(what)}" src="data:image/png;base64,{data}">'


def note(text: str) -> str:
    """A paragraph in small print."""
    return f'<p class="note">{as_html(text)}</p>'

"""The pieces of a reply that may be code: fences, tags, quotes, JSON and diffs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_MAX_BLOCKS = 64
_MAX_DEPTH = 2
_FENCE = re.compile(r"(`{3,}|~{3,})([^`~]*)$")
_CLOSE_AT_END = re.compile(r"^(.*\S)\s*(`{3,})\s*$")
_QUOTE = re.compile(r"^[ \t]*>[ ]?", re.M)
_CODE_TAG = re.compile(
    r"<(code|pre|python|answer|reward)\b[^>]*>|</(code|pre|python|answer|reward)>", re.I
)
DEF = re.compile(r"^[ \t]*def\s", re.M)
PYTHON = ("python", "py", "python3", "py3", "ipython", "pycon")


@dataclass(frozen=True)
class Block:
    """A piece of a reply that may be code.

    Attributes:
        language: of its fence, lower case.
        code: its text.
        before: the line of prose above it.
        closed: whether its end was in the reply.
    """

    language: str
    code: str
    before: str = ""
    closed: bool = True


def blocks_of(text: str, depth: int = 0) -> list[Block]:
    """All fenced, tagged, quoted and JSON blocks of a text, in order."""
    found = _fenced(text)
    inner: list[Block] = []
    for block in found:
        if depth < _MAX_DEPTH and re.search(r"^[ \t]*(?:`{3,}|~{3,})", block.code, re.M):
            nested = blocks_of(block.code, depth + 1)
            inner += nested if any(DEF.search(one.code) for one in nested) else [block]
        else:
            inner.append(block)
    if not any(DEF.search(block.code) for block in inner):
        inner += _tagged(text)
        if depth < _MAX_DEPTH and len(re.findall(r"^[ \t]*>", text, re.M)) > 2:
            inner += blocks_of(_QUOTE.sub("", text), depth + 1)
    return [_plain(block) for block in (*inner[-_MAX_BLOCKS:], *_json(text, found))]


def _fenced(text: str) -> list[Block]:
    found: list[Block] = []
    lines: list[str] = []
    fence, language, before, prose = "", "", "", ""
    for line in text.split("\n"):
        bare = line.strip()
        if not fence:
            opening = _FENCE.search(line) if "```" in line or "~~~" in line else None
            if opening:
                fence, info = opening[1], opening[2].strip()
                word = re.match(r"[\w+-]*", info)
                language = (word[0] if word else "").lower()
                above = line[: opening.start()].strip()
                before, lines = above or prose, []
                rest = info[len(language) :].strip()
                if rest and re.match(r"(import|from|def)\s", rest):
                    lines.append(rest)  # code on the line of the fence
            elif bare:
                prose = bare
            continue
        closing = re.match(r"^[>\s]*(`{3,}|~{3,})\s*$", line)
        if closing and closing[1][0] == fence[0] and len(closing[1]) >= len(fence):
            found.append(Block(language, "\n".join(lines), before))
            fence, prose = "", ""
            continue
        ends = fence[0] == "`" and line.rstrip().endswith(fence)
        at_end = _CLOSE_AT_END.match(line) if ends else None
        if at_end and '"""' not in line and len(at_end[2]) >= len(fence):
            found.append(Block(language, "\n".join([*lines, at_end[1]]), before))
            fence, prose = "", ""
            continue
        again = re.match(r"^\s*(`{3,})\s*(\w+)\s*$", line)
        if again and again[1] == fence and again[2].lower() in PYTHON and language in PYTHON:
            found.append(Block(language, "\n".join(lines), before, closed=False))
            lines, before = [], prose
            continue
        lines.append(line)
    if fence:
        found.append(Block(language, "\n".join(lines), before, closed=False))
    return found


def _tagged(text: str) -> list[Block]:
    found, start, before = [], None, ""
    for tag in _CODE_TAG.finditer(text):
        if tag[1]:
            start, before = tag.end(), text[max(0, tag.start() - 80) : tag.start()].split("\n")[-1]
        elif start is not None:
            code = text[start : tag.start()]
            code = code.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            found.append(Block("python", code, before))
            start = None
    return found


def _json(text: str, fenced: list[Block]) -> list[Block]:
    """Code in a JSON object's string, as `{"code": "..."}`."""
    found = []
    for part in (text, *(block.code for block in fenced if block.language in ("json", ""))):
        part = part.strip()
        if not part.startswith("{") or "def " not in part:
            continue
        try:
            value = json.loads(part, strict=False)
        except (ValueError, RecursionError):
            continue
        texts = [one for one in value.values() if isinstance(one, str) and DEF.search(one)]
        for code in texts:
            nested = _fenced(code)
            found += nested if nested else [Block("python", code)]
    return found


def _plain(block: Block) -> Block:
    """A block without indentation, quotes, prompts and the marks of a diff."""
    code = block.code
    lines = code.split("\n")
    some = [line for line in lines if line.strip()]
    if some and all(line.lstrip().startswith(">") for line in some) and ">>>" not in code:
        code = _QUOTE.sub("", code)
    if some and some[0].startswith(">>> "):
        kept = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
        code = "\n".join(kept)
    marked = [line for line in some if line[0] in "+-"]
    if block.language == "diff" or some and len(marked) == len(some):
        kept = [line for line in lines if not line.startswith(("---", "+++", "@@", "-"))]
        code = "\n".join(line[1:] if line[:1] in ("+", " ") else line for line in kept)
    match = re.match(r"(?:[ \t]*\n)*([ \t]+)\S", code)
    code = re.sub(rf"^{match[1]}", "", code, flags=re.M) if match else code
    return Block(block.language, code, block.before, block.closed)

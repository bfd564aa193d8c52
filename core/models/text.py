"""Text that came from a service, made safe to show and to store."""

from __future__ import annotations

import re
import unicodedata

# A terminal's control sequences: CSI (colours, cursor), OSC (titles, links), and two-byte escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_LONGEST = 20_000  # characters of a service's words that are looked at


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which no encoding can write."""
    return _SURROGATES.sub("\ufffd", text)


def one_line(text: str) -> str:
    """The text as one line without anything that a terminal would act on.

    Escape sequences and invisible format characters (zero-width, bidirectional overrides) are
    removed; control characters and runs of white space become one space. At most the first 20,000
    characters are kept.
    """
    text = _ESCAPES.sub("", replace_surrogates(text[:_LONGEST]))
    kept = (_shown(char) for char in text)
    return " ".join("".join(kept).split())


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category == "Cf" else char

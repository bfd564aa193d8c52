"""From a model's reply to the code that it answers with.

A reply may hold a thought, drafts, quotes of older code, several blocks that belong together, or
no fences at all. The answer is the last block that defines the asked function completely, together
with the definitions from other blocks that it needs. Everything here is linear in the reply's size.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings

from core_jax.reward_models.formal.errors import RewardError, diagnostic_at
from core_jax.reward_models.formal.reply_blocks import DEF, PYTHON, Block, blocks_of
from core_jax.reward_models.formal.signatures import FUNCTION_NAMES

MAX_REPLY = 400_000
_MAX_TRIES = 24

_INVISIBLE = str.maketrans({"\ufeff": "", "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "",
                            "\u00a0": " ", "\u202f": " ", "\u2028": "\n"})  # fmt: skip
_END = re.compile(r"<\|(?:im_end|eot_id|endoftext|end_of_text|end|return|eom_id|im_start)\|>|</s>")
_TAGS = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis"
_THOUGHT = re.compile(rf"<(/?)\s*(?:{_TAGS})\s*>", re.I)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<\n]*(?:<\|message\|>)?")
_OLD = re.compile(
    r"\b(old|original|previous|previously|earlier|bad|wrong|incorrect|avoid|don'?t|do not|never|"
    r"not like|naive|draft|buggy|broken|before|first attempt|existing|was|your)\b",
    re.I,
)
_NEW = re.compile(
    r"\b(new|final|fixed|corrected|improved|updated|revised|refined|better|instead|here is|here's|"
    r"answer)\b",
    re.I,
)
_CODE_LINE = re.compile(
    r"^(?:import\s+\w|from\s+[\w.]+\s+import\b|def\s+\w+\s*\(|class\s+\w+|@\w|#|if\s+__name__|"
    r"[A-Za-z_]\w*(?:\s*,\s*\w+)*\s*(?::\s*[\w\[\], .]+)?\s*=[^=]|[)\]}]|\s)|^$"
)
_NO_CODE = "the reply holds no Python code block with a function definition"
_ANSWER = "answer with one ```python block that defines the reward function"


def extract_code(reply_text: str, function: str | None = None) -> str:
    """The Python code of a model's reply.

    Args:
        reply_text: prose with fenced code blocks, or bare code.
        function: name of the asked function; by default any of the usual names.

    Returns:
        The last block that defines the asked function completely (else any function), with the
        definitions of other blocks that it reads. Helpers and constants are kept. Thoughts
        (`<think>` and the like) are no part of the answer.

    Raises:
        RewardError: no code in the reply.
    """
    text = reply_text[:MAX_REPLY].replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE)
    text = _END.sub("", _without_thoughts(text))
    found = blocks_of(text)
    names = (function,) if function else (*FUNCTION_NAMES, "compute_dense_reward")
    chosen = _chosen(found, names)
    if chosen is None:
        bare = _bare(text)
        chosen = _chosen([Block("python", bare)], names) if bare else None
        found = found if chosen is None else [chosen]
    if chosen is None:
        for block in reversed(found):  # wrong code: its errors go back to the model
            if block.closed and DEF.search(block.code):
                return block.code.strip("\n") + "\n"
        message, hint = _NO_CODE, _ANSWER
        if any(not block.closed and DEF.search(block.code) for block in found):
            message = f"{message}: it is cut off within the function"
            hint = "answer with the code alone, and shorter"
        raise RewardError([diagnostic_at(reply_text[:MAX_REPLY], 1, 0, message, hint)])
    return _completed(chosen, found).strip("\n") + "\n"


def _without_thoughts(text: str) -> str:
    """The text outside of `<think>...</think>` and of channels other than the final one."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        ends = [one.start() for one in channels[1:]] + [len(text)]
        spans = [(c[1].lower(), text[c.end() : end]) for c, end in zip(channels, ends, strict=True)]
        text = text[: channels[0].start()] + "".join(
            part for name, part in spans if name not in ("analysis", "commentary", "thought")
        )
    kept, depth, end = [], 0, 0
    for tag in _THOUGHT.finditer(text):
        if tag[1]:  # a closing tag; one without an opening ends a thought that began before
            if depth == 0:
                kept = []
            depth = max(depth - 1, 0)
        else:
            if depth == 0:
                kept.append(text[end : tag.start()])
            depth += 1
        end = tag.end()
    return "".join(kept) + (text[end:] if depth == 0 else "")


def _tree(code: str) -> ast.Module | None:
    if not DEF.search(code) or len(code) > 60_000:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _whole(block: Block) -> tuple[Block, ast.Module] | None:
    """A block that parses, if need be without the statement in which it was cut off."""
    tree = _tree(block.code)
    if tree is not None:
        if not block.closed and tree.body and isinstance(tree.body[-1], ast.FunctionDef):
            if not _returns_last(tree.body[-1]):
                tree.body.pop()
        return (block, tree) if tree.body else None
    if block.closed:
        return None
    lines = block.code.split("\n")
    starts = [i for i, line in enumerate(lines) if line and not line[0].isspace()]
    for start in reversed(starts[-_MAX_TRIES:]):
        code = "\n".join(lines[:start])
        tree = _tree(code)
        if tree is not None:
            return Block(block.language, code, block.before, True), tree
    return None


def _returns_last(function: ast.FunctionDef) -> bool:
    def returns(body: list[ast.stmt]) -> bool:
        last = body[-1] if body else None
        if isinstance(last, ast.If):
            return returns(last.body) and returns(last.orelse)
        return isinstance(last, ast.Return | ast.Raise)

    return returns(function.body)


def _complete(function: ast.stmt) -> bool:
    """Whether a function has a body that returns something: no signature with `...`."""
    if not isinstance(function, ast.FunctionDef):
        return False
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            if not (isinstance(node.value, ast.Constant) and node.value.value is Ellipsis):
                return not any(
                    isinstance(part, ast.Expr)
                    and isinstance(part.value, ast.Constant)
                    and part.value.value is Ellipsis
                    for part in function.body
                )
    return False


def _chosen(found: list[Block], names: tuple[str, ...]) -> Block | None:
    """The block that is the answer."""
    ranked: list[tuple[tuple, Block]] = []
    for index, block in enumerate(found):
        whole = _whole(block)
        if whole is None:
            continue
        block, tree = whole
        complete = [node for node in tree.body if _complete(node)]
        if not complete:
            continue
        asked = any(isinstance(node, ast.FunctionDef) and node.name in names for node in complete)
        old = bool(_OLD.search(block.before)) and not _NEW.search(block.before)
        python = block.language in PYTHON or not block.language
        ranked.append(((asked, not old, python, index), block))
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _completed(chosen: Block, found: list[Block]) -> str:
    """The chosen block below the definitions of other blocks that it reads."""
    code = chosen.code
    if len(found) < 2:
        return code
    parts: dict[str, str] = {}
    for block in found:
        tree = _tree(block.code) if block.code != chosen.code else None
        if tree is None and block.code != chosen.code:
            tree = _any_tree(block.code)
        for node in tree.body if tree else []:
            for name in _binds(node):
                parts[name] = ast.get_source_segment(block.code, node) or ""
    for _ in range(8):
        lacking = [name for name in _free(code) if name in parts]
        if not lacking:
            break
        new = dict.fromkeys(parts[name] for name in lacking)
        code = "\n".join([*new, "", code])
    return code


def _any_tree(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code[:60_000])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _binds(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name] if not isinstance(node, ast.FunctionDef) or _complete(node) else []
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else (
        [node.target] if isinstance(node, ast.AnnAssign) and node.value else [])  # fmt: skip
    return [name.id for t in targets for name in ast.walk(t) if isinstance(name, ast.Name)]


def _free(code: str) -> list[str]:
    """Names that a program reads and nowhere binds."""
    tree = _any_tree(code)
    if tree is None:
        return []
    read, bound = [], set(dir(builtins)) | {"np", "numpy", "math"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                read.append(node.id)
            else:
                bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    return [name for name in dict.fromkeys(read) if name not in bound]


def _bare(text: str) -> str:
    """The lines of a text without fences that are code, without the prose around them."""
    if _tree(text) is not None:
        return text
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if re.match(r"[ \t]*(`{3,}|~{3,})", line):
            inside = False
            continue
        if _CODE_LINE.match(line) and (inside or line[:1].strip() and not line.startswith("#")):
            inside = True
            kept.append(line)
        elif line.strip():
            inside = False
    code = "\n".join(kept)
    lines = kept
    for _ in range(_MAX_TRIES):
        if _tree(code) is not None:
            return code
        starts = [i for i, line in enumerate(lines) if line and not line[0].isspace()]
        if len(starts) < 2:
            break
        lines = lines[: starts[-1]]
        code = "\n".join(lines)
    return ""

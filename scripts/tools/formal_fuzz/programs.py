"""The programs that are tried: drawn from the grammar, and mutated replies of language models.

A block of programs is a function of its seed alone. Most mutants have single bytes changed, which
the parser or the checker settles in a millisecond; the others have tokens moved, and compile more
often.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core_jax import envs
from core_jax.reward_models.formal import CORE, Signature, extract_code, make_signature
from formal_fuzz.grammar import Grammar

ROOT = Path(__file__).parents[3]
DRAWN = 0.6  # the part of the programs that the grammar draws
TORCH = 0.06  # the part of the drawn programs that use PyTorch
BYTES = 0.75  # the part of the mutants in which bytes are changed
TOKEN = re.compile(r"\s+|\w+(?:\.\d+)?|==|<=|>=|!=|\*\*|//|[-+*/]=|.", re.S)
WORDS = (
    "( ) [ ] { } : , . = + - * / // % ** @ if else for in not and or is None True return break "
    "continue np math sum len range abs min max -1 0 1 2 0.5 1e9 1e-9 'a' x [0] [1:] [::-1] .T "
    "observation action target_pos lambda += *= == < >= np.where np.linalg.norm float __class__ "
    "enumerate zip self obs try: ** := *"
).split()


@dataclass(frozen=True)
class Program:
    """A program, how it is called, and what it was made from, if it is a mutant."""

    source: str
    signature: Signature = CORE
    origin: str = ""


def recorded() -> list[Program]:
    """The code of the replies recorded for Meta-World, whose sizes the fuzzer's states have."""
    spec = envs.make("drawer-open").spec  # all tasks have fields of these names
    described = spec.formal_fields, spec.formal_action_description, spec.target_description
    found = []
    for folder in (ROOT / "core" / "models" / "replies", ROOT / "tests" / "data" / "replies"):
        paths = (p for p in folder.rglob("*.json") if p.stem in envs.names("metaworld"))
        for path in sorted(paths):
            if path.parent.name == "vlm_car":  # programs on pictures
                continue
            kind = path.parent.name if path.parent.name in ("eureka", "text2reward") else "core"
            signature = make_signature(kind, *described)
            recording = json.loads(path.read_text())
            for part in ("initial", "refinement"):
                replies = recording.get(part, {"replies": []})["replies"]
                found += [Program(extract_code(reply), signature) for reply in replies]
    return found


def mutated(generator: random.Random, programs: list[Program]) -> Program:
    """A recorded reply with a few bytes or tokens deleted, replaced, doubled or moved."""
    chosen = generator.choice(programs)
    change = _bytes if generator.random() < BYTES else _tokens
    return Program(change(generator, chosen.source), chosen.signature, chosen.source)


def _bytes(generator: random.Random, source: str) -> str:
    data = bytearray(source.encode())
    for _ in range(generator.randint(1, 5)):
        place = generator.randrange(len(data))
        if generator.random() < 0.2:
            del data[place]
        else:
            data[place] = generator.choice(data + bytes(range(32, 127)))
    return data.decode(errors="replace")


def _tokens(generator: random.Random, source: str) -> str:
    parts = TOKEN.findall(source)
    for _ in range(generator.randint(1, 3)):
        place, other = generator.randrange(len(parts)), generator.randrange(len(parts))
        kind = generator.randrange(5)
        if kind == 0:
            parts[place] = ""
        elif kind == 1:
            parts[place] = generator.choice(WORDS)
        elif kind == 2:
            parts[place] = parts[other]
        elif kind == 3:
            parts[place], parts[other] = parts[other], parts[place]
        else:
            parts.insert(place, generator.choice(WORDS))
    return "".join(parts)


def programs(seed: str, count: int, replies: list[Program]) -> Iterator[Program]:
    """The first `count` programs of a seed."""
    generator = random.Random(seed)
    grammar = Grammar(generator)
    for _ in range(count):
        if generator.random() >= DRAWN:
            yield mutated(generator, replies)
        elif generator.random() < TORCH:
            yield Program(grammar.torch_program())
        else:
            yield Program(grammar.program())

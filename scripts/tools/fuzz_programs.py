"""The programs that `fuzz_formal.py` tries: drawn from a grammar, and mutated replies.

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

ROOT = Path(__file__).parents[2]
DRAWN = 0.06  # the part of the programs that the grammar draws
CONTAINERS = 0.45  # the part of drawn statements that are about lists, dicts, texts and masks
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


class Grammar:
    """Draws programs that mostly compile."""

    def __init__(self, generator: random.Random):
        self.r = generator

    def program(self) -> str:
        self.scalars = ["observation[3]", "action[0]", "target_pos[2]", "0.5", "-1.5", "2"]
        self.vectors = ["observation[:3]", "action[1:]", "target_pos", "observation[4:7]"]
        self.fresh = 0
        lines = ["import math", "import numpy as np", "W = np.array([0.5, 1.0, -2.0])"]
        lines += [
            "def helper(a, b=0.3):",
            "    if a > b:",
            f"        return {self.pick('a b 1.0')}",
        ]
        lines += [f"    return {self.pick('a*b a-b abs(a)')}"]
        lines += ["def compute_reward(observation, action, target_pos):", "    parts = {'s': 0.1}"]
        self.lists, self.dicts, self.texts, self.masks = [], [], [], []
        lines += self.block(1, self.r.randint(3, 9), 2)
        total = self.scalar(1)
        lines += [f"    parts['t'] = {self.scalar(2)}"]
        return "\n".join([*lines, f"    return {total} + sum(parts.values()), parts", ""])

    def pick(self, words: str | list[str]) -> str:
        return self.r.choice(words.split() if isinstance(words, str) else words)

    def block(self, depth: int, count: int, nesting: int) -> list[str]:
        pad, lines = "    " * depth, []
        for _ in range(count):
            lines += [pad + line for line in self.statement(nesting)]
        return lines or [pad + "pass"]

    def nested(self, count: int, nesting: int) -> list[str]:
        names = "scalars vectors lists dicts texts masks".split()
        kept = {name: list(getattr(self, name)) for name in names}
        lines = self.block(1, count, nesting)
        for name, values in kept.items():  # what a branch defines stays in it
            setattr(self, name, values)
        return lines

    def container(self, nesting: int) -> list[str]:
        """A statement about a list, dict, text, closure or mask."""
        kind = self.r.randrange(14)
        a, t = self.scalar(0), self.truth(0)
        if kind < 3 or not self.lists:
            made = self.pick([
                "[]", f"[{a}]", f"[{a}, 0.5]",
                f"[e for e in {self.vector(0)} if e > {self.pick('-0.3 0 0.2')}]",
                f"[{a}] if {t} else [0.1, {self.scalar(0)}]", f"list({self.vector(0)})",
                f"sorted({self.vector(0)})", f"list(filter(lambda e: e > 0, {self.vector(0)}))",
                *(f"{v}.copy()" for v in self.lists), *(f"{v} + [{a}]" for v in self.lists),
                *(f"{v}[{self.pick('1: :1 :-1 ::-1')}]" for v in self.lists), *self.lists,
            ])  # fmt: skip
            name = self.name("l")
            self.lists.append(name)
            return [f"{name} = {made}"]
        v, w = self.pick(self.lists), self.pick(self.lists)
        if kind == 3:
            return [f"if {t}:", f"    {v}.{self.change(a)}"]
        if kind == 4:
            return [f"for e in {self.vector(0)}:", f"    if e > {self.pick('0 0.2 -0.4')}:",
                    f"        {self.pick(['continue', 'break', f'{v}.append(e * 0.5)'])}",
                    f"    {v}.append({self.pick('e e+1 0.25 1')})"]  # fmt: skip
        if kind == 5:
            name = self.name("c")
            return [f"def {name}(x):", f"    if x > {self.pick('0 0.3')}:",
                    f"        {v}.{self.change('x')}", "        return 1.0", "    return 0.5",
                    f"parts['s'] = parts['s'] + {name}({a})"]  # fmt: skip
        if kind == 6:
            return [f"if {v}:", f"    {v}.{self.pick(['pop()', 'pop(0)', 'reverse()', 'sort()'])}"]
        if kind == 7:
            count = self.name("n")
            self.scalars.append(count)
            return [
                f"{count} = 0.0",
                f"for i, e in enumerate({v}):",
                f"    {count} += {self.pick(['e', 'e * (i + 1)', '1', 'abs(e) - 0.1'])}",
                *(
                    ["    if e > 0.5:", f"        {self.pick('break continue')}"]
                    * self.r.randint(0, 1)
                ),
            ]
        if kind == 8 or not self.dicts:
            name = self.name("d")
            made = self.pick(["{}", f"{{'a': {a}}}",
                              f"{{'a': {a}, 'b': 0.5}} if {t} else {{'b': {self.scalar(0)}}}",
                              f"{{k: x for k, x in zip('abc', {self.vector(0)}) if x > 0}}",
                              *(f"{{**{d}, 'c': {a}}}" for d in self.dicts)])  # fmt: skip
            self.dicts.append(name)
            return [f"{name} = {made}"]
        d, k = self.pick(self.dicts), self.pick("a b c")
        if kind == 9:
            return [f"if {t}:", "    " + self.pick([f"{d}['{k}'] = {a}", f"{d}.pop('{k}', 0.0)",
                    f"{d}.update({{'{k}': {a}}})", f"{d}.setdefault('{k}', {a})"])]  # fmt: skip
        if kind == 10:
            name = self.name("t")
            self.texts.append(name)
            return [
                f"{name} = 'a' if {t} else 'b'",
                f"if {self.truth(0)}:",
                f"    {name} = {self.pick([repr('c'), f'{name}.upper().lower()'])}",
            ]
        if kind == 11:
            name = self.name("m")
            self.masks.append(name)
            return [f"{name} = {self.vector(1)} > {self.pick('0 0.3 -0.5')}"]
        named = [one for one in self.vectors if one.isidentifier() and one != "target_pos"]
        if kind == 12 and self.masks and named:
            m, x = self.pick(self.masks), self.pick(named)
            return [f"{x}[{m}] {self.pick('= += *=')} {self.pick(['0.5', '0.0', f'{x}[{m}] * 2'])}"]
        count, more = self.name("q"), self.pick(["", f" and {t}"])
        return [f"{count} = 0", f"while {count} < {self.pick('2 4')}{more}:",
                f"    {count} += 1", f"    {v}.append({a})", f"{w}2 = [{v}, [0.5]]",
                f"{w}2[0].append(0.1)", f"parts['s'] += len({w}2[0])"]  # fmt: skip

    def change(self, item: str) -> str:
        """A call that changes a list."""
        added = f"append({item})"
        return self.pick([added, added, f"extend([{item}, 0.3])", f"insert(0, {item})"])

    def of_containers(self) -> str:
        """A number made of a list, dict, text or mask."""
        found = []
        for v in self.lists:
            found += [
                f"len({v})",
                f"sum({v})",
                f"max({v}, default=0.5)",
                f"({v}[0] if {v} else 0.5)",
                f"({v}[-1] if len({v}) > 1 else 0.2)",
                f"sum(e for e in {v} if e < 0.5)",
                f"(1.0 if {v} else 0.0)",
                f"sum(x * y for x, y in zip({v}, W))",
                f"np.mean({v} or [0.0])",
                f"sum({v}[i] for i in range(len({v})))",
                f"any(e > 0.4 for e in {v})",
                f"(sum({v}) / len({v}) if {v} else 0.0)",
                f"sum(sorted({v})[:2])",
                f"len({v} + {v}[1:])",
                f"(0.25 in {v})",
                f"next((e for e in {v} if e > 0), -1.0)",
                f"np.sum(np.array({v}))",
            ]
        for d in self.dicts:
            found += [f"len({d})", f"sum({d}.values())", f"{d}.get('a', 0.3)", f"('b' in {d})",
                      f"sum(x for k, x in {d}.items() if k != 'b')", f"({d} == {{}})",
                      f"(1.5 if {d} else 0.5)", f"len([k for k in {d}])"]  # fmt: skip
        for t in self.texts:
            found += [f"{{'a': 0.1, 'b': 0.2, 'c': 0.3}}[{t}]", f"({t} == 'a')",
                      f"({t} in ('b', 'c'))",
                      f"len({t} + 'x')"]  # fmt: skip
        for m in self.masks:
            found += [f"np.sum({m})", f"W[{m}].sum()", f"len(target_pos[{m}])",
                      f"(target_pos[{m}].mean() if {m}.any() else 0.1)", f"len(np.where({m})[0])",
                      f"(target_pos[{m}] * 2).sum()"]  # fmt: skip
        return self.pick(found) if found else "0.5"

    def name(self, kind: str) -> str:
        self.fresh += 1
        return f"{kind}{self.fresh}"

    def statement(self, nesting: int) -> list[str]:
        if self.r.random() < CONTAINERS:
            return self.container(nesting)
        kind = self.r.randrange(12 if nesting else 8)
        named = [v for v in self.vectors if v.isidentifier()]
        if kind in (0, 1):
            value, name = self.scalar(2), self.name("s")
            self.scalars.append(name)
            return [f"{name} = {value}"]
        if kind == 2:
            value, name = self.vector(2), self.name("v")
            self.vectors.append(name)
            return [f"{name} = {value}"]
        if kind == 3:
            name = self.pick(named)
            return [
                f"{name}[{self.pick('0 1 -1 1: ::2 :')}] {self.pick('= += *=')} {self.scalar(1)}"
            ]
        if kind == 4:
            return [f"{self.pick(named)} {self.pick('+= *= -=')} {self.vector(1)}"]
        if kind == 5:
            old = [s for s in self.scalars if s.isidentifier()]
            if old:
                return [f"{self.pick(old)} {self.pick('+= *= -= =')} {self.scalar(1)}"]
        if kind == 6:
            key = self.pick("s t u")
            return [f"parts['{key}'] = {self.scalar(2)} + parts.get('{key}', 0.0)"]
        if kind == 7:
            return [f"{self.pick(named)}[:2] = {self.vector(1)}[{self.pick('1: :2 ::2 -2: ::-2')}]"]
        if kind in (8, 9):
            lines = [f"if {self.truth(1)}:", *self.nested(2, nesting - 1)]
            return lines + ["else:", *self.nested(1, nesting - 1)] * self.r.randint(0, 1)
        if kind == 10:
            count = self.name("i")
            head = f"for {count} in {self.pick(['range(3)', 'range(2, -1, -1)', '(0, 2)'])}:"
            jump = [f"    if {self.truth(1)}:", f"        {self.pick('break continue')}"]
            self.scalars.append(f"target_pos[{count}]")
            body = self.nested(2, nesting - 1)
            self.scalars.remove(f"target_pos[{count}]")
            return [head, *(jump * self.r.randint(0, 1)), *body]
        return ["def part(a, v):", f"    v[0] = {self.scalar(1)}", "    return a + v[1]",
                f"parts['s'] = part({self.scalar(1)}, {self.vector(1)})"]  # fmt: skip

    def scalar(self, depth: int) -> str:
        if self.r.random() < 0.15:
            return f"({self.of_containers()})"
        if not depth or self.r.random() < 0.2:
            return self.pick(self.scalars)
        a, b, v = self.scalar(depth - 1), self.scalar(depth - 1), self.vector(depth - 1)
        return self.pick([
            f"({a} + {b})", f"({a} - {b})", f"{a} * {b}", f"({a}) / (1.0 + abs({b}))",
            f"({a}) / ({b}) if ({b}) > 0.1 else {a}", f"({a} if {self.truth(depth - 1)} else {b})",
            f"np.tanh({a})", f"math.exp(-abs({a}))", f"np.linalg.norm({v})", f"np.sum({v})",
            f"({v})[{self.pick('0 1 -1')}]", f"min({a}, {b})", f"max({a}, {b}, 0.1)",
            f"np.clip({a}, -1, 1)", f"helper({a}, {b})", f"float(np.mean({v}))", f"helper({a})",
            f"np.where({self.truth(depth - 1)}, {a}, {b})", f"np.dot({v}, W)", f"abs({a}) ** 0.5",
            f"sum(e * e for e in {v})", f"max([e for e in {v}])", f"(lambda q: q * 2)({a})",
            f"math.sqrt({a} ** 2 + 0.01)", f"np.max({v}) - ({v}).min()", f"round({a}, 2)",
        ])  # fmt: skip

    def vector(self, depth: int) -> str:
        if not depth or self.r.random() < 0.3:
            return self.pick(self.vectors)
        v, w, a = self.vector(depth - 1), self.vector(depth - 1), self.scalar(depth - 1)
        return self.pick([
            f"({v} + {w})", f"({v}) * ({w})", f"({v}) * {a}", f"np.abs({v})", f"({v})[::-1]",
            f"np.array([{a}, 0.5, 1])", f"({v}).copy()", f"np.cross({v}, W)",
            f"np.minimum({v}, {w})", f"np.where(({v}) > 0, {v}, {w})", f"np.asarray({v})",
            f"({v} if {self.truth(0)} else {w})", "np.zeros(3)", f"({v}).reshape(3)",
            f"np.concatenate([({v})[:1], ({w})[1:]])",
        ])  # fmt: skip

    def truth(self, depth: int) -> str:
        a, b, v = self.scalar(depth), self.scalar(depth), self.vector(depth)
        return self.pick([
            f"({a} > {b})", f"(-0.5 < {a} <= 0.5)", f"({a} > 0 and {b} > 0)", f"(not {a} > {b})",
            f"np.any({v} > 0)", f"all(e < 1 for e in {v})",
        ])  # fmt: skip


def recorded() -> list[Program]:
    """The code of the replies recorded for Meta-World, whose sizes the fuzzer's states have."""
    spec = envs.make("drawer-open").spec  # all tasks have fields of these names
    described = spec.formal_fields, spec.action_description, spec.target_description
    found = []
    for folder in (ROOT / "core" / "models" / "replies", ROOT / "tests" / "data" / "replies"):
        paths = (p for p in folder.rglob("*.json") if p.stem in envs.names("metaworld"))
        for path in sorted(paths):
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
        if generator.random() < DRAWN:
            yield Program(grammar.program())
        else:
            yield mutated(generator, replies)

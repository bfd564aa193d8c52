"""Fuzz the formal reward's compiler with generated and with mutated programs.

    python scripts/fuzz_formal.py --count 2000 --seed 0 --minutes 5

A third of the programs are drawn from a grammar, the others are recorded replies with some bytes
or tokens changed. Each must be refused with a place, or compile and agree with NumPy, within a
second of processor time, and compiling must not open, start or connect to anything. What was
accepted is run under NumPy: the whitelist has passed it, so it can only compute.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from reward_models.formal import FormalReward, RewardError, compile_reward, extract_code

ROOT = Path(__file__).parents[1]
TOKEN = re.compile(r"\s+|\w+(?:\.\d+)?|==|<=|>=|!=|\*\*|//|[-+*/]=|.", re.S)
WORDS = (
    "( ) [ ] { } : , . = + - * / // % ** @ if else for in not and or is None True return break "
    "continue np math sum len range abs min max -1 0 1 2 0.5 1e9 1e-9 'a' x [0] [1:] [::-1] .T "
    "observation action target_pos lambda += *= == < >= np.where np.linalg.norm float __class__"
).split()
_WATCHED = ("open", "socket.", "subprocess.", "os.", "shutil.", "ctypes.", "urllib.", "exec")
_OWN = tuple(str(Path(path).resolve()) for path in (sys.prefix, sys.base_prefix))


@dataclass(frozen=True)
class Options:
    """Command line.

    Attributes:
        count: programs to try.
        seed: of the generator; the same seed gives the same programs.
        minutes: stop after this long.
        show: failures to print with their source.
    """

    count: int = 2_000
    seed: int = 0
    minutes: float = 10.0
    show: int = 5


class Watch:
    """Notes what the compiler asks of the system: files, processes, sockets, the environment."""

    def __init__(self) -> None:
        self.armed, self.seen = False, []
        sys.addaudithook(self._audit)
        read = os._Environ.__getitem__

        def watched(environment: Any, key: str) -> str:
            if self.armed:
                self.seen.append(f"environment {key}")
            return read(environment, key)

        os._Environ.__getitem__ = watched

    def _audit(self, event: str, args: tuple) -> None:
        if not self.armed or not event.startswith(_WATCHED):
            return
        if event == "exec":  # a code object of the program itself would be named <...>
            name = getattr(args[0], "co_filename", "")
            if not name.startswith("<") or name.startswith("<frozen"):
                return
        path = str(args[0]) if args else ""
        if event == "open" and (path.startswith(_OWN) or path == os.devnull):
            return  # a library that imports itself lazily; what Python reads on a syntax error
        self.seen.append(f"{event} {path}"[:200])


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
        scalars, vectors = list(self.scalars), list(self.vectors)
        lines = self.block(1, count, nesting)
        self.scalars, self.vectors = scalars, vectors  # what a branch defines stays in it
        return lines

    def name(self, kind: str) -> str:
        self.fresh += 1
        return f"{kind}{self.fresh}"

    def statement(self, nesting: int) -> list[str]:
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


def recorded() -> list[str]:
    """The code of all recorded replies."""
    files = sorted((ROOT / "core" / "models" / "replies").glob("*.json"))
    recordings = [json.loads(path.read_text()) for path in files]
    kinds = [recording[kind] for recording in recordings for kind in ("initial", "refinement")]
    return [extract_code(reply) for kind in kinds for reply in kind["replies"]]


def mutated(generator: random.Random, sources: list[str]) -> str:
    """A recorded reply with a few bytes or tokens deleted, replaced, doubled or moved."""
    source = generator.choice(sources)
    if generator.random() < 0.3:
        data = bytearray(source.encode())
        for _ in range(generator.randint(1, 3)):
            data[generator.randrange(len(data))] = generator.choice(data + bytes(range(32, 127)))
        return data.decode(errors="replace")
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


def programs(seed: int, count: int) -> list[str]:
    """The programs of a seed."""
    generator, sources = random.Random(seed), recorded()
    grammar = Grammar(generator)
    return [grammar.program() if i % 3 == 0 else mutated(generator, sources) for i in range(count)]


def states(count: int = 4) -> list[np.ndarray]:
    generator = np.random.default_rng(11)
    return [np.float32(0.6 * generator.standard_normal((count, n))) for n in (11, 4, 3)]


def under_numpy(source: str, reward: FormalReward, batch: list[np.ndarray]) -> np.ndarray:
    """Total and the reward's components of each state, in float64: [state, 1 + components]."""
    namespace: dict[str, Any] = {}
    rows = []
    with np.errstate(all="ignore"):
        for state in zip(*batch, strict=True):
            namespace = {"np": np, "math": math, "numpy": np, "print": lambda *a, **k: None}
            exec(source, namespace)  # accepted by the compiler, so it can only compute
            total, parts = namespace[reward.name](*(np.array(part, np.float64) for part in state))
            assert set(parts) == set(reward.component_names), parts  # their order may differ
            rows.append([float(total), *(float(parts[k]) for k in reward.component_names)])
    return np.array(rows)


def judge(source: str, watch: Watch, limit: float = 1.0) -> tuple[str, str]:
    """What became of a program: (outcome, detail); outcomes in capitals are failures."""
    for _ in range(2):  # a first time may compile operations that others have not used yet
        watch.seen, watch.armed, start = [], True, time.process_time()
        try:
            reward, refused = compile_reward(source), None
        except RewardError as error:
            reward, refused = None, error
        except Exception:
            return "CRASH", traceback.format_exc(limit=-4)
        finally:
            watch.armed = False
        seconds = time.process_time() - start
        if seconds < limit and not watch.seen:
            break
    else:
        return ("SYSTEM", "; ".join(watch.seen)) if watch.seen else ("SLOW", f"{seconds:.2f} s")
    if refused is not None:
        placed = all(d.line >= 1 and d.column >= 1 and d.message for d in refused.diagnostics)
        return ("refused", str(refused)) if placed and refused.diagnostics else ("NO PLACE", "")
    batch = states()
    try:
        expected = under_numpy(source, reward, batch)
    except Exception as error:
        return "accepted, though NumPy refuses", repr(error)
    total, parts = jax.vmap(reward)(*batch)
    found = np.stack([total, *(parts[name] for name in reward.component_names)], axis=1)
    wrong = ~(np.abs(found - expected) <= 1e-4 * (1 + np.abs(expected)))
    wrong &= np.isfinite(expected) & (np.abs(expected) < 1e6)
    if not wrong.any():
        return "agrees", ""
    moved = [under_numpy(source, reward, [np.float64(x) * f for x in batch])
             for f in (1 + 1e-6, 1 - 1e-6)]  # fmt: skip
    shaky = np.max([np.abs(other - expected) for other in moved], axis=0)
    if np.all(~wrong | (shaky > 0.01 * np.abs(found - expected))):
        return "on a step", ""  # the last bit of an input decides, under NumPy as well
    return "DIFFERS", f"{found[wrong][:3]} instead of {expected[wrong][:3]}"


def main(options: Options) -> int:
    """Try the programs; the number of failures."""
    watch, outcomes, failures = Watch(), Counter(), 0
    start = time.perf_counter()
    for source in programs(options.seed, options.count):
        if time.perf_counter() - start > 60 * options.minutes:
            break
        outcome, detail = judge(source, watch)
        outcomes[outcome] += 1
        if outcome.isupper():
            failures += 1
            if failures <= options.show:
                print(f"--- {outcome}: {detail}\n{source}", flush=True)
    print(f"{sum(outcomes.values())} programs:", dict(outcomes.most_common()))
    return failures


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)) > 0)

"""A grammar of reward programs, as templates with typed holes (`templates/*.txt`).

In a template `$a` is an expression of kind a, drawn anew; `$L` a variable of kind l; with a digit
(`$L1`) it is the same text each time. `@a1` is a new variable of kind a. The kinds:

    a number   n whole number   t truth   v 3 numbers   w 4 numbers   m 3x3 matrix   k mask of 3
    l list of numbers   d dict of numbers   s text   e anything (never drawn)
    c constant   i constant index   z, y sizes   J `break` or `continue`   B a block of statements
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from pathlib import Path

from formal_fuzz.frames import HELPERS, IMPORTS, LEAVES

TEMPLATES = Path(__file__).parent / "templates"
HOLE = re.compile(r"([$@])([A-Za-z])(\d?)(?![A-Za-z])")
ATOM = re.compile(r"-?[\w.]+(\[[^][()]*\]|\([^()]*\))?|\[[^][()]*\]|\{[^{}()]*\}")
WORD = re.compile(r"[A-Za-z_]\w*")
DRAWN_KINDS = "antvwmklds"
WEIGHTS = {
    "plain": 3, "arrays": 2, "masks": 1.5, "flow": 3, "stages": 1.5, "lists": 3, "dicts": 1.5,
    "closures": 1, "heavy": 0.03,
}  # fmt: skip
HEAD = "def compute_reward(observation, action, target_pos):\n"
LEAF = 0.25  # how often an expression that could be larger is a leaf


def expressions(*names: str) -> dict[str, dict[str, list[str]]]:
    """The templates of expressions: {kind: {section: templates}}."""
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for name in names:
        section = name
        for line in (TEMPLATES / f"{name}.txt").read_text().splitlines():
            if line.startswith("## "):
                section = line[3:]
            else:
                kind, template = line.split("| ", 1)
                found[kind].setdefault(section, []).append(template)
    return dict(found)


def statements() -> dict[str, list[str]]:
    """The templates of statements: {section: templates}."""
    found = {}
    for part in (TEMPLATES / "statements.txt").read_text().strip().split("## ")[1:]:
        section, body = part.split("\n", 1)
        found[section] = body.strip("\n").split("\n---\n")
    return found


EXPRESSIONS = expressions("python", "numpy")
TORCH = expressions("torch")
STATEMENTS = statements()


class Grammar:
    """Draws programs that mostly compile. Which templates were used is counted in `used`."""

    def __init__(self, generator: random.Random):
        self.r = generator
        self.used: set[str] = set()

    def program(self) -> str:
        """A program for NumPy."""
        self.table, self.leaves = EXPRESSIONS, LEAVES
        self.scope: dict[str, list[str]] = defaultdict(list)
        self.scope["v"].append("target_pos")
        self.fresh, self.budget = 0, self.r.randint(3, 11)
        lines = ["parts = {'s': 0.1, 'u': 0.2}", *self.statements(self.r.randint(1, 4), 2)]
        lines += [f"parts['t'] = {self.expression('a', 2)}"]
        lines += [f"return {self.expression('a', 2)} + sum(parts.values()), parts"]
        body = HEAD + "".join(f"    {line}\n" for line in lines)
        helpers = [text for name, text in HELPERS.items() if name in set(WORD.findall(body))]
        return self._with_imports("".join([*reversed(helpers), body]))

    def torch_program(self) -> str:
        """A program for PyTorch: a batch of states, no branches."""
        self.table = TORCH
        self.leaves = {
            "a": ["observation[:, 3]", "action[:, 0]", "target_pos[:, 2]", "observation[:, 0]"],
            "v": ["observation[:, :3]", "observation[:, 4:7]", "target_pos", "action[:, 1:]"],
            "t": ["(observation[:, 5] > 0)", "(action[:, 1] < 0.25)"],
        }
        self.scope, self.fresh, self.budget = defaultdict(list), 0, self.r.randint(5, 16)
        lines = []
        for kind in self.r.choices("aavt", k=self.r.randint(1, 4)):
            lines.append(f"{self._name(kind)} = {self.expression(kind, 3)}")
            self.scope[kind].append(lines[-1].split(" ")[0])
        lines.append(f"return {self.expression('a', 2)}, {{'s': {self.expression('a', 2)}}}")
        imports = "import torch\nimport torch.nn.functional as F\n"
        return imports + HEAD + "".join(f"    {line}\n" for line in lines)

    def _with_imports(self, body: str) -> str:
        words = set(WORD.findall(body))
        imports = [line for names, line in IMPORTS.items() if words & set(names.split())]
        return "".join(f"{line}\n" for line in imports) + body

    def statements(self, count: int, nesting: int) -> list[str]:
        """Lines of so many statements."""
        return [line for _ in range(count) for line in self.statement(nesting)]

    def statement(self, nesting: int) -> list[str]:
        """Lines of one statement, after those that define the variables that it changes."""
        section = self.r.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        template = self.r.choice(STATEMENTS[section])
        while "$B" in template and not nesting:
            template = self.r.choice(STATEMENTS[section])
        self.used.add(template)
        lines = []
        for _, kind, _ in HOLE.findall(template):
            low = kind.lower()
            if kind in "AVMLDNSK" and not self.scope[low]:
                name = self._name(low)
                lines.append(f"{name} = {self.expression(low, 1)}")
                self.scope[low].append(name)
        text, made = self._filled(template, 2, nesting)
        for kind, name in made:
            self.scope[kind].append(name)
        return lines + text.split("\n")

    def expression(self, kind: str, depth: int) -> str:
        """An expression of a kind, which may stand in any other."""
        names = self.scope[kind]
        if depth <= 0 or self.budget <= 0 or self.r.random() < LEAF:
            return self.r.choice(names if names and self.r.random() < 0.6 else self.leaves[kind])
        self.budget -= 1
        sections = list(self.table[kind].values())
        template = self.r.choice(self.r.choice(sections))
        while any(k.isupper() and not self.scope[k.lower()] for _, k, _ in HOLE.findall(template)):
            template = self.r.choice(self.r.choice(sections))
        self.used.add(template)
        text, _ = self._filled(template, depth - 1, 0)
        return text if ATOM.fullmatch(text) else f"({text})"

    def _filled(self, template: str, depth: int, nesting: int) -> tuple[str, list]:
        """The template with its holes filled, and (kind, name) of the variables that it makes."""
        known: dict[str, str] = {}
        made: list[tuple[str, str]] = []
        found, end = [], 0
        for hole in HOLE.finditer(template):
            sign, kind, digit = hole.groups()
            found.append(template[end : hole.start()])
            end = hole.end()
            key = sign + kind + digit
            if key not in known or not digit:
                known[key] = self._hole(sign, kind, depth, nesting, found, made)
                if sign == "@" and kind in DRAWN_KINDS:
                    made.append((kind, known[key]))
            found.append(known[key])
        return "".join([*found, template[end:]]), made

    def _hole(
        self, sign: str, kind: str, depth: int, nesting: int, found: list[str], made: list
    ) -> str:
        if sign == "@":
            return self._name(kind)
        if kind == "B":
            pad = " " * len("".join(found).rsplit("\n", 1)[-1])
            return f"\n{pad}".join(self._block(nesting - 1, made))
        if kind == "J":
            return self.r.choice(["break", "continue"])
        if kind in "czyi":
            return self.r.choice(self.leaves[kind] if kind in self.leaves else LEAVES[kind])
        if kind.isupper():
            return self.r.choice(self.scope[kind.lower()])
        return self.expression(kind, depth)

    def _block(self, nesting: int, made: list) -> list[str]:
        """Lines of a nested block; what it defines stays in it."""
        kept = {kind: list(names) for kind, names in self.scope.items()}
        for kind, name in made:
            self.scope[kind].append(name)
        lines = self.statements(self.r.randint(1, 2), nesting)
        self.scope = defaultdict(list, kept)
        return lines

    def _name(self, kind: str) -> str:
        self.fresh += 1
        return f"{kind}{self.fresh}"

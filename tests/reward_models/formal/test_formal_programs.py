"""Programs in the style of written rewards: each has NumPy's values, or is refused on purpose.

`containers.json` holds ways to make a list or dict whose size depends on the state, and ways to use
one; every use is tried on several of them. `idioms.txt` holds bodies of reward functions.
"""

import json
from pathlib import Path

import pytest
from formal_judge import difference, program

CORPUS = Path(__file__).parents[2] / "data" / "formal_corpus"
CONTAINERS = json.loads((CORPUS / "containers.json").read_text())
IDIOMS = (CORPUS / "idioms.txt").read_text().rstrip("\n").split("\n---\n")
EACH = 4  # of the ways to make a list, those that each use is tried on
# Idioms that are refused, by a piece of them, and what the message says.
REFUSED = {
    "a[:, observation[:3] > 0] = 2.0": "how many elements this mask picks",
    "b.append(5.0)": "is the same object as another one on one path only",
    "groups.setdefault(": "the order of this dict's entries depends on the state",
}


def pairs(makers: str, uses: str) -> list[tuple[str, str, list[str]]]:
    names = list(CONTAINERS[makers])
    found = []
    for index, (use, text) in enumerate(CONTAINERS[uses].items()):
        chosen = [names[(index * 3 + step * 5) % len(names)] for step in range(EACH)]
        bodies = [f"{CONTAINERS[makers][one]}\n{text}" for one in dict.fromkeys(chosen)]
        found.append((use, makers, bodies))
    return found


ALL = pairs("builders", "uses") + pairs("dict_builders", "dict_uses")


def test_the_corpus_is_large():
    assert sum(len(bodies) for _, _, bodies in ALL) >= 150 and len(IDIOMS) >= 224
    assert len({body for _, _, bodies in ALL for body in bodies} | set(IDIOMS)) >= 374


@pytest.mark.parametrize("use, makers, bodies", ALL, ids=lambda x: x if isinstance(x, str) else "")
def test_containers_whose_size_depends_on_the_state(use, makers, bodies):
    wrong = {body: found for body in bodies if (found := difference(program(body)))}
    assert not wrong, "\n\n".join(f"{found}\n{body}" for body, found in wrong.items())


@pytest.mark.parametrize("part", range(12))
def test_idioms(part):
    wrong = {}
    for body in IDIOMS[part::12]:
        expected = next((text for piece, text in REFUSED.items() if piece in body), "")
        found = difference(program(body))
        if not (expected and expected in found or found == expected):
            wrong[body] = found
    assert not wrong, "\n\n".join(f"{found}\n{body}" for body, found in wrong.items())

"""The corpus of programs in the style of written rewards: each gives NumPy's recorded values.

`tests/data/formal_corpus` holds bodies of reward functions (`programs.jsonl`: lists and dicts whose
size depends on the state, idioms, views, each construct of the language; `torch.jsonl`: the same
for PyTorch) and shapes of replies around one program (`replies.json`), with what NumPy or PyTorch
gives on the states of `states.json`; `scripts/tools/record_formal_values.py` writes these values.
A few programs are refused on purpose.
"""

import importlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from core_jax.reward_models.formal import (
    CORE,
    RewardError,
    Signature,
    compile_reward,
    extract_code,
    make_signature,
)
from core_jax.reward_models.formal import reward as library

ROOT = Path(__file__).parents[3]
CORPUS = ROOT / "tests" / "data" / "formal_corpus"
PROGRAMS = [json.loads(line) for line in (CORPUS / "programs.jsonl").read_text().splitlines()]
REPLIES = json.loads((CORPUS / "replies.json").read_text())
TORCH = [json.loads(line) for line in (CORPUS / "torch.jsonl").read_text().splitlines()]
HEAD = "import math\nimport numpy as np\n\ndef compute_reward(observation, action, target_pos):\n"
TORCH_HEAD = """\
import torch
import torch.nn.functional as F


def compute_reward(hand_pos, gripper_opening, object_pos, object_quat, action, target_pos):
"""
PIECES = {"hand_pos": (0, 3), "gripper_opening": (3, 4), "object_pos": (4, 7),
          "object_quat": (7, 11)}  # fmt: skip
BARE = replace(CORE, bare=True)
BATCHED = make_signature("eureka", [
    SimpleNamespace(name=name, start=start, stop=stop, unit="1", description=name)
    for name, (start, stop) in PIECES.items()
], "action", "target")  # fmt: skip
PARTS = 12


@pytest.fixture(autouse=True, params=["numpy", pytest.param("xla", marks=pytest.mark.long)])
def runs_with(request, monkeypatch):
    """Run what was compiled with NumPy, as the fuzzer does, which takes a tenth of the time."""
    if request.param == "numpy":
        monkeypatch.syspath_prepend(str(ROOT / "scripts" / "tools"))
        interpreter = importlib.import_module("formal_fuzz.interpreter")
        monkeypatch.setattr(library, "_on_batch", interpreter.on_batch)


@cache
def states() -> list[np.ndarray]:
    return [np.array(part, np.float32) for part in json.loads((CORPUS / "states.json").read_text())]


def source_of(body: str, head: str = HEAD) -> str:
    return head + "".join(f"    {line}\n" for line in body.split("\n"))


def difference(source: str, values: list[float | None], signature: Signature = BARE) -> str:
    """What is wrong with a program: nothing (""), a refusal, or values that are not NumPy's."""
    try:
        reward = compile_reward(source, signature=signature)
    except RewardError as error:
        return "refused: " + "; ".join(f"{d.line}: {d.message}" for d in error.diagnostics)
    traced = jax.make_jaxpr(lambda *state: reward(*state)[0])(*(part[0] for part in states()))
    found = np.asarray(library._on_batch(traced, states())[0])
    expected = np.array([np.nan if value is None else value for value in values])
    same = np.abs(found - expected) <= 2e-5 * (1 + np.abs(expected))
    same |= np.isnan(expected) & ~np.isfinite(found)
    return "" if same.all() else f"differs: {found[~same][:4]} instead of {expected[~same][:4]}"


def test_the_corpus_is_large():
    bodies = [entry["body"] for entry in PROGRAMS]
    assert len(set(bodies)) == len(bodies) >= 650 and len(TORCH) >= 60
    assert len(set(REPLIES["replies"].values())) == len(REPLIES["replies"]) >= 55
    assert sum("refused" in entry for entry in PROGRAMS) <= 5
    for entry in PROGRAMS:
        assert "refused" in entry or len(entry["values"]) == len(states()[0])


@pytest.mark.parametrize("part", range(PARTS))
def test_programs_give_the_values_of_numpy(part):
    wrong = {}
    for entry in PROGRAMS[part::PARTS]:
        found = difference(source_of(entry["body"]), entry.get("values", []))
        expected = entry.get("refused", "")
        if not (expected and expected in found or found == expected):
            wrong[entry["body"]] = f"{entry['family']}: {found}"
    assert not wrong, "\n\n".join(f"{found}\n{body}" for body, found in wrong.items())


@pytest.mark.parametrize("part", range(3))
def test_batched_programs_give_the_values_of_torch(part):
    wrong = {
        entry["body"]: found
        for entry in TORCH[part::3]
        if (found := difference(source_of(entry["body"], TORCH_HEAD), entry["values"], BATCHED))
    }
    assert not wrong, "\n\n".join(f"{found}\n{body}" for body, found in wrong.items())


def test_the_answer_is_found_in_every_shape_of_reply():
    codes = {shape: extract_code(reply) for shape, reply in REPLIES["replies"].items()}
    wrong = {}
    for code in set(codes.values()):
        found = difference(code, REPLIES["values"])
        wrong |= {shape: found for shape, one in codes.items() if one == code and found}
        assert compile_reward(code).component_names == ("new",), code
    assert not wrong

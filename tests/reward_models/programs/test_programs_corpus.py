"""Programs as a model writes them for grids, pushing, table tops and a drawer: OpenCV's values."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from core_jax.reward_models.programs import compile_program

FOLDER = Path(__file__).parents[2] / "data" / "programs"
RECORDED = json.loads((FOLDER / "values.json").read_text())
FAST = (
    "drawer_first_difference", "drawer_running_max", "grid_dict_state", "grid_numpy_only",
    "noise_uint8_wrap", "push_try_except", "table_blocks_in_box",
)  # fmt: skip
NAMES = [
    name if name in FAST else pytest.param(name, marks=pytest.mark.long)
    for name in sorted(RECORDED)
]


def source_of(name: str) -> tuple[str, np.ndarray]:
    """A program and its episodes, [E, T, 64, 64, 3]."""
    source = (FOLDER / f"{name}.py").read_text()
    kind = source.splitlines()[0].removeprefix("# frames: ")
    return source, np.load(FOLDER / "frames.npz")[kind]


@pytest.mark.parametrize("name", NAMES)
def test_a_program_gives_opencvs_values(name: str) -> None:
    source, episodes = source_of(name)
    program = compile_program(source, 64, 64)
    run = lambda frames: jax.lax.scan(program.step, program.init(frames[0]), frames)[1]
    found = jax.jit(jax.vmap(run))(episodes)
    wanted = [[np.nan if x is None else x for x in row] for row in RECORDED[name]]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_every_program_of_the_corpus_compiles() -> None:
    assert len(RECORDED) >= 60
    for name in RECORDED:
        compile_program(source_of(name)[0], 64, 64)

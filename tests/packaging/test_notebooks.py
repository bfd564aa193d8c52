"""The notebooks run from top to bottom, and are committed as text: no outputs, short cells."""

import json
from pathlib import Path

import matplotlib
import pytest

import core_jax

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
SMALL = {"steps": 2_000}  # what a notebook names and a test makes smaller
SETTINGS = {
    "envs": 20, "updates": 2, "random_steps": 1_000, "eval_episodes": 2, "final_episodes": 2,
    "episode_steps": 50, "sac": {"hidden": [16, 16], "batch_size": 16},
}  # fmt: skip


def cells(notebook, kind):
    """The texts of a notebook's cells of a kind."""
    found = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def run(notebook):
    """Executes the code of a notebook; what its names stand for in the end."""
    matplotlib.use("agg")
    names = {"__name__": "__main__"}
    for i, source in enumerate(cells(notebook, "code")):
        exec(compile(source, f"{notebook.name}, code cell {i}", "exec"), names)
        names |= {name: value for name, value in SMALL.items() if name in names}
    return names


def test_there_are_notebooks_and_the_site_lists_them():
    assert {n.stem for n in NOTEBOOKS} == {"first_half_hour", "label_and_fit"}
    listed = (ROOT / "docs" / "library.md").read_text()
    assert all(f"(../examples/{notebook.name})" in listed for notebook in NOTEBOOKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.stem)
def test_a_notebook_is_committed_without_outputs_in_short_cells(notebook):
    content = json.loads(notebook.read_text())
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert content["nbformat"] == 4 and len(code) >= 8
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    for source in cells(notebook, "code"):
        assert source.count("\n") < 12
        assert max(map(len, source.splitlines())) <= 100


@pytest.mark.slow
def test_the_first_half_hour(monkeypatch):
    make_config = core_jax.make_config
    monkeypatch.setattr(core_jax, "make_config", lambda **given: make_config(**given, **SETTINGS))
    names = run(ROOT / "examples" / "first_half_hour.ipynb")
    assert names["summary"]["env_steps"] == 2_000 and len(names["summary"]["success"]) == 1
    assert names["policy"].env_steps == 2_000
    assert len(names["snapshots"]) == names["world"].spec.horizon


@pytest.mark.long
def test_label_and_fit():
    names = run(ROOT / "examples" / "label_and_fit.ipynb")
    assert names["teacher_accuracy"] > 0.8 and names["rule_accuracy"] > 0.8

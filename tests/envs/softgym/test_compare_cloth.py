"""`scripts/tools/compare_cloth.py`: its shape statistics, and that both engines are told the
same."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from core_jax.envs.softgym import cloth

ROOT = Path(__file__).parents[3]
N, SPACING = cloth.FAST.side, cloth.FAST.spacing


@pytest.fixture(scope="module")
def compare():
    path = ROOT / "scripts" / "tools" / "compare_cloth.py"
    sys.path.insert(0, str(path.parent))  # where a script finds its neighbours
    spec = importlib.util.spec_from_file_location("compare_cloth", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def flat():
    return np.asarray(cloth.FAST.flat().x)


def test_shape_of_a_sheet_that_is_drawn_out(compare):
    x = flat() * np.array([1.1, 1.0, 1.0])[:, None, None]
    found = compare.shape(x, SPACING)
    assert found["extent_x_mm"] == pytest.approx(1.1e3 * cloth.SIDE, rel=1e-4)
    assert found["extent_z_mm"] == pytest.approx(1e3 * cloth.SIDE, rel=1e-4)
    assert found["stretch_mean_%"] == pytest.approx(5.0, abs=0.01)  # of half the edges, 10%
    assert found["stretch_max_%"] == pytest.approx(10.0, abs=0.01)


def test_layers_of_an_ideal_fold(compare):
    x = flat()
    i, j = np.mgrid[:N, :N]
    mirrored = x[:, ::-1, ::-1].transpose(0, 2, 1) + np.array([0.003, 0.009, 0.004])[:, None, None]
    found = compare.layers(np.where(i + j < N - 1, mirrored, x))
    assert found["layer_above_mm"] == pytest.approx(9.0, abs=1e-3)
    assert found["layer_beside_mm"] == pytest.approx(5.0, abs=1e-3)
    assert compare.apart(x, x + np.array([0.0, 0.003, 0.004])[:, None, None]) == pytest.approx(5.0)


def test_a_grid_comes_back_from_mujocos_order(compare):
    x = np.random.default_rng(0).normal(size=(3, N, N))
    np.testing.assert_array_equal(compare.from_mujoco(compare.to_mujoco(x), N), x)


@pytest.mark.parametrize("name", ["hang", "fold"])
def test_both_engines_start_alike_and_move_what_they_hold(compare, name):
    case = getattr(compare, name)(cloth.FAST)
    flex = compare.Flex(case, 0.0025)
    np.testing.assert_allclose(flex.play(0), case.start, atol=1e-9)
    assert flex.model.body_mass.sum() == pytest.approx(1.0, rel=1e-3)
    after = flex.play(3)  # its ties yield: they are a frame behind
    for k, (i, j) in enumerate(case.cloth.held):
        np.testing.assert_allclose(case.start[:, i, j], case.path[0, :, k], atol=0.01)
        np.testing.assert_allclose(after[:, i, j], case.path[2, :, k], atol=0.0065)
    # A frame moves a picker by 6 mm at most.
    assert np.linalg.norm(np.diff(case.path, axis=0), axis=1).max() < 0.0061

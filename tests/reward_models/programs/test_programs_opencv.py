"""OpenCV's functions as image programs have them, against values that OpenCV has given."""

import ast
import hashlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.programs import components, cv_contours, cv_pixels, polygons
from core_jax.reward_models.programs.evaluator import Evaluator
from core_jax.reward_models.programs.values import Array

FILE = Path(__file__).parents[2] / "data" / "programs" / "opencv.npz"
RECORDED = np.load(FILE)
EXPRESSIONS = [name for name in RECORDED.files if name.startswith("cv2.")]


def evaluated(text: str) -> np.ndarray:
    """The value of an expression of `picture` and `mask`."""
    source = f"import cv2\nimport numpy as np\nresult = {text}\n"
    evaluator = Evaluator(source, ast.parse(source), 24 * 28, True)
    for name in ("picture", "mask"):
        evaluator.set_name(name, Array(jnp.asarray(RECORDED[name])))
    scope = evaluator.run_module()
    return np.asarray(evaluator.data(evaluator.store.get(scope)["result"]))


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_function_gives_opencvs_values(text: str) -> None:
    np.testing.assert_array_equal(evaluated(text), RECORDED[text])


@pytest.mark.parametrize("name", ["RGB2HSV", "RGB2GRAY"])
def test_every_colour_is_converted_as_by_opencv(name: str) -> None:
    value = jnp.arange(1 << 24, dtype=jnp.uint32)
    colours = jnp.stack([value & 255, (value >> 8) & 255, value >> 16], axis=-1).astype(jnp.uint8)
    convert = cv_pixels.to_hsv if name.endswith("HSV") else cv_pixels.to_gray
    found = np.asarray(convert(colours, True))
    digest = hashlib.sha256(found.tobytes()).digest()
    assert digest == RECORDED[f"digest_{name}"].tobytes()


def measured(mask: jax.Array) -> tuple:
    """The facts of all borders of a mask, and their order in each mode."""
    found = components.borders(mask)
    orders = [cv_contours.ordered(found, mode) for mode in range(4)]
    points, count = jax.vmap(lambda s, h: polygons.trace(found.bits, s, h, 28))(
        found.start, found.hole
    )
    _, corners = jax.vmap(polygons.approximate)(points, count, 0.03 * found.length)
    hulls = jax.vmap(lambda p, n: polygons.hull(p, n, 24))(points, count)
    area = jax.vmap(polygons.twice_area)(*hulls)
    low, high = found.box[:, :2], found.box[:, 2:]
    columns = [count, jnp.abs(found.sums[:, 0]) / 2, found.length, *low.T]
    columns += [*(high - low + 1).T, corners, jnp.abs(area) / 2]
    sign = jnp.where(found.sums[:, 0] < 0, -1, 1)[:, None]
    empty = found.sums[:, :1] == 0
    first = found.sums * sign / jnp.array([2, 6, 6])
    second = found.squares * sign / jnp.array([12, 24, 12])
    moments = jnp.where(empty, 0, jnp.concatenate([first, second], axis=1))
    return jnp.stack(columns, axis=1), moments, found.vertices, orders


def test_contours_are_opencvs_in_all_modes() -> None:
    facts, moments, vertices, orders = jax.jit(jax.vmap(measured))(RECORDED["masks"] != 0)
    at, wrong = 0, 0
    for index, counts in enumerate(RECORDED["counts"]):
        for mode, count in enumerate(counts):
            order, number = orders[mode]
            assert number[index] == count
            mine = np.asarray(facts[index][order[index][:count]])
            wanted = RECORDED["facts"][at : at + count]
            exact = [0, 1, 3, 4, 5, 6, 8]
            np.testing.assert_array_equal(mine[:, exact], wanted[:, exact])
            np.testing.assert_allclose(mine[:, 2], wanted[:, 2], rtol=1e-5)
            wrong += int((mine[:, 7] != wanted[:, 7]).sum())
            kept = order[index][:count]
            np.testing.assert_array_equal(vertices[index][kept], wanted[:, 0])
            np.testing.assert_allclose(
                moments[index][kept], RECORDED["moments"][at : at + count], rtol=1e-4, atol=1e-2
            )
            at += count
    assert at == len(RECORDED["facts"])
    assert wrong <= 0.001 * at  # vertices of approxPolyDP, where a distance is just the limit


def test_borders_of_a_batch_are_those_of_each_mask() -> None:
    masks = jnp.asarray(RECORDED["masks"][:6] != 0)
    together = jax.vmap(jax.vmap(components.borders))(masks.reshape(2, 3, 24, 28))
    for index, mask in enumerate(masks):
        alone = components.borders(mask)
        count = int(alone.count)
        assert 0 < count < components.CAPACITY
        for name, a, b in zip(alone._fields, alone, together, strict=True):
            b = b[index // 3, index % 3]
            if name not in ("bits", "count"):
                a, b = a[:count], b[:count]  # the rest is undefined
            np.testing.assert_array_equal(a, b)


def test_components_are_numbered_and_measured() -> None:
    from core_jax.reward_models.programs import labels

    mask = jnp.asarray(RECORDED["masks"][5] != 0)
    found = components.borders(mask)
    numbered, count = labels.numbered(mask, found)
    stats, centres = labels.statistics(mask, numbered)
    outer = (np.arange(components.CAPACITY) < found.count) & ~np.asarray(found.hole)
    assert count == outer.sum() and set(np.unique(numbered)) == set(range(int(count) + 1))
    assert stats[1 : count + 1, 4].sum() == mask.sum()
    for number in range(1, int(count) + 1):
        rows, columns = np.nonzero(np.asarray(numbered) == number)
        np.testing.assert_allclose(centres[number], [columns.mean(), rows.mean()], rtol=1e-6)
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert stats[number, :4].tolist() == box

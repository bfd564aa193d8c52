"""VLM-AR3L: an absolute and a relative reward from the same preferences."""

import numpy as np
import pytest

from core_jax.runs.checks import check
from core_jax.runs.loop import run

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.slow
def test_half_the_reward_is_absolute_and_half_relative(tmp_path, tiny_pebble):
    found = []
    config = tiny_pebble("vlm_ar3l", relative={"hidden": [16], "embedding": 8, "head": 8})
    run(check(config), tmp_path / "run", quiet=True, on_row=found.append)
    assert [row["phase"] for row in found] == ["state entropy"] * 3 + ["learned reward"] * 3
    last = found[-1]
    parts = np.array([last["rewards"]["absolute"], last["rewards"]["relative"]])
    np.testing.assert_allclose(last["reward"], 0.5 * parts.sum(0), atol=1e-5)
    assert "fit_accuracy" in found[3] and "fit_relative_accuracy" in found[3]

"""Statistics in closed form, and the published numbers."""

import numpy as np
import pytest

from core_jax.report import paper, statistics


def test_students_interval():
    got = statistics.student([1.0, 2.0, 3.0])
    assert got.mean == 2.0 and got.high == pytest.approx(2.0 + 4.303 / np.sqrt(3))
    assert got.half == pytest.approx(4.303 / np.sqrt(3))
    assert statistics.student([0.0, 1.0, 1.0], 0.0, 1.0)[1:] == (0.0, 1.0)  # cut
    assert statistics.student([0.5]) == (0.5, None, None)
    assert statistics.student([1.0, 1.0]) == (1.0, 1.0, 1.0)


def test_interquartile_mean_leaves_the_extremes_out():
    assert statistics.interquartile_mean([100, 2, 3, -50]) == 2.5
    assert statistics.interquartile_mean([1, 2, 6]) == 3.0
    same = statistics.bootstrap_iqm([[1.0, 1.0], [1.0, 1.0]])
    assert same == (1.0, 1.0, 1.0)
    spread = statistics.bootstrap_iqm([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert spread.low < spread.mean < spread.high or spread.mean == spread.high == 1.0
    assert spread == statistics.bootstrap_iqm([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])


def test_published_numbers():
    assert paper.success("core", "sweep-into", "paper") == pytest.approx(0.973)
    assert paper.success("env_sparse", "peg-insert-side", "paper") == 0.0
    assert paper.success("core", "sweep-into", "random") is None
    assert paper.success("core", "swim", "paper") is None
    assert paper.success("mine", "soccer", "paper") is None

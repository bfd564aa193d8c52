"""ERL-VLM: ratings of single pictures in place of preferences."""

from types import SimpleNamespace

import numpy as np
import pytest

from core_jax.feedback.collecting import CollectorSetup
from core_jax.feedback.config import FeedbackConfig
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import Clip, Single, SingleLabel
from core_jax.feedback.single_collector import RatingCollector
from core_jax.runs.checks import check
from core_jax.runs.loop import run

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def rows(tmp_path_factory, tiny_pebble):
    """The rows of a short run, and its folder."""
    out, found = tmp_path_factory.mktemp("run") / "erl_vlm", []
    config = tiny_pebble("erl_vlm", scripted={"kind": "oracle"})
    run(check(config), out, quiet=True, on_row=found.append)
    return out, found


@pytest.mark.slow
def test_it_asks_for_ratings_and_learns_by_them_alone(rows):
    out, found = rows
    assert [row["phase"] for row in found] == ["state entropy"] * 3 + ["learned reward"] * 3
    np.testing.assert_allclose(found[-1]["reward"], found[-1]["rewards"]["rating"], atol=1e-5)
    assert found[3]["labels"] == 8 and "fit_accuracy" in found[3]
    store = LabelStore(out / "labels.sqlite")
    asked = [one.question for one in store.questions()]
    values = {row.label.value for row in store.rows()}
    store.close()
    assert asked and all(isinstance(q, Single) and q.asks == "rating" for q in asked)
    assert all(q.classes == 3 and len(q.clip.next_obs) == 1 for q in asked)
    assert values <= {0.0, 1.0, 2.0}


def collector(drawer, lowest_if_unsure):
    setup = CollectorSetup(FeedbackConfig(labels=4, clip_length=1), 1, 0, "do it", "progress",
                           importance=False, wait=False)  # fmt: skip
    return RatingCollector(
        setup, 3, lowest_if_unsure, drawer, None, SimpleNamespace(), SimpleNamespace()
    )


@pytest.mark.parametrize("released", [False, True])
def test_an_abstention_is_dropped_and_in_the_released_code_the_lowest_class(drawer, released):
    found = collector(drawer, released)
    steps = {
        "next_obs": (1, drawer.observation_size),
        "snapshot": found.labels["snapshot"][0, 0].shape,
    }
    clip = Clip(*(np.ones(steps.get(name, (1,)), np.float32) for name in Clip._fields))
    query = Single(clip, "rating", 3, "do it", 0, 0)
    assert found.usable(SingleLabel(2.0, "")) and found.usable(SingleLabel(None, "")) == released
    found.keep(0, 0, query, SingleLabel(2.0, ""))
    found.keep(0, 1, query, SingleLabel(None, "unreadable"))
    ratings = found.ratings()
    np.testing.assert_array_equal(ratings.rating[0, :2], [2, 0])
    np.testing.assert_array_equal(ratings.frames[0][0, 0], clip.next_obs)

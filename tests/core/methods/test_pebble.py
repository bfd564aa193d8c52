"""PEBBLE and its siblings: explore, ask, fit, train on the learned reward alone; and RIME's filter
as their option."""

import numpy as np
import pytest

from core_jax import envs
from core_jax.feedback.labels import LabelStore
from core_jax.runs.checks import check
from core_jax.runs.flags import parse
from core_jax.runs.loop import run
from core_jax.runs.presets import make_config

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def rows(tmp_path_factory, tiny_pebble):
    """The rows of a short run of clips whose labels are filtered, and its folder."""
    out, found = tmp_path_factory.mktemp("run") / "pebble", []
    feedback = {"clip_length": 4, "denoise": "rime", "pairs": "uniform"}
    run(check(tiny_pebble("pebble", feedback=feedback)), out, quiet=True, on_row=found.append)
    return out, found


@pytest.mark.slow
def test_it_explores_and_then_learns_by_filtered_labels_alone(rows):
    out, found = rows
    phases = [row["phase"] for row in found]
    assert phases == ["state entropy"] * 3 + ["learned reward"] * 3
    assert all(set(row["rewards"]) == {"entropy", "preference"} for row in found)
    np.testing.assert_allclose(found[-1]["reward"], found[-1]["rewards"]["preference"], atol=1e-5)
    # Nothing contradicts a reward that has just begun to learn.
    assert found[3]["fit_trusted"] == [1.0] and found[3]["fit_flipped"] == [0.0]
    store = LabelStore(out / "labels.sqlite")
    asked = [one.question for one in store.questions()]
    store.close()
    assert asked and all(len(q.a.next_obs) == len(q.b.next_obs) == 4 for q in asked)


@pytest.mark.parametrize("task", sorted({*envs.names()} - {*envs.names("tabletop")}))
@pytest.mark.parametrize("method", ["pebble", "erl_vlm", "vlm_ar3l"])
def test_presets_can_be_run_on_every_task(task, method):
    for given in ("state", "pixels"):
        config = check(make_config(task=task, method=method, reward_input=given))
        feedback = config.settings.feedback
        assert (feedback.clip_length > 1) == (method == "pebble")
        ratings = method == "erl_vlm"
        assert (config.settings.reward.batch_size == 512) == ratings


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--method", "pebble", "--feedback.rime.alpha", "1"], "labels are not filtered"),
        (["--method", "erl_vlm", "--feedback.denoise", "rime"], "ratings are asked for"),
        (["--method", "erl_vlm", "--scripted.order-bias", "1"], "ratings are asked for"),
        (["--method", "vlm_ar3l", "--relative.hidden", "8"], "the network is a CNN"),
        (["--method", "core", "--no-rrm", "--feedback.denoise", "rime"], "nothing is fitted"),
    ],
)
def test_flags_without_effect_are_refused(words, reason, script_flags):
    with pytest.raises(ValueError, match=reason):
        parse(script_flags, words)


@pytest.mark.parametrize("method", ["core", "pebble", "rl_vlm_f", "vlm_ar3l"])
def test_every_preference_method_can_filter_its_labels(method, script_flags):
    words = ["--method", method, "--feedback.denoise", "rime", "--feedback.rime.alpha", "0.7"]
    config, _ = parse(script_flags, words)
    assert config.settings.feedback.label_filter.alpha == 0.7

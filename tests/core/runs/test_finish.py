"""What is said at the end of a run, and of steps that are not finite."""

import json

import pytest

import core_jax
from core_jax.runs import finish, metrics
from core_jax.visual import episodes


def test_steps_that_are_not_finite_are_reported_once():
    events: list[str] = []
    assert not finish.report_broken({"nonfinite": [0.0], "refused_rewards": [0.0]}, events, False)
    assert events == []
    row = {"nonfinite": [1000.0, 0.0], "refused_rewards": [3.0, 2.0]}
    assert finish.report_broken(row, events, False)
    assert len(events) == 1 and events[0].startswith("1,000 steps of worlds and 5 rewards were not")
    assert finish.report_broken(row, events, True) and len(events) == 1
    assert finish.report_broken({}, events, True)


@pytest.mark.parametrize(("method", "labels", "said"), [
    ("pebble", 0, True), ("pebble", 20, False), ("env_dense", None, False),
])  # fmt: skip
def test_a_run_that_asks_for_no_labels_says_so(method, labels, said):
    line = finish.unasked(core_jax.make_config(method=method, steps=2_000), labels)
    assert bool(line) == said
    if line:
        assert "the first round comes after 2,000 steps" in line


def test_a_picture_that_cannot_be_drawn_is_a_line(tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise ImportError("no canvas")

    monkeypatch.setattr(metrics, "plot_curve", fails)
    monkeypatch.setattr(episodes, "from_record", lambda *_: None)
    monkeypatch.setattr(episodes, "contact_sheet", lambda *args: args[3].write_bytes(b"drawn"))
    (tmp_path / "summary.json").write_text(json.dumps({"success": [1.0]}))
    (tmp_path / "metrics.jsonl").write_text("")
    notes: list[str] = []
    finish.draw(core_jax.make_config(), None, None, {}, tmp_path, notes.append)
    assert notes == ["curve.png was not drawn: ImportError: no canvas"]
    assert (tmp_path / "episode.png").read_bytes() == b"drawn"

"""PrefVLM: pairs labelled by an image-text model, an oracle for uncertain ones, resuming."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from core_jax import envs
from core_jax.feedback.labels import LabelStore
from core_jax.methods.prefvlm import algorithm
from core_jax.reward_models import denoise
from core_jax.runs.checks import check
from core_jax.runs.flags import parse
from core_jax.runs.loop import run
from core_jax.runs.presets import make_config

pytestmark = pytest.mark.usefixtures("undrawn")

RANDOM = str(Path(__file__).parents[3] / "data" / "clip")  # random weights
SMALL = {
    "task": "point_world:Point", "method": "prefvlm", "seeds": 2, "steps": 1_000, "envs": 10,
    "rollout": 5, "updates": 2, "chunk": 100, "random_steps": 100, "unsupervised_steps": 300,
    "eval_every": 1_000, "eval_episodes": 1, "final_episodes": 1, "checkpoint_every": 600,
    "sac": {"hidden": [16, 16], "batch_size": 16}, "clip": {"weights": RANDOM},
    "reward": {"hidden": [16], "epochs": 2, "clip_frames": 4, "batch_size": 16},
    "prefvlm": {"pairs_per_round": 12, "round_every": 200, "clip_length": 20, "critic_updates": 2},
}  # fmt: skip
WITH_ORACLE = {
    **SMALL, "oracle": True, "scripted": {"kind": "oracle", "judge": "progress"},
    "prefvlm": {**SMALL["prefvlm"], "oracle_per_round": 4, "oracle_labels": 6},
    "adapter": {"batches": 3, "transitions": 8, "hidden": 8, "out": 4},
}  # fmt: skip


@dataclasses.dataclass
class Own:
    """A script without flags of its own."""


def finished(values, out):
    """The rows of a run and its summary."""
    rows = []
    summary = run(check(make_config(**values)), out, quiet=True, on_row=rows.append)
    return rows, summary


@pytest.mark.slow
def test_without_an_oracle_the_models_labels_alone_make_the_reward(tmp_path):
    rows, summary = finished(SMALL, tmp_path / "run")
    assert [row["phase"] for row in rows] == ["state entropy"] * 3 + ["learned reward"] * 7
    assert [row["pairs"] for row in rows] == [0, 0, 0, 12, 12, 24, 24, 36, 36, 48]
    np.testing.assert_allclose(rows[-1]["reward"], rows[-1]["rewards"]["preference"], atol=1e-5)
    first = rows[3]["triage"]
    assert first["clean"] == [1.0, 1.0]  # RIME trusts everything at first
    assert first["label_accuracy"] == first["used_accuracy"]
    assert summary["labels"] == 0 and summary["pairs"] == 48 and summary["embedding"] == "clip"


@pytest.mark.long
def test_an_oracle_is_asked_about_uncertain_pairs_up_to_its_budget(tmp_path, monkeypatch):
    uncertain_after_the_first(monkeypatch)
    rows, summary = finished(WITH_ORACLE, tmp_path / "run")
    assert [row["labels"] for row in rows] == [0, 0, 0, 0, 0, 4, 4, 6, 6, 6]
    assert "adapter_preference_loss" in rows[5] and "adapter_preference_loss" not in rows[3]
    store = LabelStore(tmp_path / "run" / "labels.sqlite")
    asked = [one.question for one in store.questions()]
    store.close()
    assert len(asked) == 12 and {q.round for q in asked} == {1, 2}
    assert summary["labels"] == 6
    # Of 48 pairs 12 are of the first round: the others are used only if the oracle answered.
    assert rows[-1]["triage"]["uncertain"] == [1.0, 1.0]


@pytest.mark.long
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, monkeypatch):
    uncertain_after_the_first(monkeypatch)
    whole, _ = finished({**WITH_ORACLE, "checkpoint_every": 600}, tmp_path / "whole")
    config = check(make_config(**WITH_ORACLE))

    class Killed(Exception):
        pass

    def kill(row):
        if row["env_steps"] == 700:
            raise Killed

    with pytest.raises(Killed):
        run(config, tmp_path / "parts", quiet=True, on_row=kill)
    rows = []
    run(config, tmp_path / "parts", quiet=True, resume=True, on_row=rows.append)
    for one, other in zip(whole[-len(rows) :], rows, strict=True):
        for name in ("reward", "fit_loss", "adapter_inverse_loss", "triage", "labels"):
            assert one.get(name) == other.get(name), name


def uncertain_after_the_first(monkeypatch):
    """Makes RIME's filter doubt every label after its first pass."""

    def doubting(config, trust, p_second, target, labelled):
        found = denoise.rime(config, trust, p_second, target, labelled)
        verdict = found.verdict * 0 + (trust.passes > 0) * denoise.UNCERTAIN
        return found._replace(verdict=verdict)

    monkeypatch.setattr(algorithm, "rime", doubting)


@pytest.mark.parametrize("task", sorted({*envs.names()} - {*envs.names("tabletop")}))
@pytest.mark.parametrize("oracle", [False, True])
def test_its_presets_can_be_run_on_every_task(task, oracle):
    config = check(make_config(task=task, method="prefvlm", oracle=oracle))
    settings = config.settings
    assert settings.first_round(config.training) < config.training.steps
    assert config.asks_teacher == oracle


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"random_steps \+ unsupervised_steps \(2000\) must be"):
        check(make_config(method="prefvlm", unsupervised_steps=1_000))
    with pytest.raises(ValueError, match=r"clip_length \(505\) must be at most 500, an episode"):
        check(
            make_config(
                method="prefvlm", prefvlm={"clip_length": 505}, unsupervised_steps=110_000,
                reward={"clip_frames": 5},
            )
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"clip.every \(3\) must divide prefvlm.clip_length \(50"):
        check(make_config(method="prefvlm", clip={"every": 3}))


def test_flags_of_the_oracle_are_refused_without_one():
    for flag in ("--prefvlm.oracle-per-round", "--adapter.batches", "--scripted.kind"):
        value = "oracle" if "kind" in flag else "3"
        with pytest.raises(ValueError, match="has no effect in this run"):
            parse(Own, ["--method", "prefvlm", flag, value])
    config, _ = parse(Own, ["--method", "prefvlm", "--oracle", "--scripted.kind", "oracle"])
    assert config.settings.oracle and config.teacher_settings.kind == "oracle"

"""Short trainings of candidate rewards: which are long enough, what they are judged by, and that
each is trained once."""

import numpy as np
import pytest

from core_jax.methods.core.parts import COLUMN
from core_jax.methods.trials import Trial, Trials, best_stretch, check_trial, trial_steps
from core_jax.training.config import TrainingConfig
from core_jax.writing.writer import Candidate, reward_compiler


@pytest.mark.parametrize(
    ("fraction", "steps", "expected"),
    [(0.1, 120_000, 12_000), (0.375, 2_000, 1_000), (0.1, 1_000, 1_000), (1.0, 5_000, 5_000)],
)
def test_a_trial_is_a_part_of_the_run_in_whole_chunks(fraction, steps, expected):
    """At least one chunk; 750 of 1,000-step chunks is rounded to one."""
    assert trial_steps(fraction, TrainingConfig(steps=steps, chunk=1_000)) == expected


def test_a_trial_must_be_longer_than_the_random_steps():
    training = TrainingConfig(steps=20_000, random_steps=4_000)
    check_trial("eureka.trial_fraction", 0.25, training)  # 5,000
    message = r"trial \(4000 steps\).*random_steps \(4000\); raise eureka.trial_fraction or steps"
    with pytest.raises(ValueError, match=message):
        check_trial("eureka.trial_fraction", 0.2, training)


def test_the_best_stretch_is_the_highest_mean_of_any_tenth():
    series = np.zeros(100)
    series[37] = 1.0
    assert best_stretch(series) == pytest.approx(0.1)
    series[30:40] = 0.5
    assert best_stretch(series) == pytest.approx(0.5)
    assert best_stretch([0.1, 0.7, 0.3]) == pytest.approx(0.7)  # fewer than ten: the best value


class Recorded(Trials):
    """Trains nothing: a reward's success is its length. Keeps the groups that it was given."""

    def _train_group(self, jobs):
        self.__dict__.setdefault("groups", []).append([(r.source, s) for r, s in jobs])
        return [Trial(float(len(r.source)), float(s), {"score": [0.0]}) for r, s in jobs]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": {"x": 1}}', b"\xff"])
def test_damaged_results_are_made_again(changed, context_for, compiled, tmp_path, content):
    path, notes = tmp_path / "trials.json", []
    path.write_bytes(content)
    context = context_for(changed(), tmp_path, notes=notes)
    trials = Recorded(context, COLUMN, 1, 750, path)
    assert notes == [f"{path} is damaged: its candidates are trained again"]
    trials.run(compiled("observation[0]"), [0])
    assert len(trials.groups) == 1 and notes[1:] == [
        "training 1 candidates side by side, 750 steps"
    ]
    assert not Recorded(context, COLUMN, 1, 750, path).run(compiled("observation[0]"), [0]) == []


@pytest.fixture
def compiled(drawer, code):
    compile_reward = reward_compiler("core", drawer)
    return lambda *bodies: [compile_reward(code(body)) for body in bodies]


def test_groups_have_one_width_and_nothing_is_trained_twice(
    changed, context_for, compiled, tmp_path
):
    config, path, notes = changed(), tmp_path / "trials.json", []
    rewards = compiled("observation[0]", "1.0 * observation[1]", "observation[2] - 1.0")
    trials = Recorded(context_for(config, tmp_path, notes=notes), COLUMN, 2, 750, path)
    results = trials.run([*rewards, rewards[0]], [0, 0, 0, 0])
    assert results[0] == results[3]  # the same reward and start: one training
    assert [len(group) for group in trials.groups] == [2, 2]
    assert trials.groups[1][0] == trials.groups[1][1]  # the place to spare repeats the last
    assert trials.env_steps == 3 * 750 and len(notes) == 2
    trials.run([rewards[0]], [1])  # the same reward from another start is another training
    assert len(trials.groups) == 3 and trials.env_steps == 4 * 750
    again = Recorded(context_for(config, tmp_path), COLUMN, 2, 750, path)
    assert again.run(rewards[::-1], [0, 0, 0]) == results[2::-1] and not hasattr(again, "groups")


def test_success_of_each_candidate_for_each_seed(changed, context_for, compiled, tmp_path):
    rewards = compiled("observation[0]", "1.0 * observation[1]")
    candidates = [
        Candidate(0, None, "refused"),
        *(Candidate(i + 1, r) for i, r in enumerate(rewards)),
    ]
    trials = Recorded(context_for(changed(), tmp_path), COLUMN, 4, 750, tmp_path / "trials.json")
    scores = trials.success_of(candidates, first_seed=5, seeds=2)
    lengths = [len(r.source) for r in rewards]
    np.testing.assert_array_equal(scores, [[-np.inf, *lengths]] * 2)
    assert [s for _, s in trials.groups[0]] == [5, 5, 6, 6]


@pytest.mark.slow
def test_trials_run_side_by_side_once(changed, point, context_for, code, tmp_path):
    config = changed(task="point_world:Point", seeds=1, formal={"trial_fraction": 0.375})
    steps = trial_steps(config.settings.formal.trial_fraction, config.training)
    assert steps == 750
    compile_reward = reward_compiler("core", point)
    up, down = (compile_reward(code(f"{s}(observation[0] + 2.0)")) for s in "+-")
    path = tmp_path / "trials.json"
    trials = Trials(context_for(config, tmp_path, env=point), COLUMN, 2, steps, path)
    candidates = [Candidate(0, None, "refused"), Candidate(1, up)]
    scores = trials.success_of(candidates, 0, 1)
    assert scores.shape == (1, 2)
    assert scores[0, 0] == -np.inf and np.isfinite(scores[0, 1])
    assert trials.env_steps == 750
    # A second group, of other rewards, runs through the same compiled program.
    first, second = trials.run([up, down], [0, 0])
    assert scores[0, 1] == first.success and first != second
    assert first.statistics.keys() == {"score", "r"} and len(first.statistics["r"]) == 3
    assert np.mean(first.statistics["r"]) > 0 > np.mean(second.statistics["r"])
    names = ("collect", "insert", "learn")
    assert all(trials.train.traces[name] <= 1 for name in names)  # 0: by another test
    # Another process finds both, and trains nothing.
    again = Trials(context_for(config, tmp_path, env=point), COLUMN, 2, steps, path)
    assert again.run([down, up], [0, 0]) == [second, first]
    assert again.train is None

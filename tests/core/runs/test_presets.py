"""Defaults by task, method and learner: the paper's budgets, and what is given wins."""

import pytest

from core_jax import envs, methods
from core_jax.agents import learner as learners
from core_jax.models.chat_config import ChatConfig
from core_jax.runs.checks import check
from core_jax.runs.config import Config
from core_jax.runs.layout import to_dict
from core_jax.runs.presets import applied, defaults, make_config


@pytest.mark.parametrize("task", envs.names())
@pytest.mark.parametrize("given", ["state", "pixels"])
def test_a_tasks_defaults_can_be_run_on_either_input(task, given):
    config = make_config(task=task, residual_input=given, seeds=2)
    assert check(config) is config
    assert config.task == task and config.training.seeds == 2
    assert config == check(make_config(**to_dict(config)))


@pytest.mark.parametrize("task", ["drawer-open", "fold-cloth", "flatten-rope"])
@pytest.mark.parametrize("method", [m for m in methods.names() if m != "code"])
@pytest.mark.parametrize("learner", learners.names())
def test_every_method_with_every_learner_has_defaults_that_can_be_run(task, method, learner):
    if learner == "ppo" and task != "drawer-open":
        pytest.skip("PPO's block is longer than these tasks' budgets")
    check(make_config(task=task, method=method, learner=learner))


@pytest.mark.parametrize("task", envs.names("softgym"))
def test_softgyms_labels_and_steps_are_the_papers(task):
    spec, config = envs.make(task).spec, defaults({"task": task})
    budget, feedback, training = spec.paper_budget, config.settings.feedback, config.training
    assert feedback.labels == budget.labels
    assert feedback.labels_per_round == budget.labels_per_round
    assert feedback.round_every == budget.round_every
    assert feedback.first_round == budget.first_round
    assert feedback.clip_length == budget.clip_length
    assert feedback.frames_shown == budget.frames_shown
    # Whole chunks: pass-water's 100,050 steps and its multiples of 24,975 are rounded.
    assert abs(training.steps - budget.env_steps) <= 50
    refine_at = config.settings.formal.refine_at
    off = [a - b for a, b in zip(refine_at, budget.refine_at, strict=True)]
    assert max(map(abs, off)) <= 100
    assert feedback.window == 100 * spec.horizon
    assert training.block == training.updates * (1 if task == "fold-cloth" else 5)


def test_metaworld_has_the_configs_own_defaults():
    tasks = set(envs.names("metaworld")) - {"peg-insert-side"}
    assert all(defaults({"task": task}) == Config(task=task) for task in tasks)
    assert len(tasks) == 6


def test_a_pegs_labels_last_to_the_end_of_its_longer_run():
    config = defaults({"task": "peg-insert-side", "residual_input": "pixels"})
    feedback = config.settings.feedback
    rounds = feedback.labels // feedback.labels_per_round
    assert config.training.steps == 300_000 and config.settings.pixels.shadows
    last = feedback.first_round + rounds * feedback.round_every
    assert 0.9 < last / config.training.steps < 1.0


def test_a_residual_reward_on_pictures_is_fitted_differently():
    state, pixels = (make_config(residual_input=x).settings.residual for x in ("state", "pixels"))
    assert state.clip_frames is None and pixels.clip_frames == 4
    assert not state.shared_batches and pixels.shared_batches
    cloth = make_config(task="fold-cloth", residual_input="pixels")
    assert cloth.settings.residual.clip_frames == cloth.settings.feedback.clip_length == 3
    mine = make_config(residual_input="pixels", residual={"clip_frames": 5})
    assert mine.settings.residual.clip_frames == 5 and mine.settings.residual.batches == 12


def test_many_environments_alone_move_what_must_fit_them():
    config = check(make_config(envs=1024))
    training, feedback = config.training, config.settings.feedback
    assert (training.envs, training.block, training.chunk) == (1024, 5120, 5120)
    assert training.steps == 122_880 and config.eval_every == 10_240
    # Two clips of 20 steps in each of 1024 environments, before the first round.
    assert training.random_steps == 40_960 == feedback.first_round


def test_what_is_given_is_never_moved():
    with pytest.raises(ValueError, match=r"chunk \(1000\) must be a multiple of .* \(5120\)"):
        check(make_config(envs=1024, chunk=1000))
    with pytest.raises(ValueError, match=r"random_steps \(5120\) must be at least 40960"):
        check(make_config(envs=1024, random_steps=5120))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"spice": 1}, "unknown setting 'spice' of a run with method core"),
        ({"sac": {"spice": 1}}, "unknown setting sac.spice; known: hidden"),
        ({"task": "drawer-opne"}, "unknown task 'drawer-opne'. Did you mean 'drawer-open'"),
        ({"eureka": {"iterations": 2}}, "unknown setting 'eureka'"),
        ({"sac": 5}, "sac must be a group of named settings, not 5"),
        ({"feedback": None}, "feedback must be a group of named settings, not None"),
    ],
)
def test_a_name_that_is_not_a_setting_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        make_config(**values)


def test_where_starts_differ_a_small_network_is_updated_more_often():
    config = make_config(task="soccer", protocol="random")
    sac = config.learner_settings
    assert (config.training.updates, sac.hidden, sac.normalise_obs) == (96, (128, 128), True)
    given = make_config(task="soccer", protocol="random", updates=8, sac={"hidden": [16]})
    assert (given.training.updates, given.learner_settings.hidden) == (8, (16,))
    # Not for other learners, nor for tasks that were not measured.
    assert make_config(protocol="random", learner="ppo", method="env_dense").training.updates == 32
    rope = {"task": "flatten-rope", "method": "env_dense"}
    other = make_config(**rope, protocol="random")
    assert other.learner_settings == make_config(**rope).learner_settings


@pytest.mark.parametrize(
    ("task", "episode", "steps"),
    [
        ("dial-turn", 150, 120_000),
        ("sweep-into", 150, 240_000),
        ("soccer", 125, 240_000),
        ("hammer", 150, 300_000),
        ("peg-insert-side", 150, 500_000),
    ],
)
def test_episodes_are_shorter_where_starts_differ_and_things_get_lost(task, episode, steps):
    config = make_config(task=task, protocol="random")
    assert (config.training.episode_steps, config.training.steps) == (episode, steps)
    feedback = config.settings.feedback
    rounds = feedback.labels / feedback.labels_per_round
    assert feedback.first_round + (rounds - 2) * feedback.round_every < config.training.steps
    given = make_config(task=task, protocol="random", episode_steps=None, steps=50_000)
    assert (given.training.episode_steps, given.training.steps) == (None, 50_000)
    for other in ({"task": task}, {"task": "drawer-open", "protocol": "random"}):
        assert make_config(**other).training.episode_steps is None
    dense = make_config(task=task, protocol="random", method="env_dense")
    assert dense.training.episode_steps == episode


def test_where_labels_say_little_for_long_the_residual_reward_earns_its_weight():
    peg = {"task": "peg-insert-side", "protocol": "random"}
    settings = make_config(**peg).settings
    assert settings.weighting == "earned"
    assert settings.formal.refine_at == (100_000, 200_000, 300_000, 400_000)
    assert make_config(**peg, weighting="fixed").settings.weighting == "fixed"
    for other in ({"rrm": False}, {"frm": False}, {"residual_target": "remainder"}):
        config = check(make_config(**peg, **other))  # the preset would have no effect or not fit
        assert config.settings.weighting == "fixed"
    for other in ({"task": "peg-insert-side"}, {"task": "hammer", "protocol": "random"}):
        assert make_config(**other).settings.weighting == "fixed"


def test_where_the_dense_reward_misleads_a_scripted_teacher_compares_progress():
    hammer = {"task": "hammer", "protocol": "random"}
    assert make_config(**hammer).teacher_settings.judge == "progress"
    assert make_config(**hammer, method="pebble").teacher_settings.judge == "progress"
    given = make_config(**hammer, scripted={"judge": "reward"})
    assert given.teacher_settings.judge == "reward"
    for other in ({"task": "hammer"}, {"task": "drawer-open", "protocol": "random"}):
        assert make_config(**other).teacher_settings.judge is None
    assert make_config(**hammer, teacher="vlm").teacher == "vlm"


def test_a_preset_names_settings_of_groups_in_groups_and_passes_over_what_is_not_there():
    config = defaults({"task": "minigrid-unlock", "method": "vlm_car"})
    preset = {"car.verify.steps": 7, "car.verify.nothing": 1, "residual.epochs": 3}
    assert applied(config, preset).settings.car.verify.steps == 7
    assert applied(config, {"car.verify.nothing": 1, "residual.epochs": 3}) == config


def test_random_actions_end_before_a_short_run_does():
    assert make_config(steps=3_000).training.random_steps == 1_000
    assert make_config(steps=120_000).training.random_steps == 4_000
    assert make_config().training.random_steps == 4_000
    with pytest.raises(ValueError, match=r"random_steps \(4000\) must be less .* --random-steps 0"):
        check(make_config(steps=3_000, random_steps=4_000))


def test_groups_are_given_by_name_as_on_the_command_line():
    chat = {"base_url": "http://127.0.0.1:1/v1", "name": "small", "retries": 1}
    config = make_config(model="openai", chat=chat)
    assert config.chat == ChatConfig(**chat)
    assert make_config(model="openai", chat=ChatConfig(**chat)) == config
    with pytest.raises(ValueError, match="unknown setting chat.url"):
        make_config(model="openai", chat={"url": ""})
    with pytest.raises(ValueError, match="unknown setting 'chat' of a run with method core"):
        make_config(chat=chat)  # recorded replies need no address

"""What a config refuses before anything is built."""

import dataclasses
import math
import types
import typing

import numpy as np
import pytest

from core_jax import envs, methods
from core_jax.agents import learner as learners
from core_jax.feedback import teachers
from core_jax.models.chat_config import ChatConfig
from core_jax.runs import fields
from core_jax.runs.checks import check
from core_jax.runs.config import Config
from core_jax.runs.layout import from_dict, places, to_dict
from core_jax.runs.presets import make_config
from core_jax.training.config import TrainingConfig

# Numbers of which less than nothing makes sense, and those that may be 0.
NEGATIVE = {"ScriptedConfig.beta", "ScriptedConfig.order_bias", "SACConfig.target_entropy"}
ZERO = NEGATIVE | {
    "RLVLMFConfig.unsupervised_steps", "PebbleConfig.unsupervised_steps",
    "ERLVLMConfig.unsupervised_steps", "VLMAR3LConfig.unsupervised_steps",
    "PrefVLMConfig.unsupervised_steps", "VLMAR3LConfig.relative_weight",
    "AdapterConfig.inverse_weight", "RimeConfig.alpha", "RimeConfig.first_beta",
    "RimeConfig.last_beta", "PairsConfig.critic_updates", "PairsConfig.max_lag",
    "Config.seed", "Config.randomise", "Config.checkpoint_every", "TrainingConfig.updates",
    "TrainingConfig.random_steps", "SACConfig.temperature_lr", "SACConfig.noise_correlation",
    "PPOConfig.gae_lambda", "PPOConfig.entropy_weight", "PPOConfig.kl_weight", "PixelConfig.shift",
    "PreferenceConfig.importance_weight", "PreferenceConfig.pessimism",
    "FeedbackConfig.first_round", "FeedbackConfig.alpha",
    "FeedbackConfig.critic_updates", "FeedbackConfig.max_lag", "FormalConfig.rollback_margin",
    "ChatConfig.temperature", "ChatConfig.retries", "VLMConfig.min_confidence",
    "ScriptedConfig.mistake", "ScriptedConfig.skip", "ScriptedConfig.equal",
    "ScriptedConfig.resolution", "ScriptedConfig.unsure", "ScriptedConfig.abstain",
    "ScriptedConfig.score_noise", "PPOConfig.value_warm_up", "SACConfig.hindsight",
    "VerifyConfig.tpr_min", "VerifyConfig.fpr_max", "VerifyConfig.quick", "VerifyConfig.early",
    "VerifyConfig.expert_noise", "ScriptedJudgeConfig.noise", "ScriptedJudgeConfig.mistake",
    "ScriptedJudgeConfig.abstain", "ScriptedJudgeConfig.fail", "FormalConfig.weight",
    "BCConfig.weight_decay", "DemosConfig.best", "DemosConfig.worst", "JudgeConfig.weight",
    "JudgeConfig.sparse_weight", "JudgeConfig.dense_weight", "JudgeConfig.abstain_below",
    "JudgeConfig.retries",
}  # fmt: skip


def classes():
    """Every dataclass of settings, nested ones included."""
    found, left = [], [Config, TrainingConfig, ChatConfig]
    left += [methods.get(name).config for name in methods.names()]
    left += [learners.config_class(name) for name in learners.names()]
    left += [c for name in teachers.names() if (c := teachers.config_class(name))]
    while left:
        cls = left.pop()
        if cls not in found:
            found.append(cls)
            kinds = fields.hints(cls).values()
            left += [fields.bare(kind) for kind in kinds if fields.is_group(kind)]
    return found


def number(annotation):
    """`int` or `float` if a field is a number, or may be one."""
    kind = fields.bare(annotation)
    if kind in (int, float):
        return kind
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next((n for one in typing.get_args(kind) if (n := number(one))), None)
    return None


NUMBERS = [
    pytest.param(cls, name, kind, id=f"{cls.__name__}.{name}")
    for cls in classes()
    for name, kind in fields.hints(cls).items()
    if number(kind)
]


def refused(name, value, annotation):
    with pytest.raises(ValueError, match=rf"^{name}\b.* must "):
        fields.check_value(name, value, annotation)


@pytest.mark.parametrize(("cls", "name", "annotation"), NUMBERS)
def test_nonsense_numbers_are_refused(cls, name, annotation):
    place, kind = f"{cls.__name__}.{name}", number(annotation)
    for value in (math.nan, math.inf, -math.inf, "1", "false", True, [1], (1,), {}):
        refused(name, value, annotation)
    if kind is int:
        for value in (1.5, 2**31, 2**63, -(2**31) - 1):
            refused(name, value, annotation)
    if place not in NEGATIVE:
        refused(name, kind(-1), annotation)
    if place not in ZERO:
        refused(name, kind(0), annotation)


def test_there_are_as_many_numbers_as_it_seems():
    assert len(NUMBERS) > 80
    names = {param.id for param in NUMBERS}
    assert ZERO <= names  # none of the exceptions is out of date


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": 2**31}, "seed must be less than 2"),
        ({"seed": 2**31 - 2, "seeds": 3}, "seed .* must be at most 2147483645"),
        ({"wait_for_labels": "false"}, "wait_for_labels must be true or false, not 'false'"),
        ({"frm": 1}, "frm must be true or false, not 1"),
        ({"task": None}, "unknown task None"),
        ({"sac": {"hidden": "16"}}, r"sac.hidden must be tuple\[.*not '16'"),
        ({"sac": {"hidden": [16, 0]}}, r"sac.hidden\[1\] must be at least 1, not 0"),
        ({"formal": {"refine_at": [0.5]}}, r"formal.refine_at\[0\] must be a whole number"),
        ({"formal": {"select": "best"}}, "formal.select must be one of label_agreement, gt_score"),
        ({"feedback": {"pairs": None}}, "feedback.pairs must be one of"),
        ({"max_cost": math.nan}, "max_cost must be a finite number, not nan"),
    ],
)
def test_wrong_types_from_json_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        check(from_dict(to_dict(Config()) | values))


@pytest.mark.parametrize(
    ("fields_", "message"),
    [
        ({"task": "drawer-opne"}, "unknown task 'drawer-opne'. Did you mean 'drawer-open'"),
        ({"method": "env_dens"}, "unknown method 'env_dens'. Did you mean 'env_dense'"),
        ({"protocol": "rand"}, "unknown protocol 'rand'. Did you mean 'random'"),
        ({"teacher": "vlmm"}, "unknown teacher 'vlmm'. Did you mean 'vlm'"),
        ({"learner": "sacc"}, "unknown learner 'sacc'. Did you mean 'sac'"),
        ({"model": "replya"}, "unknown model 'replya'. Did you mean 'replay'"),
        ({"teacher": "vlm"}, "teacher 'vlm' needs"),
    ],
)
def test_an_unknown_choice_is_named(fields_, message):
    with pytest.raises(ValueError, match=message):
        check(dataclasses.replace(Config(), **fields_, settings=None, teacher_settings=None))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chunk": 300}, r"chunk \(300\) must be a multiple of envs \* rollout \(500\)"),
        ({"steps": 1500}, r"steps \(1500\) must be a multiple of chunk \(1000\)"),
        ({"eval_every": 1500}, r"eval_every \(1500\) must be a multiple of chunk \(1000\)"),
        ({"checkpoint_every": 1}, r"checkpoint_every \(1\) must be a multiple of chunk \(1000\)"),
        ({"random_steps": 1000}, r"random_steps \(1000\) must be at least 4000"),
        ({"steps": 4_000, "random_steps": 4_000}, r"random_steps \(4000\) must be less than steps"),
        (
            {"method": "env_dense", "replay": 1},
            r"replay \(1\) must be at least 500: envs \* rollout",
        ),
        ({"method": "env_dense", "envs": 1, "replay": 100}, r"at least 256: sac.batch_size"),
        ({"replay": 3_000}, r"replay \(3000\) must be at least 4000: two clips of all envs"),
        ({"frm": False, "rrm": False}, "no reward left"),
        ({"feedback": {"clip_length": 501}, "random_steps": 101_000}, "must be at most 500"),
        ({"residual_input": "pixels", "pixels": {"every": 2}}, "must divide rollout"),
        ({"residual_input": "pixels", "residual": {"clip_frames": 3}}, "must divide feedback"),
        ({"formal": {"select": "gt_score", "trial_fraction": 0.01}}, "ends before anything is"),
        ({"residual_target": "remainder", "feedback": {"alpha": 0.0}}, "alpha must be above 0"),
        ({"residual_target": "remainder", "weighting": "agreement"}, "judges the residual reward"),
    ],
)
def test_what_does_not_fit_together_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        check(make_config(**values))


def test_the_default_config_is_sound():
    config = check(Config())
    assert config.training.replay_rows * config.training.envs >= config.training.steps
    assert check(config, envs.spec("drawer-open")) is config
    found = {name: place.get(config) for name, place in places(config).items()}
    assert {name for name, value in found.items() if value is None} == {"episode_steps", "stop_at"}


@pytest.mark.parametrize(
    ("value", "annotation", "read"),
    [(np.int64(5), int, 5), ("1e-3", float, 0.001), (3, float, 3.0), ([1, 2], tuple, (1, 2)),
     ("fast", float, "fast")],
)  # fmt: skip
def test_plain_values_become_a_fields(value, annotation, read):
    """YAML reads 1e-3 as text, and sizes are often NumPy's numbers."""
    found = fields.from_plain(value, annotation)
    assert found == read and type(found) is type(read)

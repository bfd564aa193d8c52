"""Every number in the configs of this folder has bounds, and its default lies within them."""

import types
import typing

import annotated_types as at
import pytest

from core_jax.feedback.config import FeedbackConfig
from core_jax.feedback.teachers.scripted_config import PRESETS, Parameters, ScriptedConfig
from core_jax.feedback.teachers.vlm_config import VLMConfig, check_vlm
from core_jax.models.chat_config import ChatConfig

CONFIGS = (FeedbackConfig, ScriptedConfig, VLMConfig)
LOCAL = ChatConfig(name="m", base_url="http://127.0.0.1:1/v1", prices=(0.0, 0.0))


def bounds(config):
    """Bounds of each numeric field, by name; fails for one without any."""
    found = {}
    for name, hint in typing.get_type_hints(config, include_extras=True).items():
        is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        options = typing.get_args(hint) if is_union else (hint,)
        for option in options:
            plain = typing.get_origin(option) is typing.Annotated
            kind = typing.get_args(option)[0] if plain else option
            if kind in (int, float):
                assert plain, f"{config.__name__}.{name} has no bounds"
                found[name] = option.__metadata__
    return found


def within(value, limits):
    checks = {
        at.Ge: lambda limit: value >= limit.ge,
        at.Gt: lambda limit: value > limit.gt,
        at.Le: lambda limit: value <= limit.le,
        at.Lt: lambda limit: value < limit.lt,
    }
    return all(checks[type(limit)](limit) for limit in limits)


@pytest.mark.parametrize("config", CONFIGS)
def test_defaults_lie_within_the_bounds(config):
    limits = bounds(config)
    assert limits
    for name, limit in limits.items():
        value = getattr(config(), name)
        assert value is None or within(value, limit), name


@pytest.mark.parametrize(
    ("config", "name", "value", "valid"),
    [
        (FeedbackConfig, "labels", 0, False),
        (FeedbackConfig, "round_every", 0, False),
        (FeedbackConfig, "clip_length", 0, False),
        (FeedbackConfig, "clip_length", 1, True),
        (FeedbackConfig, "max_lag", -1, False),
        (FeedbackConfig, "alpha", 1.5, False),
        (FeedbackConfig, "max_unanswered_rounds", 0, False),
        (ScriptedConfig, "mistake", float("nan"), False),
        (ScriptedConfig, "gamma", 0.0, False),
        (ScriptedConfig, "resolution", float("inf"), False),
        (ScriptedConfig, "beta", float("-inf"), False),
        (ScriptedConfig, "beta", -1.0, True),
        (VLMConfig, "size", 32, False),
        (VLMConfig, "size", 512, True),
        (VLMConfig, "ratings", 6, False),
        (VLMConfig, "in_flight", 0, False),
        (VLMConfig, "min_confidence", -0.1, False),
    ],
)
def test_bounds(config, name, value, valid):
    assert within(value, bounds(config)[name]) == valid


def test_presets_lie_within_the_bounds():
    limits = bounds(ScriptedConfig)
    for parameters in PRESETS.values():
        for name in set(Parameters._fields) & set(limits):
            assert within(getattr(parameters, name), limits[name]), name


@pytest.mark.parametrize(
    ("fields", "provider", "message"),
    [
        ({"both_orders": True, "question": "rating"}, "openai", "both_orders needs a question"),
        ({"shuffle": True, "question": "rl_vlm_f"}, "openai", "shuffle needs several pictures"),
        ({}, "replay", "teacher 'vlm' needs a model to ask"),
    ],
)
def test_settings_of_a_vlm_that_contradict_each_other(fields, provider, message):
    with pytest.raises(ValueError, match=message):
        check_vlm(VLMConfig(**fields), provider, LOCAL, 1.0)


def test_a_sound_vlm_config_passes():
    check_vlm(VLMConfig(both_orders=True, shuffle=True), "openai", LOCAL, 1.0)

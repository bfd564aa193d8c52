"""The table of learners, and what holds for each of them."""

import dataclasses

import pytest

from core_jax.agents import learner, sac
from core_jax.agents.learner import ActionSpace


@pytest.mark.parametrize("name", learner.names())
def test_make_learner_bundles_what_it_is_given(name):
    config = learner.config_class(name)()
    made = learner.make_learner(name, config, 3, ActionSpace(2))
    assert (made.name, made.obs_size, made.action_space) == (name, 3, ActionSpace(2))
    assert hash(made) == hash(learner.make_learner(name, config, 3, ActionSpace(2)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.obs_size = 4


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no learner named 'td3'; there are sac"):
        learner.make_learner("td3", sac.SACConfig(), 3, ActionSpace(2))


def test_another_learners_config_is_refused():
    with pytest.raises(TypeError, match="learner 'sac' takes a SACConfig, not a dict"):
        learner.make_learner("sac", {}, 3, ActionSpace(2))


@pytest.mark.parametrize("size, discrete", [(0, False), (1, True)])
def test_a_space_without_a_choice_is_refused(size, discrete):
    with pytest.raises(ValueError, match=f"action_space.size is {size}"):
        ActionSpace(size, discrete)


def test_shape_of_an_action():
    assert ActionSpace(4).shape == (4,)
    assert ActionSpace(4, discrete=True).shape == ()

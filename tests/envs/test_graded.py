"""Graded skill: a deficit of 0 is the expert, of 1 the poor one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs import graded
from core_jax.envs.metaworld import experts


def test_deficits_are_the_named_skills():
    for deficit, named in ((1.0, experts.POOR), (0.0, experts.EXPERT)):
        found = dataclasses.asdict(graded.skill(deficit))
        for name in ("noise", "slip", "stop"):
            np.testing.assert_allclose(found[name], getattr(named, name), rtol=1e-6)


def test_a_batch_of_deficits_is_a_batch_of_skills():
    found = graded.skill(jnp.linspace(0.0, graded.WORST, 5))
    assert {x.shape for x in jax.tree.leaves(found)} == {(5,)}
    assert (np.diff(found.noise) > 0).all() and (np.diff(found.slip_length) == 0).all()

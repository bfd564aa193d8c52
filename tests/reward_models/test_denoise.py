"""RIME's filter: equal to its formula written out in NumPy, and its verdicts in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models import denoise
from core_jax.reward_models.denoise import CLEAN, FLIPPED, UNCERTAIN, RimeConfig, first_trust
from core_jax.reward_models.preference import PreferenceConfig, Preferences, make_preference

ROWS = 200
rime = jax.jit(denoise.rime, static_argnums=0)


class Written:
    """The published rule, pass by pass, on NumPy's own types."""

    def __init__(self, alpha=0.5, first=3.0, last=1.0, k=600, tau=0.001):
        self.alpha, self.first, self.last, self.k, self.tau = alpha, first, last, k, tau
        self.x, self.mean, self.var, self.n, self.step = 0.0, 0.0, 1.0, 0, 0

    def __call__(self, p, y):
        given = np.where(y == 1, p, 1 - p)
        d = -np.log(given)
        beta = max(self.last, self.first - (self.first - self.last) / self.k * self.step)
        limit = -np.log(self.x + 1e-8) + self.alpha * self.x + min(beta * self.var, 3.0)
        trusted, flipped = d < limit, d > -np.log(self.tau)
        good = d[trusted]
        self.step += 1
        if len(good):
            gap, total = good.mean() - self.mean, self.n + len(good)
            squares = self.var * self.n + good.var() * len(good)
            self.var = (squares + gap**2 * self.n * len(good) / total) / total
            self.mean += 0.1 * gap
            self.x += 0.1 * (good.max() - self.x)
            self.n = total
        return trusted, flipped, np.where(flipped, 1 - y, y)


@pytest.mark.parametrize("k", [5, 600])
def test_it_is_the_published_rule_on_random_labels(k):
    rng, config = np.random.default_rng(k), RimeConfig(decay_passes=k)
    written, trust, seen = Written(k=k), first_trust(), set()
    for i in range(40):
        logits = rng.normal(0.0, 1.0 + 0.3 * i, ROWS)
        p = 1 / (1 + np.exp(-logits))
        y = (rng.random(ROWS) < np.where(rng.random(ROWS) < 0.2, 1 - p, p)).astype(float)
        trusted, flipped, target = written(p, y)
        rows = np.arange(ROWS + 7) < ROWS  # the rest is not labelled, and must not count
        pad = lambda x: jnp.asarray(np.concatenate([x, np.full(7, 0.9)]), jnp.float32)
        found = rime(config, trust, pad(p), pad(y), jnp.asarray(rows))
        verdict, trust = np.asarray(found.verdict)[:ROWS], found.trust
        np.testing.assert_array_equal(verdict == FLIPPED, flipped)
        np.testing.assert_array_equal(verdict == CLEAN, trusted & ~flipped)
        np.testing.assert_array_equal(found.target[:ROWS], target)
        now = (trust.bound, trust.mean, trust.variance, trust.count, trust.passes)
        expected = (written.x, written.mean, written.var, written.n, written.step)
        np.testing.assert_allclose(now, expected, rtol=1e-4)
        seen |= set(verdict.tolist())
    assert seen == {CLEAN, UNCERTAIN, FLIPPED}


def test_everything_but_the_impossible_is_trusted_at_first():
    p = jnp.array([0.5, 0.01, 0.99, 0.0005])
    found = rime(RimeConfig(), first_trust(), p, jnp.ones(4), jnp.ones(4, bool))
    np.testing.assert_array_equal(found.verdict, [CLEAN, CLEAN, CLEAN, FLIPPED])
    np.testing.assert_array_equal(found.target, [1, 1, 1, 0])


def test_divergence_is_zero_where_the_prediction_is_the_label():
    values = jax.jit(denoise.divergence)(jnp.array([0.5, 0.5, 0.25]), jnp.array([0.5, 1.0, 0.5]))
    expected = [0.0, np.log(2), -np.log(2) - 0.5 * np.log(0.25 * 0.75)]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_an_uncertain_label_keeps_its_side_and_counts_for_nothing():
    trust = first_trust().replace(bound=jnp.float32(1.0), variance=jnp.float32(0.0))
    lower, upper = jax.jit(denoise.thresholds, static_argnums=0)(RimeConfig(), trust)
    np.testing.assert_allclose([lower, upper], [0.5, -np.log(0.001)], rtol=1e-6)
    found = rime(RimeConfig(), trust, jnp.array([0.2]), jnp.ones(1), jnp.ones(1, bool))
    assert int(found.verdict[0]) == UNCERTAIN and float(found.target[0]) == 1.0
    assert float(found.trust.count) == 0 and int(found.trust.passes) == 1
    assert float(found.trust.bound) == 1.0


def noisy_pairs(key, rows, wrong):
    """Clips whose better one has the larger sum of its first feature, some labelled wrongly."""
    frames_key, wrong_key = jax.random.split(key)
    frames = jax.random.normal(frames_key, (2, rows, 20, 3))
    better = frames[1, ..., 0].sum(-1) > frames[0, ..., 0].sum(-1)
    target = better ^ (jax.random.uniform(wrong_key, (rows,)) < wrong)
    none = jnp.zeros((rows, 20))
    return Preferences(frames[0], frames[1], target.astype(jnp.float32), none, none)


def test_a_fit_to_wrong_labels_is_better_with_the_filter():
    labels, held = (
        noisy_pairs(jax.random.key(k), n, p) for k, n, p in ((1, 256, 0.25), (9, 1000, 0.0))
    )
    config = PreferenceConfig(
        hidden=(32,), learning_rate=1e-2, importance_weight=0.0, epochs=60, stop_accuracy=1.0
    )

    def accuracy(keep):
        model = make_preference(config, denoise=keep)

        def one(key):
            state, metrics = model.fit(model.init(key, jnp.zeros(3)), labels, jnp.int32(256), key)
            a, b = (model.predict(state, x).sum(-1) for x in (held.frames_a, held.frames_b))
            return jnp.mean((b > a) == (held.target > 0.5)), metrics

        found, metrics = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 3))
        return float(jnp.mean(found)), metrics

    plain, filtered = accuracy(None), accuracy(RimeConfig())
    # 0.828 and 0.855 when this was written; a quarter of the labels is wrong.
    assert filtered[0] > plain[0] + 0.01
    assert np.all(np.abs(np.asarray(filtered[1]["trusted"]) - 0.77) < 0.08)
    assert set(filtered[1]) - set(plain[1]) == {"trusted", "flipped"}

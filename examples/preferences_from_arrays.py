"""A reward fitted to 100 pairs of clips that are NumPy arrays of your own.

python examples/preferences_from_arrays.py
"""

import jax
import numpy as np

from core_jax.reward_models.preference import PreferenceConfig, Preferences, make_preference

rng = np.random.default_rng(0)
clips = rng.normal(size=(2, 120, 1, 6)) + 0.3 * rng.normal(size=(2, 120, 20, 6))
clips_a, clips_b = clips.astype(np.float32)  # [pair, step, feature]
b_is_better = clips_b[..., 0].sum(axis=1) > clips_a[..., 0].sum(axis=1)  # your labels; 0.5: equal

model = make_preference(PreferenceConfig(learning_rate=1e-3, epochs=30))
state = model.init(jax.random.key(0), clips_a[0, 0])
state = model.standardise(state, np.concatenate([clips_a, clips_b]).reshape(-1, 6))
labels = Preferences(clips_a[:100], clips_b[:100], b_is_better[:100])
state, metrics = model.fit(state, labels, 100, jax.random.key(1))

returns = [model.predict(state, side[100:]).sum(axis=1) for side in (clips_a, clips_b)]
right = np.mean((returns[1] > returns[0]) == b_is_better[100:])
print(f"accuracy {metrics['accuracy']:.2f} on 100 pairs, {right:.2f} on 20 others")

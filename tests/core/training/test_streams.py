"""Random streams: a draw depends on its seed, purpose and index alone, and no two are the same."""

import itertools

import jax
import numpy as np
import pytest

from core_jax.training.streams import Stream, seed_keys, stream_keys

LONGEST = 100_000_000
"""Environment steps of the longest run planned; evaluations are indexed by environment steps."""


def numbers(keys):
    return [tuple(x) for x in np.asarray(jax.random.key_data(keys))]


def test_seed_keys_do_not_depend_on_the_seeds_beside_them():
    assert numbers(seed_keys(3, 4))[2:] == numbers(seed_keys(5, 2))
    assert numbers(seed_keys(7, 1)) == numbers(jax.random.key(7)[None])


def test_stream_keys_do_not_depend_on_the_seeds_beside_them():
    together = stream_keys(3, 4, Stream.FIT, 17)
    assert numbers(together)[2:] == numbers(stream_keys(5, 2, Stream.FIT, 17))


def test_draws_of_different_seeds_purposes_and_indices_differ():
    """For indices below 1,000,000, whichever way an index becomes a key."""
    indices = [0, 1, 2, 4_000, 999_999]
    keys = [k for s, i in itertools.product(Stream, indices)
            for k in numbers(stream_keys(0, 3, s, i))]  # fmt: skip
    assert len(set(keys)) == len(keys) == 3 * len(Stream) * len(indices)


def test_no_stream_is_the_training_itself():
    """Training splits the seed's own key; a stream folds a number in."""
    own = numbers(seed_keys(0, 1)) + numbers(jax.random.split(jax.random.key(0), 5))
    drawn = [k for s in Stream for k in numbers(stream_keys(0, 1, s, 0))]
    assert not set(own) & set(drawn)


def test_streams_do_not_overlap_at_any_index():
    """An evaluation at step 2,000,000 must not share its keys with the trials (3 + 2 = 5 million),
    nor one at 4,000,000 with the final evaluation."""
    evaluations = [stream_keys(0, 1, Stream.EVALUATION, i) for i in (2_000_000, 4_000_000)]
    others = [
        stream_keys(0, 1, Stream.TRIALS, 0),
        stream_keys(0, 1, Stream.FINAL_EVALUATION, 0),
    ]
    drawn = [k for keys in (*evaluations, *others) for k in numbers(keys)]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("stream", list(Stream))
@pytest.mark.parametrize("index", [0, 5, LONGEST])
def test_stream_and_index_are_folded_in_one_by_one(stream, index):
    keys = [
        jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), int(stream)), index)
        for seed in (4, 5)
    ]
    assert numbers(stream_keys(4, 2, stream, index)) == [numbers(k[None])[0] for k in keys]

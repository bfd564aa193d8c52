"""A wall clock that jumps by up to a week at any reading, as one that is set anew does."""

import random
import time

_random, _real, _offset = random.Random(0), time.time, 0.0


def _jumping():
    global _offset
    if _random.random() < 0.2:
        _offset = _random.uniform(-7, 7) * 86_400
    return _real() + _offset


time.time = _jumping
time.time_ns = lambda: int(_jumping() * 1e9)

"""A wall clock that is set to any time within a week, once in some hundred readings."""

import random
import time

_random, _real, _offset = random.Random(0), time.time, 0.0


def _jumping():
    global _offset
    if _random.random() < 0.003:
        _offset = _random.uniform(-7, 7) * 86_400
    return _real() + _offset


time.time = _jumping
time.time_ns = lambda: int(_jumping() * 1e9)

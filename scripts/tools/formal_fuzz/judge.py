"""Whether the compiler did right by a program: refused it with a place, or agrees with NumPy."""

from __future__ import annotations

import ast
import contextlib
import functools
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from core_jax.reward_models.formal import FormalReward, RewardError, compile_reward
from formal_fuzz.divisions import Divisions
from formal_fuzz.programs import Program
from formal_fuzz.reference import under_numpy
from formal_fuzz.rounding import moved
from formal_fuzz.watch import Values, Watch

NEAR = 1e-4  # of 1 and of a value, by which two values may differ
HANGS = 60.0  # seconds


class Hang(BaseException):
    """A program took longer than HANGS."""


@dataclass
class Verdict:
    """What became of a program; outcomes in capitals are failures.

    Attributes:
        outcome: such as "agrees" or "DIFFERS".
        detail: what was found.
        seconds: processor time of compiling it.
    """

    outcome: str
    detail: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the compiler did wrong."""
        return self.outcome.isupper()


def judge(
    program: Program, watch: Watch, values: Values, limit: float = 1.0, xla: bool = False
) -> Verdict:
    """What became of a program.

    Args:
        program: what to compile.
        watch: sees system calls.
        values: keeps what the compiler computes on the sample states.
        limit: processor seconds that compiling may take.
        xla: whether to evaluate the reward by XLA, as it is used, and not by NumPy.
    """
    if unchanged(program):
        return Verdict("unchanged")
    try:
        with alarm():
            values.xla = xla
            return _judged(program, watch, values, limit)
    except Hang:
        return Verdict("HANG", f"more than {HANGS:g} s")
    finally:
        watch.armed = False


def _judged(program: Program, watch: Watch, values: Values, limit: float) -> Verdict:
    for _ in range(2):  # a first time may compile operations that others have not used yet
        watch.seen, watch.armed, start = [], True, time.process_time()
        try:
            reward = compile_reward(program.source, signature=program.signature)
            refused = None
        except RewardError as error:
            reward, refused = None, error
        except Exception:
            return Verdict("CRASH", traceback.format_exc(limit=-4))
        finally:
            watch.armed = False
        seconds = time.process_time() - start
        if seconds < limit and not watch.seen:
            break
    else:
        if watch.seen:
            return Verdict("SYSTEM", "; ".join(watch.seen), seconds)
        return Verdict("SLOW", f"{seconds:.2f} s", seconds)
    if refused is not None or reward is None:
        found = refused.diagnostics if refused is not None else ()
        placed = found and all(d.line >= 1 and d.column >= 1 and d.message for d in found)
        return Verdict("refused" if placed else "NO PLACE", str(refused), seconds)
    outcome, detail = compared(program, reward, values)
    if values.xla and not outcome.isupper():
        outcome, detail = compared_with_jit(reward, values) or (outcome, detail)
    return Verdict(outcome, detail, seconds)


def compared(program: Program, reward: FormalReward, values: Values) -> tuple[str, str]:
    """How the values that the compiler computed compare with NumPy's."""
    batch, found = values.states(), computed(reward, values.result)
    try:
        expected = under_numpy(program, reward, batch)
    except ImportError:
        return "a module that is not here", ""
    except Exception as error:
        return "ACCEPTED", f"though NumPy refuses: {error!r}"
    wrong = ~same(found, expected)
    wrong &= ~np.reshape(values.beyond, (-1, 1))  # the reward is NaN there, as documented
    # Where Python raises, training counts a reward that is not finite, whatever its components.
    wrong &= ~(raised(expected) & ~np.isfinite(found[:, :1]))
    if not wrong.any():
        return "agrees", ""
    with np.errstate(all="ignore"):
        try:
            single = under_numpy(program, reward, batch, np.float32)
        except Exception:  # a number has fewer methods than Python's
            single = expected
        wrong &= ~(same(found, single) & ~raised(single))
        if wrong.any():
            wrong &= ~(divides_by_zero(program, reward, batch) & ~np.isfinite(found[:, :1]))
        if not wrong.any():
            return "agrees in float32", ""  # -1.5 + 1e-9 > -1.5 is false, and exp(-100) is zero
        others = [single, *(disturbed(program, reward, batch, seed) for seed in range(24))]
        moved = np.max([np.nan_to_num(np.abs(other - expected)) for other in others], axis=0)
        shaky = moved > 0.01 * np.abs(found - expected)
        shaky |= np.any([np.isfinite(other) != np.isfinite(expected) for other in others], axis=0)
    wrong &= ~shaky
    if not wrong.any():
        return "on a step", ""  # the last bit of an input decides, under NumPy as well
    if np.any(wrong & raised(expected)):
        return "ACCEPTED", f"{found[wrong][:3]} though Python raises"
    return "DIFFERS", f"{found[wrong][:3]} instead of {expected[wrong][:3]}"


def divides_by_zero(program: Program, reward: FormalReward, batch: list[np.ndarray]) -> np.ndarray:
    """The states on which Python divides by what float32 holds as zero, [state, 1]."""
    divisions = Divisions()
    before = raised(under_numpy(program, reward, batch, divisions=divisions))
    divisions.enforced = True
    try:
        return raised(under_numpy(program, reward, batch, np.float32, divisions=divisions))
    except Exception:  # on all states, or as a number has fewer methods than Python's
        return before


def disturbed(
    program: Program, reward: FormalReward, batch: list[np.ndarray], seed: int
) -> np.ndarray:
    """NumPy's values with inputs and what rounding decides moved by a millionth; in two of three
    cases constants, too, up and down by turns, by which equal ones are no longer equal. Each time
    by another part of a millionth: the remainder of a large number by 0.3 may be anything."""
    with moved(seed):
        scale = (0.0, 1e-6, -1e-6)[seed % 3] / (1 + seed // 3)
        return under_numpy(program, reward, jittered(batch, seed), scale=scale)


def jittered(batch: list[np.ndarray], seed: int) -> list[np.ndarray]:
    """States with the elements moved by a millionth, up or down at random."""
    generator = np.random.default_rng(seed)
    return [np.float64(x) * (1 + generator.choice([-1e-6, 1e-6], x.shape)) for x in batch]


def same(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Where two values agree; what is not finite is so in both, or too large for float32."""
    with np.errstate(all="ignore"):
        near = np.abs(found - expected) <= NEAR * (1 + np.abs(expected))
    return near | (np.abs(expected) > 1e30) | ~np.isfinite(found) & ~np.isfinite(expected)


def raised(values: np.ndarray) -> np.ndarray:
    """The states on which Python raises, [state, 1]."""
    return np.isnan(values).all(axis=1, keepdims=True)


def computed(reward: FormalReward, result: tuple[Any, dict[str, Any]]) -> np.ndarray:
    """Total and components on each state, [state, 1 + C]."""
    total, parts = jax.device_get(result)
    columns = [total, *(parts[name] for name in reward.component_names)]
    return np.stack(columns, axis=1).astype(np.float64)


def compared_with_jit(reward: FormalReward, values: Values) -> tuple[str, str] | None:
    """What differs when the reward is traced anew and compiled by XLA; None if nothing does."""
    batch = values.states()
    found = computed(reward, jax.jit(jax.vmap(reward))(*batch))
    expected = computed(reward, values.result)
    wrong = ~same(found, expected)
    wrong &= ~np.reshape(values.beyond, (-1, 1))  # the reward is NaN there, as documented
    if wrong.mean() > 0.2:  # a few may lie on a step
        return "JIT DIFFERS", f"{found[wrong][:3]} instead of {expected[wrong][:3]}"
    return None


def unchanged(program: Program) -> bool:
    """Whether a mutant means the very same as the reply that it was made from."""
    if not program.origin:
        return False
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        return ast.dump(ast.parse(program.source)) == dumped(program.origin)
    return False


@functools.cache
def dumped(source: str) -> str:
    """The tree of a reply, as text."""
    return ast.dump(ast.parse(source))


@contextlib.contextmanager
def alarm() -> Iterator[None]:
    """Raises Hang in what takes longer than HANGS."""

    def ring(*_: Any) -> None:
        raise Hang

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)

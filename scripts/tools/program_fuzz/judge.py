"""Whether the compiler did right by an image program: refused with a place, or OpenCV's values."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from formal_fuzz.interpreter import Interpreted
from formal_fuzz.judge import Hang, alarm
from formal_fuzz.watch import Watch

from core_jax.reward_models.programs import Program, RewardError, compile_program
from program_fuzz.reference import Raised, rewards

NEAR = 1e-3
VAGUE = "these values do not fit this operation"


@dataclass
class Verdict:
    """What became of a program; outcomes in capitals are failures."""

    outcome: str
    detail: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the compiler did wrong."""
        return self.outcome.isupper()


def judge(source: str, frames: np.ndarray, watch: Watch, xla: bool = False) -> Verdict:
    """What becomes of a program on an episode.

    Args:
        source: the program.
        frames: [T, H, W, 3] uint8.
        watch: sees system calls.
        xla: whether to run it by XLA, and not by NumPy (`formal_fuzz/interpreter.py`).
    """
    try:
        with alarm():
            return _judged(source, frames, watch, xla)
    except Hang:
        return Verdict("HANG")
    finally:
        watch.armed = False


def _judged(source: str, frames: np.ndarray, watch: Watch, xla: bool) -> Verdict:
    watch.seen, watch.armed, start = [], True, time.process_time()
    try:
        program = compile_program(source, *frames.shape[1:3])
    except RewardError as error:
        watch.armed = False
        placed = error.diagnostics and all(d.line >= 1 and d.message for d in error.diagnostics)
        vague = any(VAGUE in d.message for d in error.diagnostics)
        outcome = ("refused, vaguely" if vague else "refused") if placed else "NO PLACE"
        return Verdict(outcome, str(error), time.process_time() - start)
    except Exception:
        return Verdict("CRASH", traceback.format_exc(limit=-6))
    finally:
        watch.armed = False
    seconds = time.process_time() - start
    seen = [one for one in watch.seen if not _own(one)]
    if seen:
        return Verdict("SYSTEM", "; ".join(seen))
    try:
        found = values(program, frames, xla)
    except Exception:
        return Verdict("CRASH LATER", traceback.format_exc(limit=-6), seconds)
    try:
        wanted = np.array(rewards(source, frames))
    except Raised as error:
        return Verdict("ACCEPTED", f"though Python raises at once: {error}", seconds)
    with np.errstate(all="ignore"):
        same = np.abs(found - wanted) <= NEAR * (1 + np.abs(wanted))
    same |= ~np.isfinite(found) & ~np.isfinite(wanted)
    same |= np.abs(wanted) > 1e12  # a float32 of such numbers is good for nothing
    if same.all():
        return Verdict("agrees", "", seconds)
    return Verdict("DIFFERS", f"{found} instead of {wanted}", seconds)


def _own(event: str) -> bool:
    """What JAX does when it compiles an operation for the first time."""
    settings = event in ("environment XLA_FLAGS", "environment LIBTPU_INIT_ARGS")
    return settings or event.startswith("open ") and "site-packages" in event


def values(program: Program, frames: np.ndarray, xla: bool) -> np.ndarray:
    """[T] the rewards of an episode."""
    if xla:
        step = lambda state, frame: program.step(state, frame)
        run = jax.jit(lambda f: jax.lax.scan(step, program.init(f[0]), f)[1])
        return np.asarray(run(frames), np.float64)
    with np.errstate(all="ignore"):
        begin = Interpreted(jax.make_jaxpr(program.init)(frames[0]))
        state: Any = [np.asarray(leaf) for leaf in begin(frames[0])]
        closed = jax.make_jaxpr(program.step)(tuple(state), frames[0])
        step, found = Interpreted(closed), []
        for frame in frames:
            *state, reward = step(*state, frame)
            found.append(float(reward))
    return np.array(found)

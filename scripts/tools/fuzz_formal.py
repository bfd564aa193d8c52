"""Fuzz the formal reward's compiler with generated and with mutated programs.

    python scripts/tools/fuzz_formal.py --count 100000 --seed 0 --minutes 60 --log fuzz.jsonl

Each program (`fuzz_programs.py`) must be refused with a place, or compile and agree with NumPy,
within a second of processor time, and compiling must not open, start or connect to anything. What
was accepted is run under NumPy: the whitelist has passed it, so it can only compute. To agree is
to have NumPy's values, on some of the states that the compiler itself looks at and on others
farther out, and to be NaN or infinite exactly where Python raises. A program that raises whatever
the state, as by a missing argument, must have been refused. Programs come in blocks, each with its
own seed; with `--log` a block's outcomes are appended to that file when it is done, with the source
of what failed, and the same command goes on where it stopped.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import json
import math
import os
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fuzz_programs
import jax
import numpy as np
import tyro
from fuzz_programs import Program

from core_jax.reward_models.formal import FormalReward, RewardError, compile_reward
from core_jax.reward_models.formal import reward as library
from core_jax.reward_models.formal.needed import needed
from core_jax.reward_models.formal.values import Namespace

BLOCK = 500
FAR = 3.0
SIZES = (11,), (4,), (3,)
COMPLEX = np.exceptions.ComplexWarning
RUN_TIME = (ArithmeticError, ValueError, AssertionError, RuntimeError, COMPLEX)
TINY, HUGE = (float(x) for x in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
_WATCHED = ("open", "socket.", "subprocess.", "os.", "shutil.", "ctypes.", "urllib.", "exec")
_OWN = tuple(str(Path(path).resolve()) for path in (sys.prefix, sys.base_prefix))


@dataclass(frozen=True)
class Options:
    """Command line.

    Attributes:
        count: programs to try.
        seed: the same seed gives the same programs.
        minutes: stop after this long.
        show: failures to print with their source.
        log: file of what became of each block; blocks that it holds are not tried again.
    """

    count: int = 2_000
    seed: int = 0
    minutes: float = 10.0
    show: int = 5
    log: Path | None = None


def single(function: Any) -> Any:
    """A function of `math` whose result is a float32, as every number of a reward is.

    It raises where the result leaves float32's range, as NumPy does when it is told to.
    """

    @functools.wraps(function)
    def rounded(*args: Any) -> Any:
        value = function(*args)
        if not isinstance(value, float):
            return value
        if value and math.isfinite(value) and not TINY <= abs(value) <= HUGE:
            raise FloatingPointError(f"{value} is beyond float32")
        return np.float32(value)

    return rounded


SINGLE = SimpleNamespace(
    **{k: single(f) if callable(f) else f for k, f in vars(math).items() if k[0] != "_"}
)
SINGLE_BUILTINS = vars(builtins) | {
    "float": np.float32,
    "__import__": lambda name, *rest: SINGLE if name == "math" else __import__(name, *rest),
}


class Single(ast.NodeTransformer):
    """Makes a program's constants float32."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """`0.1` becomes `float(0.1)`, which is one of SINGLE_BUILTINS."""
        if not isinstance(node.value, float):
            return node
        name = ast.Name("float", ast.Load())
        return ast.fix_missing_locations(ast.copy_location(ast.Call(name, [node], []), node))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """A text's formats stay constants."""
        return node


class Watch:
    """Notes what the compiler asks of the system: files, processes, sockets, the environment."""

    def __init__(self) -> None:
        self.armed, self.seen = False, []
        sys.addaudithook(self._audit)
        read = os._Environ.__getitem__

        def watched(environment: Any, key: str) -> str:
            if self.armed:
                self.seen.append(f"environment {key}")
            return read(environment, key)

        os._Environ.__getitem__ = watched

    def _audit(self, event: str, args: tuple) -> None:
        if not self.armed or not event.startswith(_WATCHED):
            return
        if event == "exec":  # a code object of the program itself would be named <...>
            name = getattr(args[0], "co_filename", "")
            if not name.startswith("<") or name.startswith("<frozen"):
                return
        path = str(args[0]) if args else ""
        if event == "open" and (path.startswith(_OWN) or path == os.devnull):
            return  # a library that imports itself lazily; what Python reads on a syntax error
        self.seen.append(f"{event} {path}"[:200])


class Values:
    """Keeps what the compiler computed for its own check on sample states."""

    def __init__(self) -> None:
        self.result: Any = None
        check = library._check_finite

        def kept(source: str, function: ast.FunctionDef, result: Any, covered: set[int]) -> Any:
            self.result = result
            return check(source, function, result, covered)

        library._check_finite = kept


def states() -> list[np.ndarray]:
    """Four of the compiler's sample states, and four thrice as far out, which it does not see."""
    scale = np.float32([1, 1, 1, 1, FAR, FAR, FAR, FAR])[:, None]
    return [part[1:9] * scale for part in library._sample_states(SIZES)]


def plain(value: Any) -> Any:
    """What `self` stands for, under NumPy; arrays that the program may write into."""
    if isinstance(value, Namespace):
        return SimpleNamespace(**{name: plain(part) for name, part in value.names.items()})
    return value.copy() if isinstance(value, np.ndarray) else value


def under_numpy(
    program: Program, reward: FormalReward, batch: list[np.ndarray], dtype: type = np.float64
) -> np.ndarray:
    """Total and the reward's components of each state, from arrays of `dtype`: [state, 1 + C].

    With float32, constants, `math` and `float` are float32 as well, so that no number is wider. A
    row is NaN where Python raises, and with float32 where a number is too large or small for it.

    Raises:
        Exception: what Python raises on all states, if no number can be the cause.
    """
    rows, errors = [], []
    function = program.signature.find(program.source, reward.tree)
    beyond = "raise" if dtype is np.float32 else "ignore"
    ignore = np.errstate(all="ignore", over=beyond, under=beyond)
    with ignore, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", COMPLEX)  # a reward is no complex number
        tree = ast.parse(program.source)  # what the function does not need may be anything
        tree = needed(tree, program.signature.find(program.source, tree))
        code = compile(Single().visit(tree) if dtype is np.float32 else tree, "<fuzz>", "exec")
        for state in zip(*batch, strict=True):
            namespace = {"np": np, "math": math, "numpy": np, "print": lambda *a, **k: None}
            if dtype is np.float32:
                namespace |= {"math": SINGLE, "__builtins__": SINGLE_BUILTINS}
            exec(code, namespace)  # accepted by the compiler, so it can only compute
            arrays = tuple(np.array(part, dtype) for part in state)
            args, kwargs = program.signature.bind(function, arrays)
            named = {name: plain(value) for name, value in kwargs.items()}
            try:
                result = namespace[reward.name](*(plain(value) for value in args), **named)
                bare = program.signature.bare and not isinstance(result, tuple | list)
                total, parts = (result, {}) if bare else result
                row = [float(total), *(float(parts[k]) for k in reward.component_names)]
            except Exception as error:
                errors.append(error)
                row = [np.nan] * (1 + len(reward.component_names))
            else:
                assert len(row) == 1 + len(parts), parts  # their order may differ
            rows.append(row)
    if len(errors) == len(rows) and not all(isinstance(e, RUN_TIME) for e in errors):
        raise errors[0]
    return np.array(rows)


def lowered(reward: FormalReward, values: Values, batch: list[np.ndarray]) -> np.ndarray:
    """What the compiled reward gives on `states()`, as `under_numpy` gives it."""
    far = jax.vmap(reward)(*(part[4:] for part in batch))
    near, far = jax.device_get((values.result, far))
    both = zip((near, far), (slice(1, 5), slice(None)), strict=True)
    rows = [np.stack([total, *(parts[name] for name in reward.component_names)], axis=1)[kept]
            for (total, parts), kept in both]  # fmt: skip
    return np.concatenate(rows)


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


def judge(program: Program, watch: Watch, values: Values, limit: float = 1.0) -> tuple[str, str]:
    """What became of a program: (outcome, detail); outcomes in capitals are failures."""
    if unchanged(program):
        return "unchanged", ""
    for _ in range(2):  # a first time may compile operations that others have not used yet
        watch.seen, watch.armed, start = [], True, time.process_time()
        try:
            reward = compile_reward(program.source, signature=program.signature)
            refused = None
        except RewardError as error:
            reward, refused = None, error
        except Exception:
            return "CRASH", traceback.format_exc(limit=-4)
        finally:
            watch.armed = False
        seconds = time.process_time() - start
        if seconds < limit and not watch.seen:
            break
    else:
        return ("SYSTEM", "; ".join(watch.seen)) if watch.seen else ("SLOW", f"{seconds:.2f} s")
    if refused is not None:
        placed = all(d.line >= 1 and d.column >= 1 and d.message for d in refused.diagnostics)
        return ("refused", str(refused)) if placed and refused.diagnostics else ("NO PLACE", "")
    batch = states()
    try:
        expected = under_numpy(program, reward, batch)
    except ImportError:
        return "a module that is not here", ""
    except Exception as error:
        return "ACCEPTED", f"though NumPy refuses: {error!r}"
    found = lowered(reward, values, batch)
    with np.errstate(all="ignore"):
        wrong = ~(np.abs(found - expected) <= 1e-4 * (1 + np.abs(expected)))
        wrong &= np.isfinite(expected) & (np.abs(expected) < 1e6)
        raised = np.isnan(expected).all(axis=1, keepdims=True) & np.isfinite(found)
        if not (wrong | raised).any():
            return "agrees", ""
        moved = [under_numpy(program, reward, [np.float64(x) * f for x in batch])
                 for f in (1 + 1e-6, 1 - 1e-6)]  # fmt: skip
        # -1.5 + 1e-9 > -1.5 is false, and exp(-100) is zero.
        moved.append(under_numpy(program, reward, batch, np.float32))
        shaky = np.max([np.nan_to_num(np.abs(other - expected)) for other in moved], axis=0)
        shaky = shaky > 0.01 * np.abs(found - expected)
    shaky |= np.any([np.isnan(other) != np.isnan(expected) for other in moved], axis=0)
    if np.all(~(wrong | raised) | shaky):
        return "on a step", ""  # the last bit of an input decides, under NumPy as well
    if np.any(raised & ~shaky):
        return "ACCEPTED", f"{found[raised][:3]} though Python raises"
    return "DIFFERS", f"{found[wrong][:3]} instead of {expected[wrong][:3]}"


def blocks(options: Options) -> Iterator[tuple[str, int, Counter]]:
    """Seed, size and earlier outcomes (empty if there are none) of each block."""
    done = {}
    if options.log is not None and options.log.exists():
        rows = map(json.loads, options.log.read_text().splitlines())
        done = {row["seed"]: row for row in rows}
    for start in range(0, options.count, BLOCK):
        seed, size = f"{options.seed}/{start // BLOCK}", min(BLOCK, options.count - start)
        row = done.get(seed, {})
        yield seed, size, Counter(row["outcomes"] if row.get("size") == size else {})


def main(options: Options) -> int:
    """Try the programs; the number of failures."""
    watch, values, replies = Watch(), Values(), fuzz_programs.recorded()
    total, shown, start = Counter(), 0, time.perf_counter()
    for seed, size, outcomes in blocks(options):
        if not outcomes:
            if time.perf_counter() - start > 60 * options.minutes:
                break
            kept, used = [], time.process_time()
            for program in fuzz_programs.programs(seed, size, replies):
                outcome, detail = judge(program, watch, values)
                outcomes[outcome] += 1
                if outcome.isupper():
                    kept.append([outcome, detail, program.signature.kind, program.source])
                    shown += 1
                    if shown <= options.show:
                        print(f"--- {outcome}: {detail}\n{program.source}", flush=True)
            row = {"seed": seed, "size": size, "outcomes": dict(outcomes),
                   "cpu_seconds": round(time.process_time() - used, 1),
                   "kept": kept}  # fmt: skip
            if options.log is not None:
                with options.log.open("a") as log:
                    log.write(json.dumps(row) + "\n")
        total += outcomes
    print(f"{sum(total.values())} programs:", dict(total.most_common()))
    return sum(count for outcome, count in total.items() if outcome.isupper())


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)) > 0)

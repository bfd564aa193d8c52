"""Fuzz the formal reward's compiler with generated and with mutated programs.

    python scripts/tools/fuzz_formal.py --count 100000 --seed 0 --minutes 60 --log fuzz.jsonl

Each program (`formal_fuzz/programs.py`) must be refused with a place, or compile and agree with
NumPy, within a second of processor time, and compiling must not open, start or connect to anything.
What was accepted is run under NumPy: the whitelist has passed it, so it can only compute. To agree
is to have NumPy's values, in float64 or with every number a float32, on some of the states that the
compiler itself looks at and on others farther out, and to be NaN or infinite exactly where Python
raises. A program that raises whatever the state, as by a missing argument, must have been refused.

Programs come in blocks, each with its own seed; with `--log` a block's outcomes are appended to
that file when it is done, with the source of what failed, and the same command continues where it
stopped. Memory is limited, so that Python's own run of a program may fail by it. A process that has
grown beyond `--memory` starts itself again. `--again LOG` tries what failed in a log again, and
nothing else.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import tyro
from formal_fuzz import programs
from formal_fuzz.judge import judge
from formal_fuzz.watch import Values, Watch

BLOCK = 250
XLA_EVERY = 500  # programs, of which one is evaluated by XLA, the others by NumPy
MOST = 16e9  # bytes of address space: a list that a program makes longer for ever ends there


@dataclass(frozen=True)
class Options:
    """Command line.

    Attributes:
        count: programs to try.
        seed: the same seed gives the same programs.
        minutes: stop after this long.
        show: failures to print with their source.
        log: file of what became of each block; blocks that it holds are not tried again.
        memory: GB that the process may have before it starts itself again, if it has a log.
        again: a log whose failures are tried again, instead of new programs.
        only: a text; programs without it are left out, as after a change to one function.
    """

    count: int = 2_000
    seed: int = 0
    minutes: float = 10.0
    show: int = 5
    log: Path | None = None
    memory: float = 2.5
    again: Path | None = None
    only: str = ""


def blocks(options: Options) -> Iterator[tuple[str, int, dict]]:
    """Seed, size and earlier row (empty if there is none) of each block."""
    done = {}
    if options.log is not None and options.log.exists():
        rows = map(json.loads, options.log.read_text().splitlines())
        done = {row["seed"]: row for row in rows}
    for start in range(0, options.count, BLOCK):
        seed, size = f"{options.seed}/{start // BLOCK}", min(BLOCK, options.count - start)
        row = done.get(seed, {})
        yield seed, size, row if row.get("size") == size else {}


def tried(
    seed: str, size: int, replies: list, watch: Watch, values: Values, show: int, only: str
) -> dict:
    """The row of a block: how often each outcome came, what failed, the slowest and largest."""
    outcomes, kept, slowest, largest = Counter(), [], 0.0, 0.0
    used = time.process_time()
    for index, program in enumerate(programs.programs(seed, size, replies)):
        if only not in program.source:
            continue
        before = resident()
        verdict = judge(program, watch, values, xla=index % XLA_EVERY == 0)
        kind = "mutant" if program.origin else "drawn"
        outcomes[verdict.outcome] += 1
        outcomes[f"{kind}, compiled"] += verdict.outcome in ("agrees", "agrees in float32",
                                                             "on a step")  # fmt: skip
        outcomes[kind] += 1
        slowest, largest = max(slowest, verdict.seconds), max(largest, resident() - before)
        if verdict.failed:
            kept.append([verdict.outcome, verdict.detail, program.signature.kind, program.source])
            if len(kept) <= show:
                print(f"--- {verdict.outcome}: {verdict.detail}\n{program.source}", flush=True)
    return {
        "seed": seed,
        "size": size,
        "outcomes": dict(outcomes),
        "cpu_seconds": round(time.process_time() - used, 1),
        "slowest": round(slowest, 2),
        "grown_mb": round(largest * 1e3),
        "peak_gb": round(peak(), 2),
        "kept": kept,
    }


def again(log: Path, replies: list, watch: Watch, values: Values) -> int:
    """Try what failed in a log; the number of programs that still fail, which are printed."""
    signatures = {reply.signature.kind: reply.signature for reply in replies}
    changes, failed = Counter(), 0
    for row in map(json.loads, log.read_text().splitlines()):
        for outcome, _, kind, source in row["kept"]:
            program = programs.Program(source, signatures[kind])
            verdict = judge(program, watch, values)
            changes[f"{outcome} -> {verdict.outcome}"] += 1
            failed += verdict.failed
            if verdict.failed:
                print(f"--- {verdict.outcome}: {verdict.detail}\n{source}", flush=True)
    print(dict(changes.most_common()))
    return failed


def resident() -> float:
    """Memory of the process now, GB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


def peak() -> float:
    """Most memory that the process has had, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main(options: Options) -> int:
    """Try the programs; the number of failures."""
    watch, values, replies = Watch(), Values(), programs.recorded()
    resource.setrlimit(resource.RLIMIT_AS, (int(MOST), resource.RLIM_INFINITY))
    if options.again is not None:
        return again(options.again, replies, watch, values)
    total, start, shown = Counter(), time.perf_counter(), 0
    rows = []
    for seed, size, row in blocks(options):
        if not row:
            spent = (time.perf_counter() - start) / 60
            if spent > options.minutes:
                break
            if options.log is not None and resident() > options.memory:
                jax.clear_caches()
                gc.collect()
                _again(replace(options, minutes=options.minutes - spent))
            row = tried(seed, size, replies, watch, values, options.show - shown, options.only)
            if options.log is not None:
                with options.log.open("a") as log:
                    log.write(json.dumps(row) + "\n")
            shown += len(row["kept"])
        total += Counter(row["outcomes"])
        rows.append(row)
    kinds = {key: total.pop(key, 0) for key in [*total] if key.split(",")[0] in ("drawn", "mutant")}
    print(f"{sum(total.values())} programs:", dict(total.most_common()), kinds)
    print({key: max((row.get(key, 0) for row in rows), default=0)
           for key in ("slowest", "grown_mb", "peak_gb")})  # fmt: skip
    return sum(count for outcome, count in total.items() if outcome.isupper())


def _again(options: Options) -> None:
    """Start the same command in a new process image, which has the memory of none of the blocks."""
    given = [f"--{key}={value}" for key, value in vars(options).items() if value is not None]
    os.execv(sys.executable, [sys.executable, __file__, *given])


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)) > 0)

"""Fuzz the compiler of image programs with generated and with mutated programs.

    python scripts/tools/fuzz_programs.py --count 1000 --seed 0 --minutes 10 --log fuzz.jsonl

Each program must be refused with a place, or give OpenCV's values on an episode of small pictures
(to a thousandth; NaN exactly where Python raises); compiling it must not open, start or connect to
anything. Needs OpenCV. A block's outcomes are appended to the log; blocks in it are not tried
again.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import jax
import numpy as np
import tyro
from formal_fuzz.watch import Watch
from program_fuzz.grammar import drawn
from program_fuzz.judge import judge
from program_fuzz.mutation import mutated

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "data" / "programs"
BLOCK, SIZE, LENGTH = 100, 20, 3
XLA_EVERY = 200


@dataclass(frozen=True)
class Options:
    """Command line.

    Attributes:
        count: programs to try.
        seed: the same seed gives the same programs.
        minutes: stop after this long.
        mutants: share of programs that are changed ones of the corpus.
        show: failures to print with their source.
        log: file of what became of each block.
    """

    count: int = 1_000
    seed: int = 0
    minutes: float = 10.0
    mutants: float = 0.4
    show: int = 5
    log: Path | None = None


def episodes() -> dict[str, np.ndarray]:
    """Small episodes: [E, T, SIZE, SIZE, 3] of each kind."""
    whole = np.load(FOLDER / "frames.npz")
    found = {}
    for name, frames in whole.items():
        chosen = frames[:, [0, 6, 11]].reshape(-1, *frames.shape[2:])
        small = [cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) for one in chosen]
        found[name] = np.stack(small).reshape(len(frames), LENGTH, SIZE, SIZE, 3)
    return found


def tried(options: Options, block: int, corpus: list, frames: dict, watch: Watch) -> dict:
    """The row of a block."""
    rng = random.Random(f"{options.seed}/{block}")
    outcomes, kept, slowest = Counter(), [], 0.0
    for index in range(BLOCK):
        kind, source = rng.choice(corpus)
        if rng.random() < options.mutants:
            source = mutated(source, rng)
        else:
            kind, source = rng.choice(sorted(frames)), drawn(rng)
        episode = frames[kind][rng.randrange(len(frames[kind]))]
        verdict = judge(source, episode, watch, index % XLA_EVERY == XLA_EVERY - 1)
        outcomes[verdict.outcome] += 1
        slowest = max(slowest, verdict.seconds)
        if verdict.failed or verdict.outcome == "refused, vaguely":
            kept.append([verdict.outcome, verdict.detail, kind, source])
    return {
        "seed": f"{options.seed}/{block}",
        "outcomes": dict(outcomes),
        "slowest": round(slowest, 2),
        "kept": kept,
    }


def main(options: Options) -> int:
    """Try the programs; the number of failures."""
    jax.block_until_ready(jax.numpy.zeros(1))  # JAX starts, which looks at the machine
    watch, frames, start = Watch(), episodes(), time.perf_counter()
    corpus = []
    for path in sorted(FOLDER.glob("*.py")):
        first, body = path.read_text().split("\n", 1)
        corpus.append((first.removeprefix("# frames: ").strip(), body))
    done: dict[str, dict] = {}
    if options.log is not None and options.log.exists():
        done = {row["seed"]: row for row in map(json.loads, options.log.read_text().splitlines())}
    total, shown = Counter(), 0
    for block in range(-(-options.count // BLOCK)):
        row = done.get(f"{options.seed}/{block}")
        if row is None:
            if time.perf_counter() - start > 60 * options.minutes:
                break
            row = tried(options, block, corpus, frames, watch)
            if options.log is not None:
                with options.log.open("a") as log:
                    log.write(json.dumps(row) + "\n")
            jax.clear_caches()
            gc.collect()
            for outcome, detail, _, source in row["kept"]:
                if outcome.isupper() and shown < options.show:
                    print(f"--- {outcome}: {detail}\n{source}", flush=True)
                    shown += 1
        total += Counter(row["outcomes"])
    print(f"{sum(total.values())} programs:", dict(total.most_common()), flush=True)
    return sum(count for outcome, count in total.items() if outcome.isupper())


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)) > 0)

"""What is seen of the compiler while it runs: system calls, and the values of its own check."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from core_jax.reward_models.formal import reward as library
from formal_fuzz.interpreter import on_batch

SIZES = (11,), (4,), (3,)
OWN = 5  # of the compiler's own sample states, the first of which is zeros, are tried
OWN_LIMITS = (
    "a whole number beyond",
    "an order of NaN",
    "np.piecewise of what may be",
)  # NaN here, and not in Python
_WATCHED = ("open", "socket.", "subprocess.", "os.", "shutil.", "ctypes.", "urllib.", "exec")
_FOLDERS = (Path(library.__file__).parents[2], Path(library.__file__).resolve().parents[2])
_SOURCES = tuple(str(path) for path in _FOLDERS)
_OWN_FILES = tuple(str(Path(path).resolve()) for path in (sys.prefix, sys.base_prefix))


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
        if event == "open" and (path.startswith(_OWN_FILES) or path == os.devnull):
            return  # a library that imports itself lazily; what Python reads on a syntax error
        if event == "open" and path.endswith(".py") and path.startswith(_SOURCES):
            return  # JAX lists the lines of the stack when a RecursionError passes it
        self.seen.append(f"{event} {path}"[:200])


class Values:
    """Lets the compiler's check on sample states run on more of them, and keeps their values.

    The states that are added lie at the end, and no program is refused for them. Unless `xla` is
    set, the check runs with NumPy (`interpreter.py`), which takes a tenth of the time.
    """

    def __init__(self) -> None:
        self.result: Any = None
        self.beyond = np.zeros((), bool)  # the states on which one of OWN_LIMITS is left
        self.xla = False
        names = "check_finite", "check_raised", "sample_states", "_on_batch"
        self.own = {name: getattr(library, name) for name in names}
        library.check_finite, library.check_raised = self._finite, self._raised
        library.sample_states, library._on_batch = self.states, self._on_batch

    def restore(self) -> None:
        """Let the compiler work as it does without a fuzzer."""
        for name, function in self.own.items():
            setattr(library, name, function)

    def _on_batch(self, traced: Any, batch: list[np.ndarray]) -> list[Any]:
        return self.own["_on_batch"](traced, batch) if self.xla else on_batch(traced, batch)

    def _finite(self, source: str, function: ast.FunctionDef, result: Any, covered: set) -> Any:
        total, parts = self.result = result
        own = total[:OWN], {name: part[:OWN] for name, part in parts.items()}
        return self.own["check_finite"](source, function, own, covered)

    def _raised(self, source: str, places: list, conditions: list) -> Any:
        beyond = [np.asarray(condition) for place, condition in zip(places, conditions, strict=True)
                  if place.message.startswith(OWN_LIMITS)]  # fmt: skip
        self.beyond = np.any(beyond, axis=0) if beyond else np.zeros((), bool)
        return self.own["check_raised"](source, places, [one[:OWN] for one in conditions])

    def states(self, shapes: Any = SIZES, target: Any = None, recorded: Any = ()) -> list:
        """The compiler's sample states and the edges."""
        own = self.own["sample_states"](shapes, target, recorded)
        if recorded or shapes != SIZES:
            return own
        return [np.concatenate([a[:OWN], b]) for a, b in zip(own, edges(), strict=True)]


def edges() -> list[np.ndarray]:
    """States that the compiler does not look at: far out, all equal, on steps, large."""
    generator = np.random.default_rng(1)
    steps = [-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]
    found = []
    for (size,) in SIZES:
        rows = [*(1.5 * generator.standard_normal((3, size))), np.full(size, 0.5),
                np.full(size, -0.5), generator.choice(steps, size),
                100.0 * generator.standard_normal(size)]  # fmt: skip
        found.append(np.float32(rows))
    return found

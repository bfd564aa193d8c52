"""Evaluate several possibilities from one start and join what they gave."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.choices import depends, options
from core_jax.reward_models.formal.errors import PythonError, RewardError, plain_error
from core_jax.reward_models.formal.merge import Merger, Snapshot
from core_jax.reward_models.formal.raising import Raising
from core_jax.reward_models.formal.values import PythonRaises, ValueProblem

FORK = 40  # operations that a traced condition counts for
_OPTION = 6  # and one of several values, where nothing is changed in place
_NOTHING = object()  # the result of a possibility in which Python raises

Side = tuple[Any, Callable[[], Any]]


class Branching(Raising):
    """The part of the evaluator that runs what depends on a traced condition."""

    def at(self, node: ast.AST, function: Callable[[], Any]) -> Any:
        """Run `function`; whatever goes wrong in it is reported at `node`."""
        raise NotImplementedError

    def roots(self, held: bool = True) -> list:
        """All variables of the calls in progress, and values that wait to be used."""
        raise NotImplementedError

    def name_dicts(self) -> list[dict]:
        """Those of the roots that hold local names."""
        raise NotImplementedError

    def fork(
        self,
        node: ast.AST,
        truth: Any,
        yes: Callable[[], Any],
        no: Callable[[], Any],
        join: Callable[[Merger, Any, Any], Any] = lambda merger, a, b: merger.merge(a, b),
    ) -> Any:
        """Evaluate both sides of a traced condition from the same start; the joined value.

        Lists and dicts that a side changes in place are joined in place.
        """
        self.at(node, lambda: self.spend(FORK))
        sides = [(truth, yes), (jnp.logical_not(truth), no)]
        return self.at(node, lambda: self._run(sides, join, False))

    def over(self, value: Any, function: Callable[[Any], Any], pure: bool = False) -> Any:
        """`function` of the value that `value` has, where that depends on the state.

        Args:
            value: a `Choice`, or a list or dict whose size depends on the state.
            function: of one of the values; a list or dict comes as a copy.
            pure: whether `function` changes nothing in place.
        """
        found = options(value)
        self.spend((_OPTION if pure else FORK) * (len(found) - 1))
        sides = [(condition, lambda o=option: self._of(function, o)) for condition, option in found]
        return self._run(sides, lambda merger, a, b: merger.merge(a, b), pure, True)

    @staticmethod
    def _of(function: Callable[[Any], Any], option: Any) -> Any:
        try:
            return function(option)
        except RewardError as error:
            if option is None and not isinstance(error, PythonError):
                raise PythonError(error.diagnostics) from None
            raise
        except (PythonRaises, RecursionError):
            raise
        except ValueProblem as problem:
            if option is None:  # Python has no operation of None that is not here
                raise PythonRaises(problem.message, problem.hint) from None
            raise
        except Exception as error:  # NumPy and JAX refuse shapes and types in many ways
            message, python = plain_error(error)
            sure = python or option is None
            raise (PythonRaises if sure else ValueProblem)(message) from None

    def lifted(self, function: Callable[..., Any], *operands: Any, pure: bool = True) -> Any:
        """`function(*operands)`, for each of the values that an operand may have."""
        for index, operand in enumerate(operands):
            if depends(operand):

                def chosen(option: Any, index: int = index) -> Any:
                    others = (*operands[:index], option, *operands[index + 1 :])
                    return self.lifted(function, *others, pure=pure)

                return self.over(operand, chosen, pure)
        return function(*operands)

    def _run(
        self,
        sides: list[Side],
        join: Callable[[Merger, Any, Any], Any],
        pure: bool,
        may_raise: bool = False,
    ) -> Any:
        names = self.name_dicts()
        snapshot, outer = Snapshot(self.roots(), names), self.active
        runs: list[tuple[Any, Any, list]] = []
        problem: Exception | None = None
        for condition, run in sides:
            self.active = condition if outer is None else jnp.logical_and(outer, condition)
            try:
                result = run()
            except (PythonRaises, PythonError) as error:
                if not may_raise:
                    raise
                problem, result = problem or error, _NOTHING
                if not pure:
                    snapshot.restore()
                self.raises(jnp.asarray(True), *_told(error))
            finally:
                self.active = outer
            if result is not _NOTHING:
                runs.append((condition, result, [] if pure else snapshot.contents()))
            if not pure:
                snapshot.restore()
        if not runs:
            assert problem is not None
            raise problem
        _, result, contents = runs[-1]
        for condition, other, changed in reversed(runs[:-1]):
            merger = Merger(condition, self.memory, snapshot.old)
            if not pure:
                contents = snapshot.merged(merger, changed, contents)
            result = join(merger, other, result)
        if not pure:
            snapshot.restore(contents)
        return result


def _told(error: Any) -> tuple[str, str]:
    if isinstance(error, PythonError):
        return error.diagnostics[0].message, error.diagnostics[0].hint
    return error.message, error.hint

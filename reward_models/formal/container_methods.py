"""Methods of lists and dicts, and reductions of `x[mask]`, whose sizes may depend on the state."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal import indexing, safe_math
from core_jax.reward_models.formal.builtins_table import BUILTINS, to_dict
from core_jax.reward_models.formal.choices import Masked, content_of, depends
from core_jax.reward_models.formal.iterables import Lazy
from core_jax.reward_models.formal.subscripts import Subscripts
from core_jax.reward_models.formal.values import (
    BoundMethod,
    Primitive,
    PythonRaises,
    ValueProblem,
    holds_traced,
    is_number,
    is_traced,
)

ELEMENTWISE = frozenset(
    "abs absolute fabs exp square sqrt tanh sin cos sign floor ceil negative log log1p".split()
)


class ContainerMethods(Subscripts):
    """The part of the evaluator that calls methods of lists and dicts."""

    def _container_method(self, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
        """A method of a list or dict."""
        if name == "append" and len(args) == 1 and not kwargs:
            return self.extended(owner, args[0])
        if name == "extend" and len(args) == 1:
            return self.extend(owner, args[0])
        if name == "update" and args and not isinstance(args[0], dict):
            if depends(args[0]):
                again = lambda one: self._container_method(owner, name, (one,), kwargs)
                return self.over(args[0], again)
            if isinstance(args[0], Lazy):  # each pair is made when the ones before it are there
                return self._update_by(owner, args[0], kwargs)
            args = (to_dict(self, *args),)
        if name != "update" and args and depends(args[0]):
            again = lambda one: self._container_method(owner, name, (one, *args[1:]), kwargs)
            return self.over(args[0], again)
        if isinstance(owner, dict):
            if name == "get" and args and is_traced(args[0]):
                return self._get_traced(owner, *args)
            if holds_traced(args[:1]) and name != "update":
                raise ValueProblem(f".{name}() needs a constant here")
            return self.dict_method(owner, name, args, kwargs)
        if content_of(owner) is not None and name != "copy":
            return self.in_place(owner, lambda: self._container_method(owner, name, args, kwargs))
        return self.list_method(owner, name, args, kwargs)

    def _update_by(self, owner: dict, pairs: Lazy, named: dict) -> None:
        """`owner.update(pairs, **named)` of an iterator."""
        pairs.use()
        for index in range(pairs.count):
            self.set_item(owner, *self.items(pairs.at(index)))
        pairs.end()
        self.update(owner, named)

    def _get_traced(self, owner: dict, key: Any, default: Any = None) -> Any:
        result = default
        for name, value in owner.items():
            if is_number(name):
                result = self.merged(key == name, value, result)
        return result

    def list_method(self, owner: list, name: str, args: tuple, kwargs: dict) -> Any:
        """A method of a list whose length is known."""
        if name in ("index", "count", "remove"):
            return self._found_in(owner, name, *args)
        if name == "sort":
            made = BUILTINS["sorted"].call(self, (list(owner), *args), kwargs)
            owner[:] = made
            return None
        if name in ("pop", "insert") and args and isinstance(args[0], bool):
            indexing.read(owner, args[0])  # is refused: it may be Python's or NumPy's
        if name in ("pop", "insert") and is_traced(args[0] if args else None):
            return self._at_traced_place(owner, name, *args)
        try:
            return getattr(owner, name)(*args, **kwargs)
        except IndexError as error:
            raise PythonRaises(f"list.{name}: {error}", "test its length first") from None

    def _at_traced_place(self, owner: list, name: str, place: Any, item: Any = None) -> Any:
        """`owner.insert(place, item)` or `owner.pop(place)` of a place that the state decides."""
        place = self.as_index(place)
        size, old = len(owner), list(owner)
        start = jnp.where(place < 0, place + size, place)
        self.spend(8 * size)
        if name == "pop":
            outside = (start < 0) | (start >= size)
            self.raises(outside, f"an index is out of range for {size} items")
            gone = self.item(old, place)
            owner[:] = [self.merged(start <= i, old[i + 1], old[i]) for i in range(size - 1)]
            return gone
        start = jnp.clip(start, 0, size)
        owner[:] = []
        for index in range(size + 1):
            shifted = old[index - 1] if index else item
            kept = old[index] if index < size else item
            later = self.merged(start < index, shifted, kept)
            owner.append(self.merged(start == index, item, later))
        return None

    def _found_in(self, owner: list | tuple, name: str, item: Any) -> Any:
        """`owner.index(item)`, `owner.count(item)` or `owner.remove(item)`."""
        truths = [self.truth(self.compare("Eq", one, item)) for one in owner]
        if name == "count":
            result: Any = 0
            for truth in truths:
                one = truth.astype(jnp.int32) if is_traced(truth) else int(truth)
                result = result + one
            return self.memory.kinds.as_python(result)
        if not holds_traced(truths):
            if True not in truths:
                raise PythonRaises("the value is not in the list", "test with `in` first")
            if name == "index":
                return truths.index(True)
            del owner[truths.index(True)]  # type: ignore[union-attr]
            return None
        there = jnp.stack([jnp.asarray(truth) for truth in truths])
        hint = "test with `in` first"
        self.raises(jnp.logical_not(jnp.any(there)), "the value is not in the list", hint)
        place = jnp.argmax(there).astype(jnp.int32)
        if name == "index":
            return self.memory.kinds.as_python(place)
        assert isinstance(owner, list)
        for index in range(len(owner) - 1):
            owner[index] = self.merged(place <= index, owner[index + 1], owner[index])
        owner.pop()
        return None

    def masked_call(self, function: Primitive, args: tuple, kwargs: dict) -> Any:
        """A reduction or elementwise function of `x[mask]` by where; None if it is neither."""
        masked = args[0]
        if len(args) > 1 or kwargs or masked.array.ndim != 1:
            return None
        array, mask, count, name = masked.array, masked.mask, masked.count, function.name
        kinds = self.memory.kinds
        if name in ("len", "size"):
            return kinds.as_python(count)
        if name in ELEMENTWISE:
            return Masked(function.call(self, (array,), {}), mask)
        if name == "sum":
            filled = jnp.where(mask, array, jnp.zeros((), array.dtype))
            result = jnp.sum(filled)
            self.spend(4)
            return result
        if name == "mean":
            self.spend(6)
            total = jnp.sum(jnp.where(mask, array, 0).astype(jnp.float32))
            return safe_math.divide(total, count.astype(jnp.float32))
        if name in ("max", "min", "amax", "amin") and jnp.issubdtype(array.dtype, jnp.floating):
            hint = "test first: `if mask.any():`"
            self.raises(count == 0, "the maximum or minimum of an empty array", hint)
            least = name in ("max", "amax")
            filled = jnp.where(mask, array, -jnp.inf if least else jnp.inf)
            result = jnp.max(filled) if least else jnp.min(filled)
            return jnp.where(count == 0, 0.0, result)
        if name in ("any", "all"):
            truth = array.astype(jnp.bool_)
            if name == "any":
                return jnp.any(jnp.logical_and(mask, truth))
            return jnp.all(jnp.logical_or(jnp.logical_not(mask), truth))
        return None

    def masked_attribute(self, owner: Any, name: str) -> Any:
        """An attribute of `x[mask]` that needs no other; None if it does."""
        if not isinstance(owner, Masked):
            return None
        if name == "size" and owner.array.ndim == 1:
            return self.memory.kinds.as_python(owner.count)
        if name == "shape":
            count = self.memory.kinds.as_python(owner.count)
            return (count, *owner.array.shape[1:])
        if name in ("sum", "mean", "max", "min", "any", "all") and owner.array.ndim == 1:
            return BoundMethod(owner, name)
        return None

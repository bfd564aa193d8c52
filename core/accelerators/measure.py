"""Compiles the functions of a training for a device and says what each of them takes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.accelerators import kernels, targets
from core_jax.accelerators.targets import Target
from core_jax.training.train import Train

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A jitted function, and arguments of which only shapes and types are read."""


@dataclasses.dataclass(frozen=True)
class Compiled:
    """One function on one device.

    Attributes:
        name: of the function.
        seconds: that tracing and compiling took on this machine.
        cpu_seconds: of all its cores, without what other programs take.
        counts: kernels, traffic, loops and callbacks of one call.
        arguments: bytes of what it is given.
        held: bytes of the state of training that it is not given, or does not read.
        outputs: bytes of its results that are not in the place of arguments.
        temporaries: bytes that it needs meanwhile.
        flops: floating-point operations, loops without a static trip count once.
        problem: why it does not compile, such as too little memory; "" if it does.
    """

    name: str
    seconds: float
    cpu_seconds: float = 0.0
    counts: kernels.Counts | None = None
    arguments: int = 0
    held: int = 0
    outputs: int = 0
    temporaries: int = 0
    flops: float = 0.0
    problem: str = ""

    @property
    def peak(self) -> int:
        """Bytes on the device during a call."""
        return self.arguments + self.held + self.outputs + self.temporaries


def functions(train: Train) -> dict[str, Call]:
    """The functions that every training calls, by name, each with the shapes of its arguments."""
    count = train.plan.config.seeds
    keys = jax.eval_shape(lambda: jax.vmap(jax.random.key)(jnp.arange(count)))
    seeds = jax.eval_shape(lambda k: train.init(k).seeds, keys)
    is_random, updates = (jax.ShapeDtypeStruct((), x) for x in (jnp.bool_, jnp.int32))
    _, block, extras, *_ = jax.eval_shape(train.collect, seeds, is_random)
    given = {name: block.cut for name in _given(train)}
    calls: dict[str, Call] = {
        "collect": (train.collect, (seeds, is_random)),
        "insert": (train.insert, (seeds, block, given)),
    }
    if train.plan.learner.on_policy:
        _, block, _ = jax.eval_shape(train.insert, seeds, block, given)
        calls["learn"] = (train.learn_on_policy, (seeds, block, extras))
    else:
        calls["learn"] = (train.learn_function, (seeds, updates))
    calls["evaluate"] = (train.evaluate, (seeds, keys))
    for source in train.plan.sources:
        calls[f"rescore_{source.name}"] = (train.rescore_function(source.name), (seeds,))
    return calls


def _given(train: Train) -> tuple[str, ...]:
    """Columns that are scored outside of `insert`: by programs and by the host."""
    own = {name for source in train.plan.sources for name in source.columns}
    return tuple(name for name in train.plan.columns if name not in own)


def compile_all(calls: Mapping[str, Call], target: Target) -> list[Compiled]:
    """Compiles functions for a device, one after another.

    Args:
        calls: made inside `targets.traced_for(target)`.
        target: the device.

    Raises:
        ValueError: the device's compiler is not installed.
    """
    where = targets.sharding(target)
    return [_compile(name, *call, where, target) for name, call in calls.items()]


def with_memory(one: Compiled, compiled: jax.stages.Compiled, arguments: Any) -> Compiled:
    """With the bytes of a call.

    Args:
        one: what is known of the function.
        compiled: the function.
        arguments: of the call, also those that the function does not read.
    """
    memory = compiled.memory_analysis()
    assert memory is not None
    given = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(arguments))
    return dataclasses.replace(
        one,
        arguments=memory.argument_size_in_bytes,
        held=max(0, given - memory.argument_size_in_bytes),
        outputs=max(0, memory.output_size_in_bytes - memory.alias_size_in_bytes),
        temporaries=memory.temp_size_in_bytes,
    )


def _compile(
    name: str, function: Callable, arguments: tuple[Any, ...], where: Any, target: Target
) -> Compiled:
    began, cpu = time.perf_counter(), time.process_time()
    taken = lambda: (time.perf_counter() - began, time.process_time() - cpu)
    try:
        with targets.traced_for(target):
            lowered = function.lower(*targets.with_sharding(arguments, where))
            compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        return Compiled(name, *taken(), problem=str(error).strip().splitlines()[0])
    seconds, cpu_seconds = taken()
    costs = compiled.cost_analysis()
    if costs is None:  # a GPU's compiler keeps them to itself: those of the program before it
        with targets.traced_for(target):
            costs = function.lower(*arguments).cost_analysis() or {}
    found = Compiled(
        name=name,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        counts=kernels.count(compiled.as_text()),
        flops=costs.get("flops", 0.0),
    )
    return with_memory(found, compiled, arguments)

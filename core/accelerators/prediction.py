"""What a training takes on a device, predicted from its compiled functions.

Of three bounds the largest counts: every kernel takes at least its launch, memory is read and
written at its bandwidth, and matrix products run at the peak. Real programs are slower: nothing
overlaps perfectly, a kernel of little work is longer than its launch, and the host's own time
between functions is not counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from core_jax.accelerators.measure import Compiled
from core_jax.accelerators.targets import Target
from core_jax.training.config import TrainingConfig


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One training on one device.

    Attributes:
        peak: most bytes on the device during any of the functions.
        fits: whether they are less than the share of its memory that programs get.
        kernels_per_step: of one vector step; None where `collect` does not compile.
        kernels_per_update: of one update; None where `learn` does not compile.
        loops: loops without a static trip count in `collect` and in updates.
        callbacks: of the host, in any function.
        steps_per_second: environment steps of all seeds; None where a function is missing.
        bound: what limits them: launches, memory or flops.
    """

    peak: int
    fits: bool
    kernels_per_step: float | None
    kernels_per_update: float | None
    loops: int
    callbacks: int
    steps_per_second: float | None
    bound: str


def predict(
    compiled: Sequence[Compiled],
    target: Target,
    config: TrainingConfig,
    on_policy: bool,
) -> Prediction:
    """Predicts a training.

    Args:
        compiled: its functions on the device.
        target: the device.
        config: sizes and schedule.
        on_policy: whether `learn` is one call for a whole block.
    """
    found = {one.name: one for one in compiled if one.counts is not None}
    peak = max((one.peak for one in compiled), default=0)
    collect, insert, learn = (found.get(name) for name in ("collect", "insert", "learn"))
    update = None if learn is None else _update(learn, on_policy)
    bounds, steps = {}, None
    if collect and insert and learn and update:
        times = 1 if on_policy else config.updates
        launches = _launches(collect) + _launches(insert) + times * update[0]
        traffic = _traffic(collect) + _traffic(insert) + times * update[1]
        bounds = {
            "launches": launches * target.launch,
            "memory": traffic / target.bandwidth,
            "flops": (collect.flops + times * learn.flops) / target.flops,
        }
        steps = config.seeds * config.block / max(bounds.values())
    inner = _open_loops(learn)[0 if on_policy else 1 :] if learn else ()
    return Prediction(
        peak=peak,
        fits=peak <= target.usable * target.memory and not any(one.problem for one in compiled),
        kernels_per_step=_launches(collect) / config.rollout if collect else None,
        kernels_per_update=update[0] if update else None,
        loops=len(_open_loops(collect) if collect else ()) + len(inner),
        callbacks=sum(one.counts.callbacks for one in compiled if one.counts),
        steps_per_second=steps,
        bound=max(bounds, key=lambda name: bounds[name]) if bounds else "",
    )


def _update(learn: Compiled, on_policy: bool) -> tuple[int, int]:
    """Kernels and traffic of one update. The number of updates of a burst is an argument of the
    program, so its outermost loop has no static trip count, and one iteration is an update."""
    loops = _open_loops(learn)
    if on_policy or not loops:
        return _launches(learn), _traffic(learn)
    return loops[0].kernels, loops[0].traffic


def _launches(one: Compiled) -> int:
    return one.counts.kernels if one.counts else 0


def _traffic(one: Compiled) -> int:
    return one.counts.traffic if one.counts else 0


def _open_loops(one: Compiled):
    return one.counts.loops if one.counts else ()

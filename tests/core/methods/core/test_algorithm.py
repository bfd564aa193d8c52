"""CoRe's schedule: which triggers a config has, in which order, and when they are due."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core_jax.methods.core.algorithm import CoreRun
from core_jax.methods.core.config import CoreConfig, FormalConfig
from core_jax.methods.core.parts import Phase
from core_jax.methods.triggers import AfterEvaluation, Arrived, Boundary, OnArrival, run_due


def schedule(config, settings=None):
    """A run of CoRe without its parts: enough for its triggers."""
    run = object.__new__(CoreRun)
    run.config = settings or config.settings
    run.context = SimpleNamespace(training=config.training)
    return run


def names(run):
    return [trigger.do.__name__ for trigger in run.triggers]


EVERYTHING = ["observe", "ask_to_choose", "ask", "collect", "choose", "fit", "refine", "judge"]


@pytest.mark.parametrize(
    ("settings", "left_out"),
    [
        (CoreConfig(), []),
        (CoreConfig(rrm=False), ["fit"]),
        (CoreConfig(frm=False), ["observe", "ask_to_choose", "choose", "refine", "judge"]),
        (CoreConfig(formal=FormalConfig(select="gt_score")), ["ask_to_choose", "choose"]),
        (CoreConfig(formal=FormalConfig(refine_at=())), ["refine", "judge"]),
        (
            CoreConfig(formal=FormalConfig(file=Path("reward.py"))),
            ["ask_to_choose", "choose", "refine", "judge"],
        ),
        (  # a formal reward alone, chosen by trials: no labels
            CoreConfig(rrm=False, formal=FormalConfig(select="gt_score", refine_at=())),
            ["ask_to_choose", "ask", "collect", "choose", "fit", "refine", "judge"],
        ),
    ],
)
def test_triggers_in_the_algorithms_order(changed, settings, left_out):
    run = schedule(changed(), settings)
    assert names(run) == [name for name in EVERYTHING if name not in left_out]


def test_when_each_part_is_due(changed):
    """Of the small run's 2,000 steps, 250 to a boundary."""
    config = changed()
    run, done = schedule(config), {name: [] for name in EVERYTHING}
    replaced = []
    for trigger in run.triggers:
        note = lambda at, name=trigger.do.__name__: done[name].append(at.env_steps)
        replaced.append(type(trigger)(**{**vars(trigger), "do": note}))
    for env_steps in range(250, 2_001, 250):
        arrived = Arrived(True, True) if env_steps in (500, 1_000, 1_250) else None
        at = Boundary(env_steps, None, {}, arrived=arrived)
        run_due(replaced, at, 250)
        if env_steps % config.eval_every == 0:
            run_due(replaced, at, 250, evaluated=True)
    each = list(range(250, 2_001, 250))
    assert done == {
        "observe": each,
        "ask_to_choose": [500],  # after the random steps
        "ask": [1_000, 1_250, 1_500, 1_750, 2_000],
        "collect": each,
        "choose": [500, 1_000, 1_250],
        "fit": [500, 1_000, 1_250],
        "refine": [1_250, 1_750],
        "judge": [1_000, 2_000],
    }
    kinds = {t.do.__name__: type(t) for t in run.triggers}
    assert kinds["choose"] is kinds["fit"] is OnArrival and kinds["judge"] is AfterEvaluation


class Collector:
    """In place of the labels: three rounds of two, and what was asked."""

    def __init__(self):
        self.asked, self.labels = [], {"fits": np.int32(0)}

    @property
    def rounds(self):
        return len(self.asked)

    @property
    def exhausted(self):
        return len(self.asked) >= 3

    def ask(self, seeds, env_steps, fits):
        self.asked.append((env_steps, fits))


def test_the_first_round_chooses_and_the_others_fit_until_labels_are_spent(changed):
    run = schedule(changed())
    run.collector, rescored = Collector(), []
    run.rescore_formal = lambda at: rescored.append(at.env_steps)
    at = lambda env_steps: Boundary(env_steps, "seeds", {})
    run.ask_to_choose(at(500))
    run.ask_to_choose(at(750))  # not a second time
    for env_steps in (1_000, 1_250, 1_500):
        run.ask(at(env_steps))
    assert run.collector.asked == [(500, False), (1_000, True), (1_250, True)]
    assert rescored == [500]


def test_phases(changed):
    run = schedule(changed())
    current = [None, None]
    run.formal = SimpleNamespace(written=SimpleNamespace(current=current))
    run.residual, run.collector = object(), Collector()
    assert run.phase == Phase.CHOOSING
    current[0] = "a reward"
    assert run.phase == Phase.FORMAL
    run.collector.labels["fits"] = np.int32(1)
    assert run.phase == Phase.BOTH
    run.residual = None
    assert run.phase == Phase.FORMAL
    run.formal = None
    assert run.phase == Phase.RESIDUAL

"""When a refined reward is taken back: the rules alone."""

import dataclasses
import json

from core import rollback
from core.rollback import Watch


def test_the_best_evaluations_before_and_since_are_compared():
    watch, ended = rollback.evaluated(Watch(), 1_000, 0.8)
    assert ended is None and watch.best == 0.8
    watch = rollback.accepted(watch, "parent", "parent.py", 2_000, labels=40)
    assert watch.best == 0.0 and watch.probation.before == 0.8
    watch, ended = rollback.evaluated(watch, 2_000, 0.9)  # still the parent's
    assert ended is None and watch.probation.before == 0.9 and watch.best == 0.0
    watch, ended = rollback.evaluated(watch, 3_000, 0.3)
    assert ended is None
    watch = rollback.from_json(json.loads(json.dumps(dataclasses.asdict(watch))))
    watch, ended = rollback.evaluated(watch, 4_000, 0.1)
    assert (ended.before, watch.best, watch.probation) == (0.9, 0.3, None)
    watch = rollback.taken_back(watch, "refined", ended)
    assert watch == Watch(best=0.9, taken_back=("refined",))
    # Nothing is on probation any more.
    assert rollback.evaluated(watch, 5_000, 0.0) == (watch, None)


def test_verdicts():
    assert rollback.success_verdict(0.5, 0.25, 0.25) is None
    assert "0.50" in rollback.success_verdict(0.5, 0.0, 0.25)
    assert rollback.agreement_verdict(0.75, 0.5, 20, 20, 0.25) is None
    assert "75.0%" in rollback.agreement_verdict(0.75, 0.25, 20, 20, 0.25)
    assert rollback.agreement_verdict(1.0, 0.0, 19, 20, 0.25) is None, "too few labels to say"

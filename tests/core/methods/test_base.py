"""Triggers: when each kind is due, in closed form, and in which order they run."""

import pytest

from core_jax.methods.triggers import (
    AfterEvaluation,
    Arrived,
    At,
    Boundary,
    EachChunk,
    Every,
    OnArrival,
    _due,
    run_due,
)

CHUNKS = (1, 50, 250, 1_000)


def boundary(env_steps, arrived=None):
    return Boundary(env_steps, seeds=None, row={}, arrived=arrived)


def nothing(at):
    raise AssertionError("`_due` must not act")


def due_steps(trigger, chunk, steps):
    """The boundaries at which a trigger is due."""
    return [t for t in range(chunk, steps + 1, chunk) if _due(trigger, boundary(t), chunk)]


def first_boundary(step, chunk):
    """The first boundary at or after a step; a run has none at 0."""
    return max(-(-step // chunk), 0) * chunk


@pytest.mark.parametrize("chunk", CHUNKS)
def test_each_chunk_is_due_at_every_boundary(chunk):
    trigger = EachChunk(nothing)
    assert due_steps(trigger, chunk, 4_000) == list(range(chunk, 4_001, chunk))


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("start", [0, 250, 700, 1_000, 1_001, 9_000])
@pytest.mark.parametrize("period", [40, 250, 300, 1_000, 1_700])
def test_every_is_due_at_the_first_boundary_of_each_period(period, start, chunk):
    """At the first boundary at or after `start + k * period`, for k = 0, 1, 2, ..."""
    moments = range(start, 6_001, period)
    expected = sorted({b for m in moments if 0 < (b := first_boundary(m, chunk)) <= 6_000})
    assert due_steps(Every(period, nothing, start), chunk, 6_000) == expected


def test_every_in_whole_chunks():
    assert due_steps(Every(1_000, nothing), 250, 3_000) == [1_000, 2_000, 3_000]
    assert due_steps(Every(1_000, nothing, start=500), 250, 3_000) == [500, 1_500, 2_500]
    # A period shorter than a chunk: once a chunk.
    assert due_steps(Every(100, nothing, start=600), 250, 1_500) == [750, 1_000, 1_250, 1_500]


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("steps", [(), (1_000,), (1, 999, 1_001), (250, 260, 2_000), (5_000,)])
def test_at_is_due_at_the_first_boundary_from_each_step_on(steps, chunk):
    expected = sorted({b for s in steps if (b := first_boundary(s, chunk)) <= 4_000})
    assert due_steps(At(steps, nothing), chunk, 4_000) == expected


def test_on_arrival_is_due_when_labels_arrived_and_never_else():
    trigger = OnArrival(nothing)
    assert due_steps(trigger, 250, 2_000) == []
    for arrived in (Arrived(True, True), Arrived(False, True), Arrived(True, False)):
        assert _due(trigger, boundary(250, arrived), 250)


@pytest.mark.parametrize("first", range(0, 1_000, 250))
def test_what_is_due_does_not_depend_on_where_a_resumed_run_begins(first):
    triggers = (Every(300, nothing, 400), At((600, 1_100), nothing))
    for trigger in triggers:
        whole = due_steps(trigger, 250, 3_000)
        again = [t for t in range(first + 250, 3_001, 250) if _due(trigger, boundary(t), 250)]
        assert again == [t for t in whole if t > first]


@pytest.fixture
def recorded():
    """Triggers of every kind that are all due at 1,000, in mixed order, and what they did."""
    done = []
    do = lambda name: lambda at: done.append((name, at.env_steps))
    triggers = (
        OnArrival(do("arrival too early")),
        AfterEvaluation(do("evaluated first")),
        At((1_000,), do("at")),
        EachChunk(lambda at: setattr(at, "arrived", Arrived(True, True))),
        EachChunk(do("each")),
        OnArrival(do("arrival")),
        Every(500, do("every")),
        AfterEvaluation(do("evaluated second")),
    )
    return triggers, done


def test_triggers_run_in_their_order_and_see_what_those_before_did(recorded):
    """Labels that a trigger collects are there for those after it, not for those before it."""
    triggers, done = recorded
    run_due(triggers, boundary(1_000), 250)
    assert done == [("at", 1_000), ("each", 1_000), ("arrival", 1_000), ("every", 1_000)]


def test_only_what_is_due_runs(recorded):
    triggers, done = recorded
    run_due(triggers, boundary(1_250), 250)
    assert [name for name, _ in done] == ["each", "arrival"]


def test_after_an_evaluation_its_triggers_run_and_no_others(recorded):
    triggers, done = recorded
    run_due(triggers, boundary(1_000, Arrived(True, True)), 250, evaluated=True)
    assert done == [("evaluated first", 1_000), ("evaluated second", 1_000)]


def test_without_an_evaluation_its_triggers_do_not_run(recorded):
    triggers, done = recorded
    for env_steps in range(250, 3_001, 250):
        run_due(triggers, boundary(env_steps), 250)
    assert not [name for name, _ in done if name.startswith("evaluated")]


def test_a_trigger_changes_the_seeds_for_those_after_it():
    seen = []
    triggers = (
        EachChunk(lambda at: setattr(at, "seeds", "fitted")),
        EachChunk(lambda at: seen.append(at.seeds)),
    )
    at = boundary(250)
    run_due(triggers, at, 250)
    assert seen == ["fitted"] and at.seeds == "fitted"

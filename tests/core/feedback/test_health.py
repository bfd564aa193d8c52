"""Signs of a broken teacher: rounds without an answer, and one-sided answers."""

import pytest
from random_queries import clip, questions, single

from core_jax.feedback.health import (
    Tally,
    no_answers,
    one_sided,
    one_sided_event,
    unanswered_in_a_row,
)
from core_jax.feedback.queries import PairLabel, SingleLabel
from core_jax.models import ChatError

PAIR, RATING = questions(1)[0], single(clip(0))


def pairs(*preferences):
    return Tally().add([PAIR] * len(preferences), [PairLabel(p, (), (), "") for p in preferences])


def ratings(*values):
    return Tally().add([RATING] * len(values), [SingleLabel(v, "") for v in values])


def test_counts():
    labels = [PairLabel(p, (), (), "") for p in (0.0, 1.0, 1.0, 0.5, None)]
    tally = Tally().add([PAIR] * 6, [*labels, None])
    assert (tally.answered, tally.decided, tally.first, tally.second) == (5, 4, 1, 2)
    more = tally.add([RATING, RATING], [SingleLabel(2.0, ""), SingleLabel(None, "")])
    assert (more.answered, more.decided) == (7, 5)
    assert (more.lowest, more.highest, more.ratings) == (2.0, 2.0, 1)
    assert Tally(**more._asdict()) == more


@pytest.mark.parametrize(
    ("tally", "message"),
    [
        (pairs(*[0.0] * 60), "60 of 60 decided answers prefer clip A, which is shown first"),
        (pairs(*[1.0] * 19, 0.0), "19 of 20 decided answers prefer clip B, which is shown second"),
        (pairs(*[1.0] * 19), ""),  # too few
        (pairs(*[1.0] * 17, *[0.0] * 3), ""),
        (pairs(*[0.0, 1.0] * 50), ""),
        (pairs(*[0.5] * 60), ""),
        (pairs(*[None] * 60), ""),
        (ratings(*[1.0] * 60), "all 60 ratings are class 1"),
        (ratings(*[1.0] * 59), ""),
        (ratings(*[1.0] * 90, 0.0), ""),
        (Tally(), ""),
    ],
)
def test_one_sided_answers_are_reported(tally, message):
    found = one_sided(tally)
    assert bool(found) == bool(message) and message in found


def test_an_event_is_reported_once():
    before, after = pairs(*[0.0] * 19), pairs(*[0.0] * 20)
    assert one_sided_event(before, after) == one_sided(after) != ""
    assert one_sided_event(after, pairs(*[0.0] * 40)) == ""


def test_completion_that_is_always_no_is_not_reported():
    """Early in a run that is what a sound teacher answers."""
    tally = Tally().add([single(clip(0), "completion", None)] * 90, [SingleLabel(0.0, "")] * 90)
    assert one_sided(tally) == "" and tally.decided == 90


def test_rounds_in_a_row_without_an_answer():
    abstains = PairLabel(None, (), (), "")
    count = unanswered_in_a_row(0, [None, None])
    assert count == 1 and unanswered_in_a_row(count, [None]) == 2
    assert unanswered_in_a_row(2, [None, abstains]) == 0  # an abstention is an answer
    assert unanswered_in_a_row(2, []) == 2  # nothing was asked
    error = no_answers("vlm-core m", 3, "HTTP 410: decommissioned")
    assert isinstance(error, ChatError)
    assert "vlm-core m answered no question in 3 rounds in a row" in str(error)
    assert "HTTP 410: decommissioned" in str(error) and "--resume" in str(error)

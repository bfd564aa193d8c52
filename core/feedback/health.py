"""Signs that a teacher is broken: rounds without an answer, and answers that never vary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core_jax.feedback.queries import Label, PairLabel, Query, SingleLabel
from core_jax.models.failures import ChatError

SHARE = 0.9  # of decided pairs, from which on a preference for one side is reported
FEWEST_PAIRS = 20  # decided pairs before it is: by chance 1 in 2,500 unbiased teachers comes so far
FEWEST_RATINGS = 60  # ratings, all of the same class


class Tally(NamedTuple):
    """Counts of a teacher's labels so far; JSON-able as `tally._asdict()`."""

    answered: int = 0  # abstentions included
    decided: int = 0
    first: int = 0  # pairs whose first clip is preferred
    second: int = 0
    lowest: float | None = None  # rating so far
    highest: float | None = None
    ratings: int = 0

    def add(self, queries: Sequence[Query], labels: Sequence[Label | None]) -> Tally:
        """The counts with more labels; None is a question without an answer."""
        tally = self
        for query, label in zip(queries, labels, strict=True):
            if label is not None:
                tally = tally._add(query, label)
        return tally

    def _add(self, query: Query, label: Label) -> Tally:
        tally = self._replace(answered=self.answered + 1, decided=self.decided + int(label.decided))
        if isinstance(label, PairLabel) and label.preference is not None:
            return tally._replace(
                first=self.first + int(label.preference < 0.5),
                second=self.second + int(label.preference > 0.5),
            )
        if isinstance(label, SingleLabel) and query.asks == "rating" and label.value is not None:
            seen = [v for v in (self.lowest, self.highest, label.value) if v is not None]
            return tally._replace(lowest=min(seen), highest=max(seen), ratings=self.ratings + 1)
        return tally


def one_sided(tally: Tally) -> str:
    """A warning about answers that hardly depend on the question, or "".

    Which clip of a pair comes first is random, so a sound teacher prefers either half of the time.
    """
    decided = tally.first + tally.second
    most = max(tally.first, tally.second)
    if decided >= FEWEST_PAIRS and most >= SHARE * decided:
        side = "A" if tally.first > tally.second else "B"
        return (
            f"the teacher is one-sided: {most} of {decided} decided answers prefer clip {side}, "
            "which is shown " + ("first" if side == "A" else "second")
        )
    if tally.ratings >= FEWEST_RATINGS and tally.lowest == tally.highest:
        return f"the teacher is one-sided: all {tally.ratings} ratings are class {tally.lowest:g}"
    return ""


def one_sided_event(before: Tally, after: Tally) -> str:
    """The warning, if it applies now and did not before; "" otherwise."""
    return "" if one_sided(before) else one_sided(after)


def unanswered_in_a_row(before: int, labels: Iterable[Label | None]) -> int:
    """Number of latest rounds in which no question had an answer.

    Args:
        before: this number until now.
        labels: of the next round; None is a question without an answer. One without questions
            changes nothing.
    """
    labels = list(labels)
    if not labels:
        return before
    return before + 1 if all(label is None for label in labels) else 0


def no_answers(teacher: str, rounds: int, failure: str) -> ChatError:
    """The error of a teacher that answered nothing in several rounds.

    Args:
        teacher: its name.
        rounds: how many.
        failure: why the latest question had no answer.
    """
    return ChatError(
        f"{teacher} answered no question in {rounds} rounds in a row; the latest reason: "
        f"{failure or 'unknown'}. Check the model's name and settings, then continue with --resume"
    )

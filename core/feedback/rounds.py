"""How rounds of questions get their labels: at once, or in the background while training goes on.

A background teacher's questions are on disk before anything is sent. Its rounds arrive in the order
in which they are answered, and a question that the service did not answer is asked again with the
next round, and after a resume; an abstention is an answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Protocol

from core_jax.feedback.health import no_answers, unanswered_in_a_row
from core_jax.feedback.labels import Exchange, LabelStore
from core_jax.feedback.queries import Label, Query, Teacher, check_answers
from core_jax.models.failures import AccessError, BudgetError, ChatError


class Entry(NamedTuple):
    """A query and the place on the seed axis of the seed that asks it."""

    seed_index: int
    query: Query
    mean_reward: float | None = None  # ground truth per step of recent experience


class Round(NamedTuple):
    """Questions of all seeds that were drawn at one environment step."""

    index: int
    env_steps: int
    fits: bool  # whether the learned reward is fitted once it has arrived
    entries: tuple[Entry, ...]


class Arrived(NamedTuple):
    """A round that is done. One label for each of its entries; None: the service gave none."""

    round: Round
    labels: list[Label | None]


class BackgroundTeacher(Teacher, Protocol):
    """A teacher that may be asked from several threads."""

    def prepare(self) -> None:
        """Compiles and loads what it needs, before the first question."""
        ...

    def stop(self) -> None:
        """Stops sending requests."""
        ...


class Labelling(Protocol):
    """Takes rounds of questions and returns them with their labels."""

    waited: float
    """Seconds that `collect` has waited."""

    @property
    def problem(self) -> ChatError | None:
        """What stopped the teacher for good, if anything did. Labels given so far are still
        returned, and no further request is sent."""
        ...

    @property
    def failure(self) -> str:
        """Why the latest question without an answer has none."""
        ...

    def put(self, round: Round) -> None:
        """Writes a new round down and starts asking.

        Raises:
            ValueError: the teacher cannot answer such questions.
        """
        ...

    def put_again(self, round: Round) -> None:
        """Starts asking a round that is written down already, such as a checkpoint's."""
        ...

    def collect(self, asked_by: int) -> list[Arrived]:
        """Rounds that are done; waits for those asked by this environment step."""
        ...

    def pending(self) -> list[Round]:
        """Rounds that have not been returned."""
        ...

    def close(self) -> None:
        """Stops asking and waits for replies that are on their way."""
        ...


class AtOnce:
    """For a teacher that answers immediately, such as a scripted one."""

    problem: ChatError | None = None
    failure, waited = "", 0.0

    def __init__(self, teacher: Teacher, store: LabelStore):
        self._teacher, self._store = teacher, store
        self._done: list[Arrived] = []

    def put(self, round: Round) -> None:
        """Asks a round and keeps its labels."""
        check_answers(self._teacher.name, self._teacher.answers, [e.query for e in round.entries])
        labels: list[Label | None] = []
        for batch in by_seed(round.entries):
            asked = [e.query for e in batch]
            labels += self._store.ask(self._teacher, asked, round.env_steps, batch[0].mean_reward)
        self._done.append(Arrived(round, labels))

    put_again = put

    def collect(self, asked_by: int) -> list[Arrived]:
        """All rounds since the last call."""
        done, self._done = self._done, []
        return done

    def pending(self) -> list[Round]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing to close."""


class InBackground:
    """For a teacher that takes seconds for an answer.

    Args:
        teacher: is asked one question by each of several threads.
        store: has every question before it is asked, and every label as soon as it arrives.
        in_flight: number of threads.
        max_unanswered_rounds: `problem` is set after this many rounds in a row without an answer.
    """

    def __init__(
        self,
        teacher: BackgroundTeacher,
        store: LabelStore,
        in_flight: int,
        max_unanswered_rounds: int = 3,
    ):
        self.problem: ChatError | None = None
        self.failure, self.waited = "", 0.0
        self._unanswered, self._most_unanswered = 0, max_unanswered_rounds
        self._teacher, self._store = teacher, store
        self._rounds: list[tuple[Round, list[Future]]] = []
        self._open: list[Entry] = []  # what had no answer, for the next round
        self._futures: dict[str, Future] = {}  # by question
        self._closed = False
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="teacher")
        self._pool.submit(teacher.prepare)

    def put(self, round: Round) -> None:
        """Writes a round down and starts asking it and what had no answer before."""
        check_answers(self._teacher.name, self._teacher.answers, [e.query for e in round.entries])
        for batch in by_seed(round.entries):
            asked = [e.query for e in batch]
            self._store.put(self._teacher.name, asked, round.env_steps, batch[0].mean_reward)
        self.put_again(round._replace(entries=(*self._open, *round.entries)))
        self._open = []

    def put_again(self, round: Round) -> None:
        """Starts asking what is written down; what has a label in the store is not asked."""
        self._rounds.append((round, [self._future(e.query) for e in round.entries]))

    def collect(self, asked_by: int) -> list[Arrived]:
        """Rounds that are done, in the order asked; waits for those asked by an environment step.

        Raises:
            Exception: a mistake in the teacher itself; failures of its service are `failure`.
        """
        began = time.monotonic()
        for round, futures in self._rounds:
            if round.env_steps <= asked_by:
                wait(futures)
        self.waited += time.monotonic() - began
        arrived, pending = [], []
        for round, futures in self._rounds:
            if not all(f.done() for f in futures):
                pending.append((round, futures))
                continue
            labels = [f.result() for f in futures]
            self._open += [e for e, a in zip(round.entries, labels, strict=True) if a is None]
            arrived.append(Arrived(round, labels))
            self._unanswered = unanswered_in_a_row(self._unanswered, labels)
        self._rounds = pending
        if self._unanswered >= self._most_unanswered and self.problem is None:
            self.problem = no_answers(self._teacher.name, self._unanswered, self.failure)
        return arrived

    def pending(self) -> list[Round]:
        """Rounds that have not been returned; what had no answer is a round of its own."""
        pending = [round for round, _ in self._rounds]
        if self._open:
            index = max(e.query.round for e in self._open)
            pending.insert(0, Round(index, 0, False, tuple(self._open)))
        return pending

    def close(self) -> None:
        """Stops asking; waits for the replies that are on their way, which are paid for."""
        self._closed = True
        self._teacher.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _future(self, question: Query) -> Future:
        """The label to come; equal questions share one."""
        key = question.key()
        under_way = self._futures.get(key)
        if under_way is None or (under_way.done() and under_way.result() is None):
            self._futures[key] = self._pool.submit(self._label, key, question)
        return self._futures[key]

    def _label(self, key: str, question: Query) -> Label | None:
        name = self._teacher.name
        known = self._store.find(key, name)
        if known is not None or self.problem is not None:
            return known
        try:
            [label] = self._teacher.ask([question])
        except (BudgetError, AccessError) as problem:
            # Questions that other threads have begun may still get their answers.
            self.problem, self.failure = problem, str(problem)
            return None
        except ChatError as failure:
            if not self._closed:
                self.failure = str(failure)
                exchange = Exchange("no answer", name, [], "", self.failure)
                self._store.exchange(key, name, exchange)
            return None
        self._store.answer(key, name, label)
        return label


def by_seed(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries grouped by seed, in their order."""
    seeds: dict[int, list[Entry]] = {}
    for entry in entries:
        seeds.setdefault(entry.seed_index, []).append(entry)
    return list(seeds.values())


def state_of(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """Rounds as JSON, for a checkpoint; the questions themselves are in the store."""
    return [
        {
            "index": r.index,
            "env_steps": r.env_steps,
            "fits": r.fits,
            "entries": [[e.seed_index, e.query.key()] for e in r.entries],
        }
        for r in rounds
    ]


def rounds_of(state: Sequence[dict[str, Any]], store: LabelStore) -> list[Round]:
    """The inverse of `state_of`."""
    rounds = []
    for r in state:
        asked = [(seed_index, store.question(key)) for seed_index, key in r["entries"]]
        entries = tuple(Entry(i, a.question, a.mean_reward) for i, a in asked)
        rounds.append(Round(r["index"], r["env_steps"], r["fits"], entries))
    return rounds

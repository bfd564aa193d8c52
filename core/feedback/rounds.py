"""How rounds of questions get their answers: at once, or in the background while training goes on.

A background teacher's questions are on disk before anything is sent. Its rounds arrive in whatever
order they are answered, and a question that the service did not answer is asked again with the next
round, and after a resume; an abstention is an answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Protocol

from core_jax.feedback.labels import Exchange, LabelStore
from core_jax.feedback.queries import Label, Query, Teacher
from core_jax.models.failures import AccessError, BudgetError, ChatError


class Entry(NamedTuple):
    """A query and the place on the seed axis of the seed that asks it."""

    seed_index: int
    query: Query
    mean_reward: float | None = None  # ground truth per step of recent experience

    @property
    def lane(self) -> int:
        """Former name of `seed_index`."""
        return self.seed_index

    @property
    def question(self) -> Any:
        """Former name of `query`."""
        return self.query


class Round(NamedTuple):
    """Questions of all seeds that were drawn at one environment step."""

    index: int
    env_steps: int
    fits: bool  # whether the residual reward is fitted once it has arrived
    entries: tuple[Entry, ...]


class Arrived(NamedTuple):
    """A round that is done. One label for each of its entries; None: the service gave none."""

    round: Round
    labels: list[Label | None]

    @property
    def answers(self) -> list[Any]:
        """Former name of `labels`."""
        return self.labels


class SlowTeacher(Teacher, Protocol):
    """A teacher that may be asked from several threads."""

    def prepare(self) -> None:
        """Gets ready, before the first question."""
        ...

    def stop(self) -> None:
        """Asks nobody anything any more."""
        ...


class Labelling(Protocol):
    """Takes rounds and hands them back answered.

    problem: what stopped the teacher for good, if anything did; everything answered so far is
        still handed back, and nothing more is asked.
    failure: why the latest question without an answer has none.
    waited: seconds that `collect` has waited.
    """

    problem: ChatError | None
    failure: str
    waited: float

    def put(self, round: Round) -> None: ...

    def put_again(self, round: Round) -> None: ...

    def collect(self, asked_by: int) -> list[Arrived]: ...

    def pending(self) -> list[Round]: ...

    def close(self) -> None: ...


class AtOnce:
    """For a teacher that answers in no time, such as a scripted one."""

    problem, failure, waited = None, "", 0.0

    def __init__(self, teacher: Teacher, store: LabelStore):
        self._teacher, self._store = teacher, store
        self._done: list[Arrived] = []

    def put(self, round: Round) -> None:
        """Asks and answers a round."""
        answers: list[Label | None] = []
        for batch in _by_lane(round.entries):
            asked = [e.query for e in batch]
            answers += self._store.ask(self._teacher, asked, round.env_steps, batch[0].mean_reward)
        self._done.append(Arrived(round, answers))

    put_again = put

    def collect(self, asked_by: int) -> list[Arrived]:
        """All rounds since the last time."""
        done, self._done = self._done, []
        return done

    def pending(self) -> list[Round]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing to end."""


class InBackground:
    """For a teacher that takes its time.

    Args:
        teacher: is asked one question by each of several threads.
        store: has every question before it is asked, and every answer as soon as it is there.
        in_flight: number of threads.
    """

    def __init__(self, teacher: SlowTeacher, store: LabelStore, in_flight: int):
        self.problem: ChatError | None = None
        self.failure, self.waited = "", 0.0
        self._teacher, self._store = teacher, store
        self._rounds: list[tuple[Round, list[Future]]] = []
        self._open: list[Entry] = []  # what had no answer, for the next round
        self._futures: dict[str, Future] = {}  # by question
        self._closed = False
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="teacher")
        self._pool.submit(teacher.prepare)

    def put(self, round: Round) -> None:
        """Writes a round down and starts asking; so it does what had no answer before."""
        for batch in _by_lane(round.entries):
            asked = [e.query for e in batch]
            self._store.put(self._teacher.name, asked, round.env_steps, batch[0].mean_reward)
        self.put_again(round._replace(entries=(*self._open, *round.entries)))
        self._open = []

    def put_again(self, round: Round) -> None:
        """Starts asking what is written down; what has an answer in the store is not asked."""
        self._rounds.append((round, [self._future(e.query) for e in round.entries]))

    def collect(self, asked_by: int) -> list[Arrived]:
        """Rounds that are done, in the order asked; waits for those asked by an environment step.

        Raises:
            Exception: whatever is wrong with the teacher itself, not with its service.
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
            answers = [f.result() for f in futures]
            self._open += [e for e, a in zip(round.entries, answers, strict=True) if a is None]
            arrived.append(Arrived(round, answers))
        self._rounds = pending
        return arrived

    def pending(self) -> list[Round]:
        """Rounds that have not been handed back; what had no answer is one of its own."""
        pending = [round for round, _ in self._rounds]
        if self._open:
            index = max(e.query.round for e in self._open)
            pending.insert(0, Round(index, 0, False, tuple(self._open)))
        return pending

    def close(self) -> None:
        """Asks nothing more; waits for the replies that are on their way, which are paid for."""
        self._closed = True
        self._teacher.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _future(self, question: Query) -> Future:
        """The answer to come; one for all who ask the same."""
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
            [answer] = self._teacher.ask([question])
        except (BudgetError, AccessError) as problem:
            # What others have begun, they may bring to an end.
            self.problem, self.failure = problem, str(problem)
            return None
        except ChatError as failure:
            if not self._closed:
                self.failure = str(failure)
                said = Exchange("no answer", name, [], "", self.failure)
                self._store.exchange(key, name, said)
            return None
        self._store.answer(key, name, answer)
        return answer


def _by_lane(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries seed by seed."""
    lanes: dict[int, list[Entry]] = {}
    for entry in entries:
        lanes.setdefault(entry.seed_index, []).append(entry)
    return list(lanes.values())


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
        asked = [(lane, store.question(key)) for lane, key in r["entries"]]
        entries = tuple(Entry(lane, a.question, a.mean_reward) for lane, a in asked)
        rounds.append(Round(r["index"], r["env_steps"], r["fits"], entries))
    return rounds

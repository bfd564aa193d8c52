"""A run whose teacher is a person (`--teacher person`): its questions wait in its labels until
`scripts/label.py RUN`, another process, has brought the answers."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import check_answers
from core_jax.feedback.rounds import Arrived, Round, by_seed
from core_jax.models.failures import ChatError

NAME = "person"
ANSWERS = frozenset({"pair", "rating", "progress", "completion"})
_EVERY = 0.5  # seconds between two looks at the label file


class PersonLabelling:
    """Implements `core_jax.feedback.rounds.Labelling`. A label that has been used stays used:
    undoing it later changes what is stored, not what was learned."""

    problem: ChatError | None = None
    failure = ""

    def __init__(self, store: LabelStore):
        self.waited = 0.0
        self._store = store
        self._rounds: list[Round] = []

    def put(self, round: Round) -> None:
        """Writes a round down for the person."""
        check_answers(NAME, ANSWERS, [e.query for e in round.entries])
        for batch in by_seed(round.entries):
            asked = [entry.query for entry in batch]
            self._store.put(NAME, asked, round.env_steps, batch[0].mean_reward)
        self.put_again(round)

    def put_again(self, round: Round) -> None:
        """Waits for a round that is written down already."""
        self._rounds.append(round)

    def collect(self, asked_by: int) -> list[Arrived]:
        """Rounds that are answered; waits for those asked by an environment step."""
        began, printed = time.monotonic(), False
        while any(r.env_steps <= asked_by and self._open(r) for r in self._rounds):
            if not printed:
                run = Path(self._store.path).parent
                print(f"\nwaiting for answers: core-jax label {run}", file=sys.stderr)
                printed = True
            time.sleep(_EVERY)
        self.waited += time.monotonic() - began
        arrived, pending = [], []
        for round in self._rounds:
            if self._open(round):
                pending.append(round)
                continue
            labels = [self._store.find(e.query.key(), NAME) for e in round.entries]
            arrived.append(Arrived(round, labels))
        self._rounds = pending
        return arrived

    def pending(self) -> list[Round]:
        """Rounds that have not been returned."""
        return list(self._rounds)

    def close(self) -> None:
        """Nothing to close: questions stay open on disk."""

    def _open(self, round: Round) -> bool:
        unanswered = set(self._store.open(NAME))
        return any(entry.query.key() in unanswered for entry in round.entries)

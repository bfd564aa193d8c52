"""A run whose teacher is a person (`--teacher person`): its questions wait in its labels until
`scripts/label.py RUN`, another process, has brought the answers."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.rounds import Arrived, Round

NAME = "person"
_EVERY = 0.5  # seconds between two looks


class ByHand:
    """Implements `core_jax.feedback.rounds.Labelling`. An answer that has been used stays used:
    undoing it later changes what is stored, not what was learned."""

    problem, failure = None, ""

    def __init__(self, store: LabelStore):
        self.waited = 0.0
        self._store = store
        self._rounds: list[Round] = []

    def put(self, round: Round) -> None:
        """Writes a round down for the person."""
        lanes = dict.fromkeys(entry.lane for entry in round.entries)
        for lane in lanes:
            some = [entry for entry in round.entries if entry.lane == lane]
            asked = [entry.question for entry in some]
            self._store.put(NAME, asked, round.env_steps, some[0].mean_reward)
        self.put_again(round)

    def put_again(self, round: Round) -> None:
        """Takes up a round that is written down."""
        self._rounds.append(round)

    def collect(self, asked_by: int) -> list[Arrived]:
        """Rounds that are answered; waits for those asked by an environment step."""
        began, told = time.monotonic(), False
        while any(r.env_steps <= asked_by and self._open(r) for r in self._rounds):
            if not told:
                run = Path(self._store.path).parent
                print(f"\nwaiting for answers: python scripts/label.py {run}", file=sys.stderr)
                told = True
            time.sleep(_EVERY)
        self.waited += time.monotonic() - began
        arrived, pending = [], []
        for round in self._rounds:
            if self._open(round):
                pending.append(round)
                continue
            answers = [self._store.find(e.question.key(), NAME) for e in round.entries]
            arrived.append(Arrived(round, answers))
        self._rounds = pending
        return arrived

    def pending(self) -> list[Round]:
        """Rounds that have not been handed back."""
        return list(self._rounds)

    def close(self) -> None:
        """Nothing to end: questions stay open on disk."""

    def _open(self, round: Round) -> bool:
        still = set(self._store.open(NAME))
        return any(entry.question.key() in still for entry in round.entries)

"""Asks for sub-tasks and their programs, verifies each program, and asks again with the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from core_jax.methods.vlm_car.config import CarConfig
from core_jax.methods.vlm_car.pictures import Camera
from core_jax.methods.vlm_car.verification import Evidence, Firing, Verdict, completed, verify
from core_jax.models.base import ChatModel, Reply
from core_jax.prompts import vlm_car as prompts
from core_jax.prompts.vlm_car import Rejected
from core_jax.reward_models.programs import Program, RewardError, compile_program, extract_code


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One program that was written.

    Attributes:
        list, number: which list of sub-tasks, and which of its sub-tasks, from 0.
        subtask: its sentence.
        code: its text; "" if the reply held none.
        problem: why it was refused; "" if it was accepted.
        verdict: what was found of it; None if it does not compile.
        strip: pictures of a counter-example, as PNG.
    """

    list: int
    number: int
    subtask: str
    code: str
    problem: str
    verdict: Verdict | None = None
    strip: bytes | None = None
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Accepted:
    """The sub-tasks with a program that is believed, in order.

    Attributes:
        subtasks, codes: one of each.
        false_positives: random trajectories that complete all of them in order.
        attempts: every program that was written, in its order.
    """

    subtasks: tuple[str, ...]
    codes: tuple[str, ...]
    false_positives: int
    attempts: tuple[Attempt, ...]


class NoPrograms(ValueError):
    """No list of sub-tasks led to verified programs; the message holds the last problems.

    Attributes:
        attempts: every program that was written.
    """

    def __init__(self, message: str, attempts: Sequence[Attempt]):
        super().__init__(message)
        self.attempts = tuple(attempts)


class Generator:
    """Asks for programs and verifies them.

    Args:
        model: that is asked.
        instruction: of the task.
        evidence: what programs are tried on.
        camera: takes the pictures that the model is shown.
        note: logs a line.
    """

    def __init__(
        self,
        model: ChatModel,
        instruction: str,
        evidence: Evidence,
        camera: Camera,
        note: Callable[[str], None],
    ):
        self._model, self._instruction, self._note = model, instruction, note
        self._evidence, self._camera = evidence, camera
        self._sight = camera.sight()
        self._attempts: list[Attempt] = []

    @property
    def _car(self) -> CarConfig:
        return self._evidence.car

    def run(self) -> Accepted:
        """Asks until the programs of a list of sub-tasks are accepted.

        A sub-task without an accepted program is left out, unless it is the last one: then another
        list is asked for.

        Raises:
            NoPrograms: no list of sub-tasks was completed.
        """
        asked = prompts.subtask_messages(self._instruction, self._sight)
        problems = []
        for index in range(self._car.generate.lists):
            replies = self._model.complete(asked, 1, index)
            if not replies or not replies[0].text:
                problems.append(replies[0].problem if replies else "there is no other reply")
                break
            reply = replies[0].text
            try:
                subtasks = prompts.read_subtasks(reply)
            except ValueError as error:
                problems.append(str(error))
                continue
            self._note(f"  sub-tasks: {'; '.join(subtasks)}")
            found = self._programs(index, asked, reply, subtasks)
            if isinstance(found, Accepted):
                return found
            problems.append(found)
        raise NoPrograms("no verified programs: " + "; ".join(problems), self._attempts)

    def _programs(
        self, index: int, asked: Sequence[prompts.Message], reply: str, subtasks: Sequence[str]
    ) -> Accepted | str:
        """The accepted programs of a list, or what is wrong with it."""
        kept: list[tuple[str, str, Firing]] = []
        for number, subtask in enumerate(subtasks):
            last = number == len(subtasks) - 1
            before = [firing for _, _, firing in kept]
            ask = lambda rejected, attempt, number=number: self._model.complete(
                prompts.program_messages(asked, reply, subtasks, number, self._sight, rejected),
                self._car.generate.samples,
                attempt,
            )
            found = self._program(ask, index, number, subtask, before, last)
            if found is not None:
                kept.append((subtask, *found))
            elif last:
                return f"no program for the last sub-task, {subtask!r}, was accepted"
            else:
                self._note(f"  left out, without a program: {subtask}")
        limits = self._car.verify
        chance = completed([f for _, _, f in kept], "randoms", 1)
        experts = completed([f for _, _, f in kept], "experts", 1)
        if chance.mean() > limits.fpr_max:
            return f"{chance.mean():.0%} of random trajectories complete all sub-tasks in order"
        if experts.mean() < limits.tpr_min:
            return f"{experts.mean():.0%} of expert trajectories complete all sub-tasks in order"
        names, codes = tuple(s for s, _, _ in kept), tuple(c for _, c, _ in kept)
        return Accepted(names, codes, int(chance.sum()), tuple(self._attempts))

    def _program(
        self,
        ask: Callable[[Sequence[Rejected], int], list[Reply]],
        index: int,
        number: int,
        subtask: str,
        before: Sequence[Firing],
        last: bool,
    ) -> tuple[str, Firing] | None:
        """The first program for a sub-task that is accepted, and where it fires."""
        rejected: list[Rejected] = []
        for attempt in range(self._car.generate.attempts):
            replies = ask(rejected, attempt)
            for reply in replies:
                tried, firing = self._tried(
                    Attempt(index, number, subtask, "", ""), reply, before, last
                )
                self._attempts.append(tried)
                self._note(f"  sub-task {number + 1}: {tried.problem or 'accepted'}")
                if firing is not None and not tried.problem:
                    return tried.code, firing
                rejected.append(Rejected(tried.code, tried.problem, tried.strip, tried.caption))
            if not replies:
                break
        return None

    def _tried(
        self, blank: Attempt, reply: Reply, before: Sequence[Firing], last: bool
    ) -> tuple[Attempt, Firing | None]:
        """A reply, compiled and verified."""
        if not reply.text:
            return dataclasses.replace(blank, problem=reply.problem or "an empty reply"), None
        code = reply.text
        try:
            code = extract_code(reply.text)
            program = compile_program(code, self._car.height, self._car.width)
        except RewardError as error:
            return dataclasses.replace(blank, code=code, problem=str(error)), None
        return self._judged(dataclasses.replace(blank, code=code), program, before, last)

    def _judged(
        self, tried: Attempt, program: Program, before: Sequence[Firing], last: bool
    ) -> tuple[Attempt, Firing]:
        firing = self._evidence.fired(program)
        verdict = verify(self._evidence, firing, before, last)
        strip, caption = None, ""
        if verdict.counterexample is not None:
            kind, index, at = verdict.counterexample
            shown = getattr(self._evidence, kind)
            strip = self._camera.strip(shown, index, at)
            caption = self._camera.caption(kind, at, shown.snapshots.shape[1])
        found = dataclasses.replace(
            tried, problem=verdict.problem, verdict=verdict, strip=strip, caption=caption
        )
        return found, firing

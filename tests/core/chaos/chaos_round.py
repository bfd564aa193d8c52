"""One round of the chaos test: a run, disturbed at random, resumed to its end, and compared."""

import contextlib
import random
import re
import shutil
import signal
import time

from chaos_answers import answer
from chaos_cases import CASES, CHUNK, STEPS
from chaos_compare import book_problems, differences
from chaos_damage import damage
from chaos_process import STOPS, Process
from hostile_service import HostileService, random_faults

KINDS = ("kill", "kill", "term", "hup", "int", "twice", "pause", "second", "disk", "damage",
         "damage", "cores", "clock")  # fmt: skip
ROWS = STEPS // CHUNK
CAUSES = {
    "second": "is in use by process",
    "disk": "space|full|quota|too large|disk I/O|cannot be used|saved",
}


class Round:
    """The disturbances are a function of the seed; when exactly they come is up to the machine."""

    def __init__(self, seed, case, folder, reference, kinds=None):
        self.rng, self.case, self.reference = random.Random(seed), case, reference
        self.kinds = kinds or self.rng.choices(KINDS, k=self.rng.choice([1, 1, 2]))
        self.out, self.folder = folder / "run", folder
        self.log, self.problems = [f"round {seed}: {case.name}"], []
        self.hard, self.exact, self.done = 0, True, False
        self.damaged = self.backup = None
        schedule = random_faults(seed, 0.1) if case.hosted else ()
        self.service = HostileService(answer, schedule)
        self.service.delay = 0.05

    def run(self):
        """Returns what went wrong, a line each."""
        self.config = self.case.config(self.folder, self.service.url)
        try:
            for kind in self.kinds:
                if not self.done:
                    self.log.append(f"  {kind}")
                    getattr(self, kind)()
            for _ in range(4):
                if self.done:
                    break
                self.ended(self.start().end(), "")
            if not self.done:
                self.problems.append("it does not reach its end")
            elif not self.problems:
                self.compare()
        finally:
            self.service.close()
        return [f"{' | '.join(self.log)}: {problem}" for problem in self.problems]

    def start(self, **settings):
        """A process that begins the run or continues it."""
        resume = (self.out / "config.json").exists()
        words = ["--resume"] if resume else ["--config", self.config]
        return Process(self.out, words, **settings)

    def ended(self, end, cause):
        """Takes note of how a process ended; `cause` is what an error must name."""
        said = end.lines[-1] if end.lines else ""
        self.log.append(f"    {end.status}: {said[:200]}")
        if problem := end.problem():
            self.problems.append(f"{problem}\n{end.stderr[-3_000:]}")
        if "not bit-exact with the run so far" in end.stderr:
            self.exact = False
        if end.status == 0:
            self.done = True
        if end.status == 2:
            self.explained(said, cause)

    def explained(self, said, cause):
        """An error must name its cause; what was damaged is then put back."""

        if self.damaged and self.damaged.split("/")[-1] in said or self.names_checkpoint(said):
            shutil.rmtree(self.out)
            shutil.copytree(self.backup, self.out)
            self.damaged = None
            self.hard += 1
        elif not cause or not re.search(cause, said):
            self.problems.append(f"an error that does not name its cause: {said}")

    def names_checkpoint(self, said):
        return bool(self.damaged) and self.damaged.startswith("checkpoints/") and "step_" in said

    def disturbed(self, act, **settings):
        """Starts a process, does something to it at some moment, and waits for its end."""
        process = self.start(**settings)
        rows = len((self.out / "metrics.jsonl").read_bytes().splitlines()) if resumes(self) else 0
        if self.rng.random() < 0.25:
            time.sleep(self.rng.uniform(0, 12))  # while it starts
        else:
            process.wait_for_rows(min(rows + self.rng.randrange(1, 4), ROWS))
            time.sleep(self.rng.uniform(0, 0.2))
        act(process)
        return process.end()

    def kill(self, **settings):
        self.hard += 1
        self.ended(self.disturbed(lambda p: p.send(signal.SIGKILL), **settings), "")

    def term(self, number=signal.SIGTERM):
        end = self.disturbed(lambda p: p.send(number))
        if end.status not in (0, 128 + number):
            self.problems.append(f"{STOPS[number]} ends it with {end.status}: {end.stderr[-500:]}")
        self.ended(end, "")

    def hup(self):
        self.term(signal.SIGHUP)

    def int(self):
        self.term(signal.SIGINT)

    def twice(self):
        self.hard += 1

        def act(process):
            process.send(signal.SIGTERM)
            time.sleep(self.rng.uniform(0, 0.3))
            process.send(signal.SIGTERM)

        self.ended(self.disturbed(act), "")

    def pause(self):
        def act(process):
            process.send(signal.SIGSTOP)
            time.sleep(self.rng.uniform(0.5, 3.0))
            process.send(signal.SIGCONT)

        self.ended(self.disturbed(act), "")

    def second(self):
        def act(process):
            if not (self.out / "config.json").exists() or not process.wait_for_rows(1):
                return
            process.send(signal.SIGSTOP)
            self.ended(Process(self.out, ["--resume"]).end(), CAUSES["second"])
            process.send(signal.SIGCONT)

        self.ended(self.disturbed(act), "")

    def disk(self):
        self.hard += 1
        self.ended(self.start(room=self.rng.choice([40, 150, 300, 600])).end(), CAUSES["disk"])

    def damage(self):
        self.kill()
        if self.done or not (self.out / "config.json").exists():
            return
        self.backup = self.folder / "backup"
        shutil.rmtree(self.backup, ignore_errors=True)
        shutil.copytree(self.out, self.backup)
        self.damaged, how = damage(self.rng, self.out)
        self.log.append(f"    {self.damaged} {how}")

    def cores(self):
        self.kill(cores={0})

    def clock(self):
        self.kill(jumps=True)
        if not self.done:
            self.ended(self.start(jumps=True).end(), "")

    def compare(self):
        """Compares the finished run with the undisturbed one."""
        found = differences(self.out, self.reference)
        if self.damaged == "metrics.jsonl":  # rows have no other copy; the rest must be right
            found = [line for line in found if "row" not in line]
        self.log.append("    bit-exact" if not found else f"    differs in {'; '.join(found)}")
        if self.exact:
            self.problems += found
        if self.case.hosted:
            in_flight = 4 if self.case.labeller else 1
            self.problems += book_problems(self.out, self.service, self.hard, in_flight)


def resumes(round):
    return (round.out / "metrics.jsonl").exists()


def make_reference(case, folder):
    """The undisturbed run of a case, with an honest service where it asks one."""
    out = folder / "undisturbed"
    with contextlib.closing(HostileService(answer)) as service:
        end = Process(out, ["--config", case.config(folder, service.url)]).end()
    assert end.status == 0 and not end.problem(), end.stderr
    assert not differences(out, out)
    return out


def case_of(seed):
    """The case of a round: all cases take turns."""
    return CASES[seed % len(CASES)]
